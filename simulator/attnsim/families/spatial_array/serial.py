"""Ideal phases counted without a graph: their steps follow one another, so their times add up.

A step begins when all lanes of the one before have ended. Lanes that share no array do not wait for one another, so a
step takes as long as its longest lane, and a nest as long as the steps of all its tiles. The graph of `ideal.py` comes
to the same numbers (tests/conformance/test_chains.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import product

from attnsim.engine.fold import FoldedResult
from attnsim.families.spatial_array.bound import BoundPhase
from attnsim.families.spatial_array.lanes import Lane
from attnsim.families.spatial_array.nest import MergedLoop, positions
from attnsim.families.spatial_array.resources import LATENCY
from attnsim.families.spatial_array.stages import Stage

MOST_TICKS = 1 << 56
"""Beyond so many ticks the engine decides what can be simulated."""


def serial_result(
    phase: BoundPhase, loops: Sequence[MergedLoop], tick_cycles: Fraction, rows: Mapping[str, int]
) -> FoldedResult | None:
    """What the stages of a phase take, in ticks; None where lanes of a step share an array, or only a graph can say.

    rows: of each array, which is how many cycles it takes to drain.
    """
    stages = {stage.einsum.name: stage for stage in phase.stages}
    if any(_share_arrays(step, stages) for step in phase.steps):
        return None
    work = {name: int(stage.cycles / tick_cycles) for name, stage in stages.items()}
    drain = {name: int(cycles / tick_cycles) for name, cycles in rows.items()}
    alike = {name: (positions(tuple(loops), stage.each), stage.late) for name, stage in stages.items()}
    makespan, waited, served = 0, 0, 0
    busy = dict.fromkeys(rows, 0)
    for happening, count in _together(dict.fromkeys(alike.values()), [loop.trip for loop in loops]).items():
        here = {name: work[name] for name in stages if alike[name] in happening}
        for name, ticks in here.items():
            busy[stages[name].array] += count * ticks
        for step in phase.steps:
            drains = [drain[lane.drain] for lane in step if lane.drain is not None]
            lanes = [sum(here.get(name, 0) for name in lane.stages) for lane in step if lane.drain is None]
            makespan += count * max([*drains, *lanes])
            waited += count * max(drains, default=0)
            served += count * sum(drains)
    if makespan >= MOST_TICKS:
        return None
    return FoldedResult(
        makespan_ps=makespan,
        busy_ps={**busy, LATENCY: waited},
        served_ps={**busy, LATENCY: served},
        exact=True,
        simulated_trips=tuple(loop.trip for loop in loops),
        error_bound_ps=0,
    )


def _share_arrays(step: Sequence[Lane], stages: Mapping[str, Stage]) -> bool:
    used = [array for lane in step for array in {stages[name].array for name in lane.stages}]
    return len(set(used)) < len(used)


_Runs = tuple[tuple[bool, ...], bool]
"""At which loops a stage runs in every iteration, and whether it runs in the last one of the others."""


def _together(kinds: Iterable[_Runs], trips: Sequence[int]) -> dict[frozenset[_Runs], int]:
    """How many tiles have just these kinds of stages."""
    asked = tuple(kinds)
    tiles: dict[frozenset[_Runs], int] = {}
    for count, ends in _kinds_of_tiles(trips):
        happening = frozenset(kind for kind in asked if _happens(*kind, ends))
        tiles[happening] = tiles.get(happening, 0) + count
    return tiles


def _kinds_of_tiles(trips: Sequence[int]) -> Iterator[tuple[int, tuple[tuple[bool, bool], ...]]]:
    """(how many tiles, whether they are in the first and in the last iteration of each loop) of all kinds of tiles."""
    choices = []
    for trip in trips:
        kinds = {(True, trip == 1): 1, (trip == 1, True): 1, (False, False): trip - 2}
        choices.append([(ends, count) for ends, count in kinds.items() if count > 0])
    for kind in product(*choices):
        yield math.prod(count for _, count in kind), tuple(ends for ends, _ in kind)


def _happens(walked: Sequence[bool], late: bool, ends: Sequence[tuple[bool, bool]]) -> bool:
    """Whether a stage happens at a kind of tile: at loops it does not walk only in the last or the first iteration."""
    return all(at or end[late] for at, end in zip(walked, ends, strict=True))
