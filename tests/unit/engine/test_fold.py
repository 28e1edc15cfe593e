"""Folding: the full simulation to the picosecond where the checks hold, an estimate with a bound where they do not."""

from __future__ import annotations

import pytest

from attnsim.engine import run
from attnsim.engine.fold import FoldedProgram, run_folded
from attnsim.taskgraph import GraphBuilder, TaskGraph

TRILLION = 10**12


def double_buffered(trips: tuple[int, ...]) -> TaskGraph:
    """Loads into two buffers, a stage on an array, and a store after the last tile of each block."""
    graph = GraphBuilder()
    dram, array, pool = (
        graph.resource("dram", "shared", capacity=1e12),
        graph.resource("array"),
        graph.pool("buffers", 2),
    )
    for _ in range(trips[0]):
        tiles: list[int] = []
        for _ in range(trips[1]):
            load = graph.task(dram, 90, acquire=[(pool, 1)])
            tiles.append(graph.task(array, 100, [load], release=[(pool, 1)]))
        graph.task(dram, 1000, tiles[-1:])
    return graph.build()


def late_crossing(trips: tuple[int, ...]) -> TaskGraph:
    """One array begins 100 000 ps late; the other, a little slower a tile, overtakes it after 10 000 tiles."""
    graph = GraphBuilder()
    quick, slow = graph.resource("quick"), graph.resource("slow")
    graph.task(quick, 100_000)
    last = -1
    for _ in range(trips[0]):
        first = graph.task(slow, 110)
        last = graph.task(quick, 100, [first])
    assert last >= 0
    return graph.build()


def tiles(trips: tuple[int, ...]) -> int:
    """Two tasks a tile."""
    count = 2
    for trip in trips:
        count *= trip
    return count


@pytest.mark.parametrize("trips", [(1, 1), (1, 700), (700, 1), (2, 2), (50, 40), (9, 1000)])
def test_a_folded_nest_equals_the_whole_one(trips: tuple[int, ...]) -> None:
    folded = run_folded(FoldedProgram(trips=trips, build=double_buffered, tasks=tiles))
    whole = run(double_buffered(trips))
    assert folded.exact
    assert folded.makespan_ps == whole.makespan_ps
    assert list(folded.busy_ps.values()) == whole.busy_ps.tolist()
    assert list(folded.served_ps.values()) == whole.served_ps.tolist()


def test_a_large_nest_is_not_simulated_whole() -> None:
    folded = run_folded(FoldedProgram(trips=(TRILLION, 1000), build=double_buffered, tasks=tiles))
    assert tiles(folded.simulated_trips) < 10_000
    assert folded.busy_ps["array"] == TRILLION * 1000 * 100
    assert folded.makespan_ps >= folded.busy_ps["array"]


def test_a_late_crossing_is_simulated_whole_when_it_can_be() -> None:
    folded = run_folded(FoldedProgram(trips=(30_000,), build=late_crossing, tasks=tiles))
    assert folded.makespan_ps == run(late_crossing((30_000,))).makespan_ps == 30_000 * 110 + 100
    assert folded.exact


def test_a_late_crossing_that_cannot_be_simulated_is_not_called_exact() -> None:
    folded = run_folded(FoldedProgram(trips=(30_000,), build=late_crossing, tasks=tiles), max_tasks=2_000)
    assert not folded.exact
    assert abs(folded.makespan_ps - (30_000 * 110 + 100)) <= folded.error_bound_ps


def test_resources_that_never_meet_are_extended_apart() -> None:
    def build(trips: tuple[int, ...]) -> TaskGraph:
        graph = GraphBuilder()
        left, right = graph.resource("left"), graph.resource("right")
        graph.task(left, 100_000)
        for _ in range(trips[0]):
            graph.task(left, 100)
            graph.task(right, 110)
        return graph.build()

    folded = run_folded(FoldedProgram(trips=(30_000,), build=build, tasks=tiles))
    assert folded.exact
    assert folded.makespan_ps == 30_000 * 110
    assert tiles(folded.simulated_trips) < 100


def test_a_program_without_loops_is_simulated_as_it_is() -> None:
    folded = run_folded(FoldedProgram(trips=(), build=lambda trips: double_buffered((2, 3)), tasks=lambda trips: 14))
    assert folded.exact
    assert folded.makespan_ps == run(double_buffered((2, 3))).makespan_ps
