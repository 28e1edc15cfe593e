"""What moves of a tensor at many sizes: the transfers of the model, asked once for all sizes of a form of loops.

Which transfers there are depends only on the loops that run more than once; how much they move is a product of trips
and extents. (Form's space, uses, loop) -> `Move`s once, then (`Move`s, sizes) -> seconds on each memory and joules.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from attnsim.einsum.ast import Access
from attnsim.explore.mapper_blocks import Block, Sizes, block_of, block_words
from attnsim.families.spatial_array.residency import Tensors, Transfer, Use, counted_memories, transfers_of
from attnsim.families.spatial_array.space import Space
from attnsim.specs.spatial_array import SpatialArray

Costs = tuple[float, ...]
"""Seconds on each memory, then joules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Words of a block at every iteration of the loops in `each`, but for the first one of those in `sums`; what a word
    costs."""

    block: Block
    each: tuple[str, ...]
    sums: tuple[str, ...]
    word: Costs


def moves_of(
    uses: Sequence[Use],
    space: Space,
    roles: Tensors,
    access: Access,
    loop: str | None,
    memory: str,
    hardware: SpatialArray,
) -> tuple[Move, ...]:
    """Everything that moves of a tensor whose block is kept in a memory below a loop, or that passes through."""
    order = [one.part for one in space.loops]
    inner = frozenset(order[order.index(loop) + 1 :]) if loop is not None else frozenset[str]()
    blocks = {memory: {access.tensor: inner}} if loop is not None else {}
    walked = space.loops_of(access.variables)
    written: frozenset[str] = frozenset().union(*(use.each for use in uses if use.writes))
    return tuple(
        Move(
            block=block_of(space, access, order, None if _is_at_array(move, hardware) else loop),
            each=tuple(part for part in order if part in move.each),
            sums=tuple(part for part in order if part in (move.each & written) - walked) if move.fraction < 1 else (),
            word=_word_costs(move, hardware),
        )
        for move in transfers_of(uses, space, roles, blocks, hardware)
    )


def _is_at_array(move: Transfer, hardware: SpatialArray) -> bool:
    return move.source in hardware.arrays or move.target in hardware.arrays


def _word_costs(move: Transfer, hardware: SpatialArray) -> Costs:
    word_bytes = hardware.word_bits / 8
    seconds = dict.fromkeys(hardware.memories, 0.0)
    energy_j = 0.0
    for name in counted_memories(move, hardware):
        memory = hardware.memories[name]
        seconds[name] += word_bytes / memory.bandwidth_bytes_per_s if memory.bandwidth_bytes_per_s else 0.0
        energy_j += word_bytes / memory.access_bytes * (memory.read_j if name == move.source else memory.write_j)
    return (*seconds.values(), energy_j)


def costs_of(moves: Sequence[Move], sizes: Sizes, symbols: Mapping[str, int], width: int) -> Costs:
    """Seconds on each memory, and joules of all; `width`: how many that are."""
    total = [0.0] * width
    for move in moves:
        words: float = block_words(move.block, sizes, symbols) * math.prod([sizes[part] for part in move.each])
        if move.sums:
            words *= 1 - 1 / math.prod([sizes[part] for part in move.sums])
        for place, cost in enumerate(move.word):
            total[place] += words * cost
    return tuple(total)
