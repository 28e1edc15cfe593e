"""Exact totals of a bound workload: words moved per memory, actions per functional unit, cycles per array.

BoundWorkload -> Counts by multiplying each event's amount with the trip counts of its loops; no simulation in it.
"""

from __future__ import annotations

from collections import defaultdict

from attnsim.components.operations import register_accesses
from attnsim.families.spatial_array.bound import BoundPhase, BoundWorkload, Counts


def count(bound: BoundWorkload) -> Counts:
    """Totals over all phases of a bound workload."""
    read: dict[str, float] = defaultdict(float)
    written: dict[str, float] = defaultdict(float)
    actions: dict[tuple[str, str], int] = defaultdict(int)
    uncounted: dict[tuple[str, str], int] = defaultdict(int)
    register_reads: dict[str, int] = defaultdict(int)
    register_writes: dict[str, int] = defaultdict(int)
    cycles: dict[str, float] = defaultdict(float)
    useful: dict[str, float] = defaultdict(float)
    for phase in bound.phases:
        _count_transfers(bound, phase, read, written)
        for stage in phase.stages:
            events = phase.events(stage.each)
            for unit, uses in stage.actions.items():
                actions[stage.array, unit] += uses * stage.points * events
                if unit in phase.uncounted:
                    uncounted[stage.array, unit] += uses * stage.points * events
            reads, writes = register_accesses(stage.einsum, stage.actions)
            register_reads[stage.array] += reads * stage.points * events
            register_writes[stage.array] += writes * stage.points * events
            cycles[stage.array] += float(stage.cycles * events)
            useful[stage.array] += float(stage.cycles * stage.occupancy * events)
    return Counts(
        words_read=dict(read),
        words_written=dict(written),
        actions=dict(actions),
        uncounted_actions=dict(uncounted),
        register_reads=dict(register_reads),
        register_writes=dict(register_writes),
        array_cycles=dict(cycles),
        useful_cycles=dict(useful),
    )


def _count_transfers(
    bound: BoundWorkload, phase: BoundPhase, read: dict[str, float], written: dict[str, float]
) -> None:
    backing = list(bound.hardware.memories)[-1]
    for move in phase.transfers:
        words = move.words * phase.events(move.each)
        for memory, tally in ((move.source, read), (move.target, written)):
            if memory not in bound.hardware.memories:
                continue
            if memory == backing:
                tally[memory] += words * move.fraction
            elif not move.bypass:
                tally[memory] += words
