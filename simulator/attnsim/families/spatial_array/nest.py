"""The loop nest of a bound phase as events: which stage or transfer happens at which iteration.

Adjacent loops that no event tells apart are merged, so that a phase has as few loops as its structure needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from attnsim.families.spatial_array.bound import BoundPhase
from attnsim.families.spatial_array.residency import Transfer
from attnsim.families.spatial_array.stages import Stage

Point = tuple[int, ...]
Event = Stage | Transfer
_TASKS_PER_EVENT = 3
# Stages of one cycle and transfers of some hundred bytes last about a nanosecond; a tick of a picosecond would
# round them by up to 1e-3.
TICKS_PER_PS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedLoop:
    """Neighbouring loops that all events treat alike, as one loop."""

    parts: tuple[str, ...]
    trip: int


def merged_loops(phase: BoundPhase, events: Sequence[Event]) -> tuple[MergedLoop, ...]:
    """Loops of the phase, outermost first, without those of one iteration, neighbours merged.

    Neighbours merge that no event in `events` tells apart; an iterative rank stays a loop of its own.
    """
    iterative = {part for v in phase.space.iterative for part in phase.space.parts.get(v, ())}
    merged: list[MergedLoop] = []
    last: tuple[bool, ...] | None = None
    for loop in phase.space.loops:
        if loop.trip == 1 or not any(loop.part in event.each for event in events):
            continue
        signature = (*(loop.part in event.each for event in events), loop.part in iterative)
        if merged and signature == last:
            old = merged[-1]
            merged[-1] = MergedLoop(parts=(*old.parts, loop.part), trip=old.trip * loop.trip)
        else:
            merged.append(MergedLoop(parts=(loop.part,), trip=loop.trip))
        last = signature
    return tuple(merged)


def points(trips: tuple[int, ...]) -> Iterator[Point]:
    """Every iteration of the nest in order of execution."""
    return product(*(range(trip) for trip in trips))


def positions(loops: tuple[MergedLoop, ...], each: frozenset[str]) -> tuple[bool, ...]:
    """For each merged loop, whether an event with these `each` loops happens at all of its iterations."""
    return tuple(loop.parts[0] in each for loop in loops)


def happens(at: tuple[bool, ...], late: bool, point: Point, trips: tuple[int, ...]) -> bool:
    """Whether an event happens at `point`: at loops it does not walk only in the last (late) or the first iteration."""
    return all(
        walked or index == (trip - 1 if late else 0) for walked, index, trip in zip(at, point, trips, strict=True)
    )


def key(at: tuple[bool, ...], point: Point) -> Point:
    """Identity of the event instance that a point belongs to: indices of the walked loops, 0 elsewhere."""
    return tuple(index if walked else 0 for walked, index in zip(at, point, strict=True))


def task_estimate(events: Sequence[Event], loops: tuple[MergedLoop, ...], trips: tuple[int, ...]) -> int:
    """Upper bound on the number of tasks of a graph of these events with the given trips."""
    walked = [positions(loops, event.each) for event in events]
    return _TASKS_PER_EVENT * sum(math.prod(t for t, w in zip(trips, at, strict=True) if w) for at in walked)


def cycles_to_ticks(cycles: float, clock_hz: float) -> int:
    """Whole ticks of 1/TICKS_PER_PS picoseconds, rounded to nearest."""
    return round(cycles * 1e12 * TICKS_PER_PS / clock_hz)
