"""Phases that together last longer than the clock of the engine."""

from __future__ import annotations

import pytest

from attnsim.engine.fold import FoldedProgram
from attnsim.engine.phases import ProgramPhase, TimedProgram, run_phases
from attnsim.taskgraph import GraphBuilder, TaskGraph

TILE_PS = 10**9
TILES = 10**9


def tiles(resource: str) -> TimedProgram:
    """A loop of tiles that follow each other on one resource."""

    def build(trips: tuple[int, ...]) -> TaskGraph:
        graph = GraphBuilder()
        array = graph.resource(resource)
        last: list[int] = []
        for _ in range(trips[0]):
            last = [graph.task(array, TILE_PS, last)]
        return graph.build()

    return TimedProgram(program=FoldedProgram(trips=(TILES,), build=build, tasks=lambda trips: trips[0]))


@pytest.mark.parametrize(
    ("beside", "resources", "expected_ps"),
    [
        (False, ("array", "array"), 2 * TILES * TILE_PS),
        (True, ("array", "array"), 2 * TILES * TILE_PS),
        (True, ("array", "dram"), TILES * TILE_PS),
    ],
)
def test_phases_of_many_days_add_up(beside: bool, resources: tuple[str, str], expected_ps: int) -> None:
    phases = [
        ProgramPhase(step="step", name=str(i), programs=(tiles(name),), beside=beside and i > 0)
        for i, name in enumerate(resources)
    ]
    assert run_phases(phases).makespan_ps == pytest.approx(expected_ps, rel=1e-15)
