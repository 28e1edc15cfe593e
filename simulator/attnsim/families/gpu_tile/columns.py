"""The columns in which compiled functions take bound attention problems: one row a problem, one float a fact."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from attnsim.specs.constants import CONSTANTS

Floats = npt.NDArray[np.float64]

COLUMNS: tuple[str, ...] = (
    # the problem
    "batch",  # sequences
    "heads",  # heads of the grid: key/value heads where a group shares a tile, else query heads
    "kv_heads",
    "group",  # rows of a tile for each query
    "queries",
    "keys",
    "past",  # the last key that query p sees is p + past
    "window",
    "qk_dim",  # as computed, padding included
    "v_dim",
    "query_heads",
    # the tile
    "m",
    "n",
    "slots",  # CTAs that an SM holds
    "flop_per_cycle",
    "operand_cycles",  # in which shared memory gives each warp its operands of a tile
    "score_cycles",  # of the softmax, for a score, at full rate
    "row_cycles",  # for a row and tile
    "rescale_cycles",  # for an element of the output row and tile
    "q_bytes",
    "o_bytes",
    "cache_bytes",  # of an element of K or V in the cache
    "load_bytes",  # of an element of K or V as the kernel reads it
    "convert",  # elements of K and V that are converted or transposed for each key
    "v_tile",  # elements of v_dim that a CTA takes
    "specialized",  # 1 where products and softmax run in warps of their own
    "spare_bytes",  # of shared memory for K and V
    "spilled",  # registers of a thread in local memory
    "search",  # 1 where CTAs look for their row block, longest first
    "merged",  # elements of the output that a CTA merges, over all its warps
    "whole_rows",  # 1 where missing rows of a tile take time too
    "waits",  # 1 where all of a CTA's time holds the pipes for the share `busy`, 2: its tiles alone hold them at all
    "bulk",  # 1 where a bulk copy brings the rows of Q unless keys are split, 2 where it always does
    # the schedule
    "order",  # 0 ascending, 1 descending, 2 longest first over all heads, 3 block slowest, 4 dealt out in turn
    "section",  # heads that take turns in a block
    "exact_start",  # 1: tiles begin at the window's first key
    "mask_all",  # 1: the mask is computed on every tile, -1: on every tile as part of its softmax
    "splits",  # CTAs that share the keys of a row block
    "asked",  # splits that the caller or a first rule asks for, before the lengths are known
    "split_tiles",  # tiles of each of them, 0: as even as possible
    "by_distance",  # 1: reuse distances say what is in the L2
    "sharpness",  # exponent by which lines leave the L2 all at once
    "reads_new",  # 1: K and V are read as they come in, not from the cache
    "line_uses",  # times that a line of the DRAM is read for the heads in it
    "copies",  # launches that rearrange Q before and O after
    # launches beside: what writes new K and V before, what combines splits after
    "write_ctas",
    "write_slots",
    "write_share",  # CTAs of an SM that do not hold one another up
    "write_threads",  # of one of its CTAs, over 1024
    "write_rounds",  # heads that a warp writes, one after the other
    "write_bytes",
    "write_query_bytes",  # of them of Q
    "write_apart",  # 1 where K and V are written by a launch each
    "combine_ctas",  # 0: no such launch
    "combine_slots",
    "combine_share",  # bytes of a partial result that the CTAs of the splits divide among them, 0: another launch does
    "combine_rounds",  # partial results that a thread of it takes, one after the other
    "clustered",  # 1 where splits combine in a cluster
    "partials",  # partial results of each output that are kept in fp32 and combined, 0: none
    "combine_walk",  # sequences that each of its CTAs walks, in units of `scanned`
    "scanned",  # sequences that a scheduler on the GPU walks
)
"""Names of the columns."""

AT: Mapping[str, int] = {name: position for position, name in enumerate(COLUMNS)}
"""Position of each column."""

CONSTANT: Mapping[str, int] = {name: position for position, name in enumerate(CONSTANTS)}
"""Position of each constant in the vector of constants."""


def blank(rows: int) -> Floats:
    """Columns for a number of problems, all zero."""
    return np.zeros((rows, len(COLUMNS)))
