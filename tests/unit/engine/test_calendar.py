"""Calendars on graphs small enough to work out by hand, on both engines, and nests that are not folded for them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from attnsim.engine import ENGINES, run
from attnsim.engine import average as averaging
from attnsim.engine.fold import FoldedProgram, FoldedResult, run_folded
from attnsim.errors import GraphError
from attnsim.taskgraph import Calendar, GraphBuilder, TaskGraph
from attnsim.trace import Trace

Simulation = Callable[[FoldedProgram], FoldedResult]

REFRESH = Calendar(period_ps=1000, closed_ps=260, first_ps=1000, reserve_ps=150)


def chain(trips: tuple[int, ...], calendar: Calendar = REFRESH) -> TaskGraph:
    """Tasks of 100 ps, one after another on one bank."""
    graph = GraphBuilder()
    bank = graph.resource("bank", calendar=calendar)
    for _ in range(trips[0]):
        graph.task(bank, 100)
    return graph.build()


def spans(trace: Trace) -> list[tuple[int, int, int]]:
    """Start, end and instance of each task."""
    return list(zip(trace.start_ps.tolist(), trace.end_ps.tolist(), trace.instance.tolist(), strict=True))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_chain_waits_for_the_windows_and_keeps_the_reserve(engine: str) -> None:
    trace = run(chain((16,)), engine)
    before = [*range(0, 900, 100)]  # a start at 900 would leave 100 of the 150 ps
    between = [*range(1260, 1850, 100)]  # 1260 to 1760; 1860 is too late
    assert trace.start_ps.tolist() == [*before, *between, 2260]
    assert (trace.end_ps - trace.start_ps).tolist() == [100] * 16
    assert trace.makespan_ps == 2360
    assert trace.busy_ps.tolist() == trace.served_ps.tolist() == [1600]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("ready_ps", "start_ps"),
    [(849, 849), (850, 850), (851, 1260), (999, 1260), (1000, 1260), (1259, 1260), (1260, 1260), (1851, 2260)],
)
def test_the_edges_of_a_window(ready_ps: int, start_ps: int, engine: str) -> None:
    graph = GraphBuilder()
    ready = graph.task(graph.resource("other"), ready_ps)
    graph.task(graph.resource("bank", calendar=REFRESH), 1, [ready])
    assert run(graph.build(), engine).start_ps.tolist() == [0, start_ps]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_task_that_has_begun_runs_on_through_windows(engine: str) -> None:
    graph = GraphBuilder()
    bank = graph.resource("bank", calendar=REFRESH)
    graph.task(bank, 2100)
    graph.task(bank, 10)
    assert spans(run(graph.build(), engine)) == [(0, 2100, 0), (2260, 2270, 0)]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_task_holds_its_server_while_it_waits_for_the_opening(engine: str) -> None:
    graph = GraphBuilder()
    bank = graph.resource("bank", calendar=Calendar(period_ps=1000, closed_ps=260, first_ps=0))
    other = graph.resource("other")
    graph.task(bank, 100, priority=1)  # has the server from 0, begins at 260
    graph.task(bank, 0, [graph.task(other, 50)])  # of smaller priority and without work, but later
    assert spans(run(graph.build(), engine)) == [(260, 360, 0), (0, 50, 0), (360, 360, 0)]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_task_without_work_ignores_the_calendar(engine: str) -> None:
    graph = GraphBuilder()
    bank = graph.resource("bank", calendar=Calendar(period_ps=1000, closed_ps=260, first_ps=0))
    graph.task(bank, 0)
    graph.task(bank, 10)
    assert spans(run(graph.build(), engine)) == [(0, 0, 0), (260, 270, 0)]


@pytest.mark.parametrize("engine", ENGINES)
def test_instances_share_the_calendar(engine: str) -> None:
    graph = GraphBuilder()
    banks = graph.resource("banks", instances=2, calendar=REFRESH)
    for work in (
        700,
        800,
        200,
        200,
    ):  # the third, ready at 700, begins; the fourth has its server at 800 and begins too
        graph.task(banks, work)
    graph.task(banks, 50)  # the first instance is free at 900: too late
    graph.task(banks, 60)
    trace = run(graph.build(), engine)
    assert spans(trace) == [
        (0, 700, 0),
        (0, 800, 1),
        (700, 900, 0),
        (800, 1000, 1),
        (1260, 1310, 0),
        (1260, 1320, 1),
    ]
    assert trace.busy_ps.tolist() == trace.served_ps.tolist() == [700 + 800 + 200 + 200 + 50 + 60]


@pytest.mark.parametrize("engine", ENGINES)
def test_windows_of_no_length_keep_their_reserve(engine: str) -> None:
    graph = GraphBuilder()
    bank = graph.resource("bank", calendar=Calendar(period_ps=100, closed_ps=0, first_ps=0, reserve_ps=40))
    for _ in range(5):
        graph.task(bank, 40)
    assert run(graph.build(), engine).start_ps.tolist() == [0, 40, 100, 140, 200]


def test_a_program_without_loops_is_exact() -> None:
    program = FoldedProgram(trips=(), build=lambda _: chain((5000,)), tasks=lambda _: 5000)
    folded = run_folded(program, max_tasks=10, small_tasks=0)
    assert folded.exact
    # 9 tasks before the first window, then 6 an interval: 4991 = 831 * 6 + 5
    assert folded.makespan_ps == 832 * 1000 + 260 + 5 * 100
    assert folded.busy_ps == folded.served_ps == {"bank": 500_000}


@pytest.mark.parametrize("simulate", [run_folded, averaging.run_averaged])
def test_loops_are_simulated_whole(simulate: Simulation) -> None:
    trips = (averaging.SMALL_TASKS + 5000,)
    folded = simulate(FoldedProgram(trips=trips, build=chain, tasks=lambda trips: trips[0]))
    assert folded.exact
    assert folded.simulated_trips == trips
    # 9 tasks before the first window, then 6 an interval: 24 991 = 4165 * 6 + 1
    assert folded.makespan_ps == 4166 * 1000 + 260 + 100


@pytest.mark.parametrize("simulate", [run_folded, averaging.run_averaged])
def test_a_window_that_no_short_nest_reaches_counts(simulate: Simulation) -> None:
    late = Calendar(period_ps=10**9, closed_ps=260, first_ps=10**6, reserve_ps=150)
    program = FoldedProgram(trips=(25_000,), build=lambda trips: chain(trips, late), tasks=lambda trips: trips[0])
    # the task that would begin 100 ps before the window begins 260 ps after it
    assert simulate(program).makespan_ps == 25_000 * 100 + 100 + 260


@pytest.mark.parametrize("simulate", [run_folded, averaging.run_averaged])
def test_loops_too_long_to_be_simulated_whole_are_refused(simulate: Simulation) -> None:
    program = FoldedProgram(trips=(10**9,), build=chain, tasks=lambda trips: trips[0])
    with pytest.raises(GraphError, match="a nest of 1000000000 tasks has a resource with a calendar"):
        simulate(program)
