"""Exact totals of a bound workload: words moved per memory, actions per functional unit, cycles per array.

BoundWorkload -> Counts by multiplying each event's amount with the trip counts of its loops; no simulation in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable

from attnsim.components.operations import register_accesses
from attnsim.families.spatial_array.bound import BoundPhase, BoundWorkload, Counts
from attnsim.families.spatial_array.residency import counted_memories
from attnsim.families.spatial_array.space import tensor_words
from attnsim.specs.same import Same, recalled

_COUNTS: dict[Hashable, Counts] = {}


def count(bound: BoundWorkload) -> Counts:
    """Totals over all phases of a bound workload, remembered: they depend on no rate and no energy."""
    hardware = bound.hardware
    arrays = tuple((name, array.pe_count) for name, array in hardware.arrays.items())
    phases = tuple((Same(phase.space), Same(phase.stages), _moves(phase), phase.uncounted) for phase in bound.phases)
    return recalled(_COUNTS, (phases, arrays, tuple(hardware.memories)), lambda: _counted(bound))


def _moves(phase: BoundPhase) -> Hashable:
    """The transfers of a phase as part of a key."""
    return Same(phase.transfers) if phase.demands_fit else phase.transfers


def _counted(bound: BoundWorkload) -> Counts:
    read: dict[str, float] = defaultdict(float)
    written: dict[str, float] = defaultdict(float)
    actions: dict[tuple[str, str], int] = defaultdict(int)
    uncounted: dict[tuple[str, str], int] = defaultdict(int)
    register_reads: dict[str, int] = defaultdict(int)
    register_writes: dict[str, int] = defaultdict(int)
    crossings: dict[str, int] = defaultdict(int)
    cycles: dict[str, float] = defaultdict(float)
    useful: dict[str, float] = defaultdict(float)
    parts: list[tuple[str, str, float]] = []
    for phase in bound.phases:
        _count_transfers(bound, phase, read, written)
        _count_crossings(bound, phase, crossings)
    work = [(phase, stage) for phase in bound.phases for stage in phase.stages]
    for phase, stage in work:
        events = phase.events(stage.each)
        for unit, uses in stage.actions.items():
            actions[stage.array, unit] += uses * stage.points * events
            uncounted[stage.array, unit] += uses * stage.points * events * (unit in phase.uncounted)
        reads, writes = register_accesses(stage.einsum, stage.actions)
        register_reads[stage.array] += reads * stage.points * events
        register_writes[stage.array] += writes * stage.points * events
        cycles[stage.array] += float(stage.cycles * events)
        useful_cycles = float(stage.cycles * stage.occupancy * events)
        useful[stage.array] += useful_cycles
        parts.append((stage.array, stage.einsum.name, useful_cycles))
    return Counts(
        words_read=dict(read),
        words_written=dict(written),
        actions=dict(actions),
        uncounted_actions=dict(uncounted),
        register_reads=dict(register_reads),
        register_writes=dict(register_writes),
        crossings=dict(crossings),
        array_cycles=dict(cycles),
        useful_cycles=dict(useful),
        useful_parts=tuple(parts),
    )


def _count_transfers(
    bound: BoundWorkload, phase: BoundPhase, read: dict[str, float], written: dict[str, float]
) -> None:
    for move in phase.transfers:
        words = move.words * move.fraction * phase.events(move.each)
        counted = counted_memories(move, bound.hardware)
        for memory, tally in ((move.source, read), (move.target, written)):
            tally[memory] += words if memory in counted else 0


def _count_crossings(bound: BoundWorkload, phase: BoundPhase, crossings: dict[str, int]) -> None:
    """Words that go from array to array without a memory, by the narrower of the two, whose registers they pass."""
    stage_of = {stage.einsum.name: stage for stage in phase.stages}
    through_memory = {move.tensor for move in phase.transfers}
    crossed: set[tuple[str, str]] = set()
    reads = ((stage, access) for stage in phase.stages for access in stage.einsum.inputs if access.tensor in stage_of)
    for stage, access in reads:
        arrays = (stage_of[access.tensor].array, stage.array)
        if arrays[0] == arrays[1] or (access.tensor, stage.array) in crossed:
            continue
        if access.tensor in through_memory and access.tensor not in phase.space.states:
            continue
        crossed.add((access.tensor, stage.array))
        narrow = min(arrays, key=lambda name: bound.hardware.arrays[name].pe_count)
        crossings[narrow] += tensor_words(phase.space, access, frozenset()) * phase.events(stage.each)
