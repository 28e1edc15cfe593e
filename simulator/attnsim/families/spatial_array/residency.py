"""Residency: which block of which tensor lives where, and every transfer between levels that follows.

From stages, space and a mapping's `keep` to `Transfer`s (words per event and the loops at which the event happens) and
to the bytes that each memory must hold. The reuse rule is that of Timeloop: a block is fetched again for each iteration
of every loop outside it, except loops right outside that do not index the tensor (the block stays).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from attnsim.einsum.ast import Access, Cascade
from attnsim.families.spatial_array.space import Space, reads_old_state, tensor_words
from attnsim.families.spatial_array.stages import Stage
from attnsim.families.spatial_array.sweeps import pass_numbers
from attnsim.specs.loop_nest import Phase
from attnsim.specs.spatial_array import SpatialArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Words of a tensor that move from `source` to `target` at every iteration of the loops in `each`.

    source and target are memory names or array names. late: at the other loops the event falls into the last iteration,
    else into the first. fraction: share of the words that really moves (spilling splits a transfer in two; the first
    partial sum need not be read). bypass: the accesses of the inner memory are counted by another transfer. readers:
    the Einsums that it serves; empty: all that read the tensor.
    """

    tensor: str
    source: str
    target: str
    words: int
    each: frozenset[str]
    late: bool
    fraction: float = 1.0
    bypass: bool = False
    readers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How a nest touches a tensor on an array, at the loops `each`; `einsums` are those of the nest that touch it.

    passes: the pass over each loop, outermost first, in which it does so.
    """

    access: Access
    einsums: frozenset[str]
    array: str
    each: frozenset[str]
    late: bool
    writes: bool
    passes: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensors:
    """Roles of the tensors of a phase: read from outside, left for outside, made and used inside."""

    inputs: frozenset[str]
    outputs: frozenset[str]
    internal: frozenset[str]


def counted_memories(move: Transfer, hardware: SpatialArray) -> tuple[str, ...]:
    """Memories whose accesses a transfer counts: those that it reads or writes; behind a bypass only the outer one."""
    touched = [name for name in hardware.memories if name in (move.source, move.target)]
    return tuple(touched[-1:] if move.bypass else touched)


def tensor_roles(cascade: Cascade, stages: Sequence[Stage]) -> Tensors:
    """Sort the phase's tensors by whether other phases, or the outside, make or use them."""
    made = {stage.einsum.name for stage in stages}
    read = {access.tensor for stage in stages for access in stage.einsum.inputs}
    elsewhere = {a.tensor for e in cascade.einsums if e.name not in made for a in e.inputs}
    outputs = made & (set(cascade.outputs) | elsewhere)
    return Tensors(
        inputs=frozenset(read - made), outputs=frozenset(outputs), internal=frozenset((made & read) - outputs)
    )


def nests_of(stages: Sequence[Stage], space: Space, phase: Phase) -> list[list[Stage]]:
    """Stages grouped into nests: as the mapping says, the rest by equal loops and passes over them."""
    passes = pass_numbers(stages, space)
    named = {name: i for i, nest in enumerate(phase.nests) for name in nest}
    groups: dict[object, list[Stage]] = {}
    for stage in stages:
        key: object = named.get(stage.einsum.name, (stage.each, stage.late, passes[stage.einsum.name]))
        groups.setdefault(key, []).append(stage)
    return list(groups.values())


def nest_uses(nest: Sequence[Stage], space: Space, passes: Mapping[str, tuple[int, ...]]) -> list[Use]:
    """Reads and writes of a nest at the level of a tile; a value made in the nest is not read from a memory again.
    `passes`: Einsum -> the pass over each loop in which it runs.

    A state is read once (its value before the tile) although the nest makes its next value.
    """
    made = {stage.einsum.name for stage in nest}
    uses: dict[tuple[str, bool], Use] = {}
    for stage in nest:
        arriving = [a for a in stage.einsum.inputs if a.tensor not in made or reads_old_state(a, space)]
        for access in arriving:
            _merge(uses, access, stage, passes[stage.einsum.name], writes=False)
        _merge(uses, stage.einsum.output, stage, passes[stage.einsum.name], writes=True)
    return list(uses.values())


def _merge(
    uses: dict[tuple[str, bool], Use], access: Access, stage: Stage, passes: tuple[int, ...], *, writes: bool
) -> None:
    key = (access.tensor, writes)
    old = uses.get(key)
    each = stage.each | old.each if old else stage.each
    late = stage.late and (old is None or old.late)
    einsums = frozenset({stage.einsum.name}) | (old.einsums if old else frozenset())
    passes = old.passes if old else passes
    uses[key] = Use(
        access=access, einsums=einsums, array=stage.array, each=each, late=late, writes=writes, passes=passes
    )


def held_blocks(space: Space, phase: Phase) -> dict[str, dict[str, frozenset[str]]]:
    """Memory -> tensor -> loops inside the block that is kept there."""
    loops = [loop.part for loop in space.loops]
    return {
        memory: {tensor: frozenset(loops[loops.index(part) + 1 :]) for tensor, part in tensors.items()}
        for memory, tensors in phase.keep.items()
    }


def refetch_loops(space: Space, access: Access, inner: frozenset[str]) -> frozenset[str]:
    """Loops at whose every iteration a block is fetched: those outside it, but for irrelevant ones right outside.

    A loop of one iteration changes no block and is irrelevant too.
    """
    relevant = {part for part in space.loops_of(access.variables) if space.trip(part) > 1}
    outside = [loop.part for loop in space.loops if loop.part not in inner]
    while outside and outside[-1] not in relevant:
        outside.pop()
    return frozenset(outside)


def block_bytes(space: Space, access: Access, inner: frozenset[str], *, word_bytes: float) -> int:
    """Bytes of the block of a tensor that covers the loops in `inner` and the tile."""
    return round(tensor_words(space, access, inner) * word_bytes)


def transfers_of(
    uses: Sequence[Use],
    space: Space,
    roles: Tensors,
    blocks: Mapping[str, Mapping[str, frozenset[str]]],
    hardware: SpatialArray,
) -> list[Transfer]:
    """Every transfer of the phase: between memories and, at tile level, between memories and arrays.

    A block is fetched once for all nests that read it while it stays, and again for each further pass over a loop
    whose iterations replace it.
    """
    found: list[Transfer] = []
    between: dict[Hashable, list[Transfer]] = {}
    for use in uses:
        levels = _levels(use, roles, blocks, hardware)
        found += _array_side(use, levels[0], space, blocks) if levels else []
        crossed = [] if _stays_inside(use, roles) else pairwise(levels)
        for inner_level, outer_level in crossed:
            again = _passes_over(use, refetch_loops(space, use.access, blocks[inner_level][use.access.tensor]), space)
            moved = (use.access.tensor, inner_level, use.writes, again)
            between.setdefault(moved, _block_side(use, inner_level, outer_level, space, blocks))
    return [*found, *(move for moves in between.values() for move in moves)]


def _passes_over(use: Use, replaced: frozenset[str], space: Space) -> tuple[int, ...]:
    """The passes of a use over loops at whose iterations a block is replaced."""
    return tuple(number for number, loop in zip(use.passes, space.loops, strict=True) if loop.part in replaced)


def _levels(
    use: Use,
    roles: Tensors,
    blocks: Mapping[str, Mapping[str, frozenset[str]]],
    hardware: SpatialArray,
) -> list[str]:
    """Memories that a use of a tensor passes, innermost first; empty when the tensor never leaves the registers."""
    tensor = use.access.tensor
    backing = list(hardware.memories)[-1]
    kept = [m for m in hardware.memories if tensor in blocks.get(m, {})]
    travels = tensor in roles.inputs or tensor in roles.outputs
    if travels and backing not in kept:
        kept.append(backing)
    return kept


def _stays_inside(use: Use, roles: Tensors) -> bool:
    """Whether the tensor lives and dies in the buffer, so that no block of it moves to the next memory."""
    tensor = use.access.tensor
    if use.writes:
        return tensor not in roles.outputs
    return tensor not in roles.inputs


def _array_side(
    use: Use, memory: str, space: Space, blocks: Mapping[str, Mapping[str, frozenset[str]]]
) -> list[Transfer]:
    """Transfers between an array and the nearest memory: one tile's words per event, or a block held in the array."""
    tensor = use.access.tensor
    held = blocks.get(use.array, {}).get(tensor)
    inner = held if held is not None else frozenset[str]()
    words = tensor_words(space, use.access, inner)
    each = refetch_loops(space, use.access, held) if held is not None else use.each
    if not use.writes:
        return [
            Transfer(
                tensor=tensor,
                source=memory,
                target=use.array,
                words=words,
                each=each,
                late=use.late,
                readers=use.einsums,
            )
        ]
    accumulated = _accumulation_loops(use, space, each)
    each -= _held_in_place(space, accumulated, each)
    out = Transfer(tensor=tensor, source=use.array, target=memory, words=words, each=each, late=True)
    return [out, *_partial_sums_back(out, accumulated, space)]


def _partial_sums_back(out: Transfer, accumulated: frozenset[str], space: Space) -> list[Transfer]:
    """A partial sum that left must come back in every iteration of the reduced loops but the first."""
    iterations = math.prod(space.trip(part) for part in accumulated & out.each)
    if iterations == 1:
        return []
    return [replace(out, source=out.target, target=out.source, late=False, bypass=False, fraction=1 - 1 / iterations)]


def _accumulation_loops(use: Use, space: Space, each: frozenset[str]) -> frozenset[str]:
    """Loops that the producer reduces over; the iterative rank is not one: its state is read explicitly."""
    return each - space.loops_of(use.access.variables)


def _held_in_place(space: Space, accumulated: frozenset[str], each: frozenset[str]) -> frozenset[str]:
    """Reduced loops that are innermost, so that the sum stays in the PEs until they end."""
    held: set[str] = set()
    for loop in reversed(space.loops):
        if loop.part in accumulated:
            held.add(loop.part)
        elif loop.part in each and loop.trip > 1:
            break
    return frozenset(held)


def _block_side(
    use: Use,
    inner_level: str,
    outer_level: str,
    space: Space,
    blocks: Mapping[str, Mapping[str, frozenset[str]]],
) -> list[Transfer]:
    tensor = use.access.tensor
    inner = blocks[inner_level][tensor]
    each = refetch_loops(space, use.access, inner)
    words = tensor_words(space, use.access, inner)
    if use.writes:
        # The last update of a block is written through, so that handing it on costs the inner memory no read.
        out = Transfer(
            tensor=tensor, source=inner_level, target=outer_level, words=words, each=each, late=True, bypass=True
        )
        return [out, *_partial_sums_back(out, _accumulation_loops(use, space, use.each), space)]
    return [Transfer(tensor=tensor, source=outer_level, target=inner_level, words=words, each=each, late=False)]
