"""What a fused attention kernel must know of a cascade: that it passes over the keys once, and work beside products.

Cascade -> Ranks and TileWork (operations of the softmax, by pipe, per score, per row of a tile and per row).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from attnsim.analysis.passes import passes_over
from attnsim.components.attention import Ranks, no_attention, product_ranks
from attnsim.components.operations import point_operations
from attnsim.einsum.ast import Cascade

# Instructions of the two pipes, (MUFU, FP32), that make an operation: PTX ISA, ex2.approx, rcp.approx and tanh.approx;
# sigmoid(x) = (1 + tanh(x/2))/2, as FlashSigmoid computes it (Ramapuram et al. 2024, section 4).
_PIPES: Mapping[str, tuple[int, int]] = {
    "exp": (1, 0),
    "log": (1, 1),
    "reciprocal": (1, 0),
    "rsqrt": (1, 0),
    "sqrt": (1, 1),
    "tanh": (1, 0),
    "sigmoid": (1, 1),
    "silu": (1, 2),
    "div": (1, 1),
    "copy": (0, 0),
}


def pipe_operations(operation: str) -> tuple[int, int]:
    """Instructions of the MUFU and the FP32 pipe that an operation class takes; one FP32 instruction unless listed."""
    return _PIPES.get(operation, (0, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class TileWork:
    """Instructions beside the two products, as (MUFU, FP32): for a score, for a row and a tile, and for a row.

    The last two have a part that counts once for each element of the output row.
    """

    score: tuple[int, int]
    tile_row: tuple[int, int]
    tile_row_element: tuple[int, int]
    row: tuple[int, int]
    row_element: tuple[int, int]


def attention_ranks(cascade: Cascade) -> Ranks:
    """Roles of the ranks; MappingError when the cascade is not two products around work on the scores in one pass."""
    ranks = product_ranks(cascade)
    count = _passes(cascade, ranks.key.upper())
    if count > 1:
        raise no_attention(cascade, f"it passes {count} times over {ranks.key.upper()}, a fused kernel once")
    return ranks


@cache
def _passes(cascade: Cascade, rank: str) -> int:
    passes = passes_over(cascade, rank, {})
    return passes.count if passes is not None else 1


def tile_work(cascade: Cascade, ranks: Ranks) -> TileWork:
    """Instructions of everything but the two products, from the operators and the ranks that each Einsum goes over."""
    inner = ranks.keys[0]
    outer = set(ranks.keys[1:])
    found: dict[str, tuple[int, int]] = {}
    for einsum in cascade.einsums:
        if einsum in (ranks.score, ranks.value):
            continue
        variables = set(einsum.iteration_ranks)
        if not variables & {*ranks.rows}:
            continue
        element = bool(variables & {*ranks.v})
        where = "score" if inner in variables else "tile_row" if outer & variables else "row"
        if where != "score" and element:
            where += "_element"
        done = found.get(where, (0, 0))
        for operation in point_operations(einsum):
            mufu, fp32 = pipe_operations(operation)
            done = (done[0] + mufu, done[1] + fp32)
        found[where] = done
    none = (0, 0)
    return TileWork(
        score=found.get("score", none),
        tile_row=found.get("tile_row", none),
        tile_row_element=found.get("tile_row_element", none),
        row=found.get("row", none),
        row_element=found.get("row_element", none),
    )
