"""Rows of a table run in bulk: rows -> problems -> seconds, sequences in pieces that do not see each other included."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl

from attnsim.components.attention import UNLIMITED
from attnsim.families.gpu_tile.attention import gpu_numbers
from attnsim.families.gpu_tile.bulk import PARTS, run_bulk
from attnsim.families.gpu_tile.columns import CONSTANT, Floats
from attnsim.families.gpu_tile.fused import TileWork, attention_ranks, tile_work
from attnsim.families.gpu_tile.problems import Problems, bind_problems
from attnsim.specs.cascade import load_cascade
from attnsim.specs.gpu_tile import GpuTile
from attnsim.specs.kernel import Kernel

CHUNK = 8192
"""SGLang takes a window of this length in FlashAttention-3 as chunks: pieces of a sequence that see only themselves."""


def run_rows(rows: pl.DataFrame, kernel: Kernel, gpu: GpuTile, values: Floats) -> tuple[Floats, Floats]:
    """(seconds of each row, seconds by part of each); nan where no tile of the kernel takes the row."""
    pieces = chunked(rows)
    seconds, parts = np.full(rows.height, np.nan), np.zeros((rows.height, len(PARTS)))
    seconds[~pieces], parts[~pieces] = _plain(rows.filter(pl.Series(~pieces)), kernel, gpu, values)
    if pieces.any():
        seconds[pieces], parts[pieces] = _chunks(rows.filter(pl.Series(pieces)), kernel, gpu, values)
    return seconds, parts


def chunked(rows: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """True for rows whose sequence falls into chunks; none do where nothing says what timed them."""
    if not {"framework", "kernel_source"} <= set(rows.columns):
        return np.zeros(rows.height, np.bool_)
    fa3 = (pl.col("framework") == "sglang") & (pl.col("kernel_source") == "fa3") & (pl.col("phase") == "context")
    long = (pl.col("window_size") == CHUNK) & (pl.col("isl") > CHUNK)
    return rows.select((fa3 & long).fill_null(False)).to_series().to_numpy()


def _plain(rows: pl.DataFrame, kernel: Kernel, gpu: GpuTile, values: Floats) -> tuple[Floats, Floats]:
    bound = bind_problems(problems_of(rows), kernel, gpu, work_of(kernel))
    fits = bound.chosen >= 0
    seconds, parts = np.full(rows.height, np.nan), np.zeros((rows.height, len(PARTS)))
    seconds[fits], parts[fits] = run_bulk(bound.columns[fits], values, gpu_numbers(gpu))
    return seconds, parts


def _chunks(rows: pl.DataFrame, kernel: Kernel, gpu: GpuTile, values: Floats) -> tuple[Floats, Floats]:
    """Whole chunks as sequences of their own, then what is left of each sequence, in one launch."""
    whole = rows.with_columns(
        batch_size=pl.col("batch_size") * (pl.col("isl") // CHUNK), isl=pl.lit(CHUNK), window_size=pl.lit(0)
    )
    seconds, parts = _plain(whole, kernel, gpu, values)
    rest = rows.with_columns(isl=pl.col("isl") % CHUNK, window_size=pl.lit(0))
    left = (rest["isl"] > 0).to_numpy()
    more, spent = _plain(rest.filter(pl.Series(left)), kernel, gpu, values)
    spent[:, PARTS.index("launch")] = 0.0
    seconds[left] += np.maximum(more - values[CONSTANT["launch"]], 0.0)
    parts[left] += spent
    return seconds, parts


def problems_of(group: pl.DataFrame) -> Problems:
    """Rows as problems: prefill of `isl` queries after `step` keys, decode of one; encoders see everything."""
    queries = np.where(group["phase"] == "generation", 1, group["isl"]).astype(np.int64)
    past = group["step"].to_numpy().astype(np.int64)
    full = (group["phase"] == "encoder").to_numpy()
    window = group["window_size"].to_numpy().astype(np.int64)

    def column(name: str) -> npt.NDArray[np.int64]:
        return group[name].to_numpy().astype(np.int64)

    return Problems(
        batch=column("batch_size"),
        query_heads=column("num_heads"),
        kv_heads=column("num_key_value_heads"),
        queries=queries,
        keys=queries + past,
        past=np.where(full, UNLIMITED, past),
        window=np.where(window > 0, window, UNLIMITED),
        qk_dim=column("head_dim"),
        v_dim=column("value_head_dim"),
    )


@cache
def _work(cascade: str) -> TileWork:
    loaded = load_cascade(cascade)
    return tile_work(loaded, attention_ranks(loaded))


def work_of(kernel: Kernel) -> TileWork:
    """The softmax of the cascade that a kernel is written for."""
    return _work(kernel.target.cascade)
