"""Capacity: bytes that a phase holds in each memory, the largest tile that fits, and the share that spills.

Demand of a memory = kept blocks (times the buffers the mapping asks for, shared blocks once) + staged tiles of streamed
operands. FuseMax sizes its resident rows this way (artifact, resident P1), FLAT its spilled share (proportion_spilled).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from attnsim.einsum.ast import Access
from attnsim.families.spatial_array.residency import Tensors, block_bytes
from attnsim.families.spatial_array.space import Space
from attnsim.families.spatial_array.stages import Stage
from attnsim.mapping.infeasible import Infeasible
from attnsim.specs.loop_nest import Phase
from attnsim.specs.spatial_array import SpatialArray

Parts = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a memory must hold: (tensor, bytes) parts, and the capacity that the mapping may use."""

    memory: str
    parts: tuple[tuple[str, int], ...]
    capacity_bytes: int | None

    @property
    def total_bytes(self) -> int:
        """All parts together."""
        return sum(size for _, size in self.parts)

    @property
    def fits(self) -> bool:
        """Whether the demand is within capacity; always for a memory without bound."""
        return self.capacity_bytes is None or self.total_bytes <= self.capacity_bytes

    @property
    def spilled(self) -> float:
        """Share of the demand that does not fit."""
        if self.fits or self.capacity_bytes is None:
            return 0.0
        return 1.0 - self.capacity_bytes / self.total_bytes


def accesses_by_tensor(stages: Sequence[Stage]) -> dict[str, Access]:
    """One representative access per tensor, the widest (most indices), inputs and outputs alike."""
    found: dict[str, Access] = {}
    for access in (a for stage in stages for a in (*stage.einsum.inputs, stage.einsum.output)):
        if access.tensor not in found or len(access.indices) > len(found[access.tensor].indices):
            found[access.tensor] = access
    return found


def demand_parts(
    stages: Sequence[Stage],
    space: Space,
    phase: Phase,
    roles: Tensors,
    blocks: Mapping[str, Mapping[str, frozenset[str]]],
    hardware: SpatialArray,
) -> dict[str, Parts]:
    """(tensor, bytes) parts of the demand of every memory that keeps or stages something."""
    found: dict[str, Parts] = {}
    accesses = accesses_by_tensor(stages)
    word_bytes = hardware.word_bits / 8
    for memory in hardware.memories:
        kept = blocks.get(memory, {})
        parts = [
            (name, phase.buffers.get(name, 1) * block_bytes(space, accesses[name], inner, word_bytes=word_bytes))
            for name, inner in kept.items()
            if name in accesses
        ]
        parts = _share(parts, phase.in_place)
        parts += _staged(phase.stage.get(memory, 0), kept, accesses, space, roles, word_bytes)
        if parts:
            found[memory] = tuple(parts)
    return found


def usable_bytes(phase: Phase, hardware: SpatialArray) -> dict[str, int | None]:
    """Whole bytes of each memory that a phase may use; None: no bound."""
    found = {name: phase.capacity.get(name, memory.capacity_bytes) for name, memory in hardware.memories.items()}
    return {name: None if capacity is None else int(capacity) for name, capacity in found.items()}


def demands_within(parts: Mapping[str, Parts], usable: Mapping[str, int | None]) -> tuple[Demand, ...]:
    """Demands of all memories, with the bytes that each may use."""
    return tuple(Demand(memory=name, parts=held, capacity_bytes=usable[name]) for name, held in parts.items())


def _share(parts: list[tuple[str, int]], groups: Sequence[Sequence[str]]) -> list[tuple[str, int]]:
    sizes = dict(parts)
    for group in groups:
        held = [name for name in group if name in sizes]
        if len(held) > 1:
            sizes["/".join(held)] = max(sizes.pop(name) for name in held)
    return list(sizes.items())


def _staged(
    copies: int,
    kept: Mapping[str, frozenset[str]],
    accesses: Mapping[str, Access],
    space: Space,
    roles: Tensors,
    word_bytes: float,
) -> list[tuple[str, int]]:
    if not copies:
        return []
    streamed = [name for name in accesses if name in (roles.inputs | roles.outputs) and name not in kept]
    return [
        (name, copies * block_bytes(space, accesses[name], frozenset(), word_bytes=word_bytes)) for name in streamed
    ]


def fitted_sizes(space: Space, fitted: str) -> list[int]:
    """Divisors of what its rank leaves to the part `fitted`, largest first."""
    total = space.trip(_outer_of(space, fitted)) * space.trip(fitted)
    small = [size for size in range(1, math.isqrt(total) + 1) if total % size == 0]
    return sorted({*small, *(total // size for size in small)}, reverse=True)


def sized(space: Space, fitted: str, size: int) -> Space:
    """The space with a size for the part `fitted`; the outermost part of its rank takes the rest."""
    outer = _outer_of(space, fitted)
    total = space.trip(outer) * space.trip(fitted)
    return space.with_trip(fitted, size).with_trip(outer, total // size)


def _outer_of(space: Space, fitted: str) -> str:
    """The loop that takes what `fitted` leaves: the outermost part of the same rank variable."""
    for names in space.parts.values():
        if fitted in names:
            return next(part for part in names if part != fitted and any(loop.part == part for loop in space.loops))
    raise KeyError(fitted)


def infeasible(mapping: str, phase: Phase, demand: Demand, fitted: str | None) -> Infeasible:
    """Report a demand over capacity with the levers that would make it fit."""
    assert demand.capacity_bytes is not None
    parts = tuple(sorted(demand.parts, key=lambda part: -part[1]))
    largest = parts[0][0]
    levers = [
        f"raise memories.{demand.memory}.capacity to at least {demand.total_bytes:,} B",
        f"keep {largest} at an inner loop or not at all",
    ]
    if fitted is None and any(phase.tile.values()):
        levers.append("use smaller tiles, or the word `fit` for one of them")
    if phase.overflow == "reject":
        levers.append("allow `overflow: spill`")
    return Infeasible(
        mapping=mapping,
        phase=phase.name,
        memory=demand.memory,
        demand_bytes=demand.total_bytes,
        capacity_bytes=demand.capacity_bytes,
        parts=parts,
        levers=tuple(levers),
    )
