"""Graphs that break the contract or cannot finish: what the errors say and that both engines say the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from attnsim.engine import ENGINES, run
from attnsim.errors import GraphError, SimulationError, UnknownNameError
from attnsim.taskgraph import NO_RESOURCE, Calendar, GraphBuilder, Pool, Resource, graph_from_arrays, links_from

REFRESH = Calendar(period_ps=1000, closed_ps=260, first_ps=0)


def cycle(graph: GraphBuilder) -> str:
    array = graph.resource("array")
    graph.task(array, 1, [2], origin=("QK", 0, "tile"))
    graph.task(array, 1, [0])
    graph.task(array, 1, [1])
    return "in a cycle: task 0 (tile of QK, tile 0) -> task 2 -> task 1 -> task 0"


def dangling_predecessor(graph: GraphBuilder) -> str:
    graph.task(graph.resource("array"), 1, [7])
    return "task 0 waits for a task that does not exist; use 0 to 0"


def dangling_resource(graph: GraphBuilder) -> str:
    graph.task(3, 1)
    return "task 0 names a resource that does not exist"


def dangling_pool(graph: GraphBuilder) -> str:
    graph.task(graph.resource("array"), 1, acquire=[(0, 1)])
    return "task 0 takes from a pool that does not exist"


def negative_work(graph: GraphBuilder) -> str:
    graph.task(graph.resource("array"), -5)
    return "task 0 has negative work"


def work_without_a_resource(graph: GraphBuilder) -> str:
    graph.task(NO_RESOURCE, 5)
    return "task 0 has work but no resource"


def demand_above_the_pool(graph: GraphBuilder) -> str:
    array, pool = graph.resource("array"), graph.pool("buffers", 2)
    graph.task(array, 1, acquire=[(pool, 3)], release=[(pool, 3)])
    return "task 0 takes more tokens than its pool has"


def two_demands_of_one_pool(graph: GraphBuilder) -> str:
    array, pool = graph.resource("array"), graph.pool("buffers", 2)
    graph.task(array, 1, acquire=[(pool, 1), (pool, 1)], release=[(pool, 2)])
    return "task 0 takes from one pool twice"


def no_token_at_all(graph: GraphBuilder) -> str:
    array, pool = graph.resource("array"), graph.pool("buffers", 2)
    graph.task(array, 1, acquire=[(pool, 0)])
    return "task 0 takes less than one token"


def more_back_than_out(graph: GraphBuilder) -> str:
    array, pool = graph.resource("array"), graph.pool("buffers", 2)
    graph.task(array, 1, release=[(pool, 1)])
    return "pool buffers gets 1 tokens back but gives out 0"


def affinity_across_resources(graph: GraphBuilder) -> str:
    first = graph.task(graph.resource("left"), 1)
    graph.task(graph.resource("right"), 1, affinity=first)
    return "task 1 has affinity to a task of another resource"


def shared_without_capacity(graph: GraphBuilder) -> str:
    graph.resource("memory", "shared")
    return "resource memory has capacity 0.0 per second"


def no_server(graph: GraphBuilder) -> str:
    graph.resource("array", servers=0, instances=0)
    return "resource array has 0 instances"


def too_much_work(graph: GraphBuilder) -> str:
    graph.task(graph.resource("array"), 1 << 60)
    return "task 0 has too much work for a 64-bit clock"


def calendar_where_tasks_share(graph: GraphBuilder) -> str:
    graph.resource("memory", "shared", capacity=1e12, calendar=REFRESH)
    return "resource memory has a calendar but is shared; make it fifo or leave the calendar out"


def calendar_of_two_servers(graph: GraphBuilder) -> str:
    graph.resource("bank", servers=2, calendar=REFRESH)
    return "resource bank has a calendar and 2 servers; give it one server; its instances share the calendar"


def calendar_without_a_period(graph: GraphBuilder) -> str:
    graph.resource("bank", calendar=replace(REFRESH, period_ps=0))
    return "the calendar of resource bank has period_ps 0; give it 1 or more"


def calendar_closed_for_less_than_nothing(graph: GraphBuilder) -> str:
    graph.resource("bank", calendar=replace(REFRESH, closed_ps=-1))
    return "the calendar of resource bank has closed_ps -1; give it 0 or more"


def calendar_before_time(graph: GraphBuilder) -> str:
    graph.resource("bank", calendar=replace(REFRESH, first_ps=-1))
    return "the calendar of resource bank has first_ps -1; give it 0 or more"


def calendar_with_negative_reserve(graph: GraphBuilder) -> str:
    graph.resource("bank", calendar=replace(REFRESH, reserve_ps=-1))
    return "the calendar of resource bank has reserve_ps -1; give it 0 or more"


def calendar_beyond_the_clock(graph: GraphBuilder) -> str:
    graph.resource("bank", calendar=replace(REFRESH, first_ps=1 << 60))
    return f"the calendar of resource bank has first_ps {1 << 60}; keep it below {1 << 60}"


def calendar_that_never_opens(graph: GraphBuilder) -> str:
    graph.resource("bank", calendar=replace(REFRESH, reserve_ps=741))
    return "the calendar of resource bank bars 1001 of each 1000 ps: no task could begin"


def calendar_that_is_always_closed(graph: GraphBuilder) -> str:
    graph.resource("bank", calendar=replace(REFRESH, closed_ps=1000))
    return "the calendar of resource bank bars 1000 of each 1000 ps: no task could begin"


BROKEN: tuple[Callable[[GraphBuilder], str], ...] = (
    cycle,
    dangling_predecessor,
    dangling_resource,
    dangling_pool,
    negative_work,
    work_without_a_resource,
    demand_above_the_pool,
    two_demands_of_one_pool,
    no_token_at_all,
    more_back_than_out,
    affinity_across_resources,
    shared_without_capacity,
    no_server,
    too_much_work,
    calendar_where_tasks_share,
    calendar_of_two_servers,
    calendar_without_a_period,
    calendar_closed_for_less_than_nothing,
    calendar_before_time,
    calendar_with_negative_reserve,
    calendar_beyond_the_clock,
    calendar_that_never_opens,
    calendar_that_is_always_closed,
)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_graph_is_refused(broken: Callable[[GraphBuilder], str]) -> None:
    graph = GraphBuilder()
    message = broken(graph)
    with pytest.raises(GraphError) as caught:
        graph.build()
    assert message in str(caught.value)


def test_all_problems_are_reported_and_long_lists_cut() -> None:
    with pytest.raises(GraphError) as caught:
        graph_from_arrays([Resource(name="array")], np.zeros(9), np.full(9, -1))
    texts = [problem.what for problem in caught.value.problems]
    assert texts[:2] == ["task 0 has negative work", "task 1 has negative work"]
    assert texts[-1] == "4 more tasks: the same (has negative work)"


def test_affinity_needs_the_predecessor_in_whole_arrays() -> None:
    with pytest.raises(GraphError, match="task 1 does not wait for the task of its affinity"):
        graph_from_arrays([Resource(name="array")], [0, 0], [1, 1], affinity=[-1, 0])


def test_rows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(GraphError, match=r"preds\.starts does not cut 1 items in 2 rows"):
        graph_from_arrays([Resource(name="array")], [0, 0], [1, 1], preds=links_from([0, 1], [0]))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_deadlock_names_tasks_pools_and_holders(engine: str) -> None:
    graph = GraphBuilder()
    array, buffers = graph.resource("array"), graph.pool("buffers", 2)
    holder = graph.task(array, 5, acquire=[(buffers, 2)], origin=("QK", 3, "load"))
    blocked = graph.task(array, 5, [holder], acquire=[(buffers, 1)])
    graph.task(array, 5, [blocked], release=[(buffers, 3)])
    with pytest.raises(SimulationError) as caught:
        run(graph.build(), engine)
    assert [str(problem) for problem in caught.value.problems] == [
        (
            "the simulation is stuck with 2 of 3 tasks unfinished; "
            "let each token that is taken be given back by a task that does not wait for it"
        ),
        (
            "task 1 waits for 1 of buffers; buffers (2 in all) is held by task 0 (load of QK, tile 3) (2); "
            "task 2 has yet to give tokens back"
        ),
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_deadlock_names_ten_tasks_at_most(engine: str) -> None:
    graph = GraphBuilder()
    array, buffers = graph.resource("array"), graph.pool("buffers", 1)
    for _ in range(30):
        graph.task(array, 5, acquire=[(buffers, 1)])
    with pytest.raises(SimulationError) as caught:
        run(graph.build(), engine)
    assert len(caught.value.problems) == 11
    assert "29 of 30 tasks unfinished; 19 more wait for tokens" in caught.value.problems[0].what
    assert "no task is left to give tokens back" in str(caught.value.problems[1])


@pytest.mark.parametrize("engine", ENGINES)
def test_tokens_that_come_back_too_early_are_an_error(engine: str) -> None:
    work = np.array([1, 5])
    pools, resources = [Pool(name="credits", amount=2)], [Resource(name="array")]
    given, taken = links_from([0, 1, 1], [0], [1]), links_from([0, 0, 1], [0], [1])
    graph = graph_from_arrays(resources, [0, 0], work, pools=pools, acquire=taken, release=given)
    graph_late = graph_from_arrays(
        resources, [0, 0], work, pools=pools, preds=links_from([0, 0, 1], [0]), acquire=taken, release=given
    )
    assert run(graph, engine).makespan_ps == 6  # the token is out when it is given back
    with pytest.raises(SimulationError, match="pool credits gets back more tokens than are out"):
        run(graph_late, engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ["fifo", "shared"])
def test_a_clock_that_runs_over_is_an_error(kind: str, engine: str) -> None:
    graph = GraphBuilder()
    line = graph.resource("line") if kind == "fifo" else graph.resource("line", "shared", capacity=1e12)
    last: list[int] = []
    for _ in range(3):
        last = [graph.task(line, 1 << 56, last)]
    with pytest.raises(GraphError, match="40 hours"):
        run(graph.build(), engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("first_ps", [0, 5])
def test_an_opening_beyond_the_clock_is_an_error(first_ps: int, engine: str) -> None:
    graph = GraphBuilder()
    calendar = Calendar(period_ps=(1 << 60) - 1, closed_ps=1 << 59, first_ps=first_ps, reserve_ps=1 << 58)
    graph.task(graph.resource("bank", calendar=calendar), 1)
    with pytest.raises(GraphError, match="40 hours"):
        run(graph.build(), engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_task_too_slow_for_the_clock_is_named(engine: str) -> None:
    graph = GraphBuilder()
    graph.task(graph.resource("drip", "shared", capacity=1e-3), 10**9)
    with pytest.raises(GraphError, match="task 0 runs longer than the 40 hours"):
        run(graph.build(), engine)


def test_an_unknown_engine_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match="no engine is called 'fats'; did you mean fast"):
        run(GraphBuilder().build(), "fats")
