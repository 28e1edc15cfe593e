"""Each rule of docs/engine.md on a graph small enough to work out by hand, on both engines."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from attnsim.engine import ENGINES, run
from attnsim.taskgraph import NO_RESOURCE, GraphBuilder

Span = tuple[int, int, int]  # start, end, instance
Filling = Callable[[GraphBuilder], list[Span]]

BYTES_PER_PS = 1e12


def one_server_serves_in_order_of_id(graph: GraphBuilder) -> list[Span]:
    array = graph.resource("array")
    graph.task(array, 5)
    graph.task(array, 7)
    return [(0, 5, 0), (5, 12, 0)]


def smaller_priority_goes_first(graph: GraphBuilder) -> list[Span]:
    array = graph.resource("array")
    graph.task(array, 5, priority=1)
    graph.task(array, 7, priority=-1)
    return [(7, 12, 0), (0, 7, 0)]


def earlier_admission_goes_before_lower_id(graph: GraphBuilder) -> list[Span]:
    array, other = graph.resource("array"), graph.resource("other")
    first = graph.task(other, 3)
    graph.task(array, 2, [first])  # ready at 3, when the array is busy
    graph.task(array, 10)
    graph.task(array, 2)  # ready at 0
    return [(0, 3, 0), (12, 14, 0), (0, 10, 0), (10, 12, 0)]


def tasks_go_to_the_instance_with_most_free_servers(graph: GraphBuilder) -> list[Span]:
    devices = graph.resource("devices", instances=2, servers=2)
    for _ in range(5):
        graph.task(devices, 4)
    return [(0, 4, 0), (0, 4, 1), (0, 4, 0), (0, 4, 1), (4, 8, 0)]


def affinity_waits_for_its_instance_while_others_are_free(graph: GraphBuilder) -> list[Span]:
    devices = graph.resource("devices", instances=2)
    anchor = graph.task(devices, 4)
    long = graph.task(devices, 20, [anchor])
    graph.task(devices, 1, [anchor], affinity=anchor)
    return [(0, 4, 0), (4, 24, 0), (24, 25, 0)] if long else []


def a_tied_task_of_smaller_priority_takes_the_server_first(graph: GraphBuilder) -> list[Span]:
    devices = graph.resource("devices", instances=2)
    anchor = graph.task(devices, 4)
    graph.task(devices, 20, [anchor], priority=1)
    graph.task(devices, 1, [anchor], affinity=anchor)
    return [(0, 4, 0), (4, 24, 1), (4, 5, 0)]


def a_join_without_a_resource_takes_no_time(graph: GraphBuilder) -> list[Span]:
    array = graph.resource("array", servers=2)
    parts = [graph.task(array, 3), graph.task(array, 8)]
    join = graph.task(NO_RESOURCE, 0, parts)
    graph.task(array, 1, [join])
    return [(0, 3, 0), (0, 8, 0), (8, 8, -1), (8, 9, 0)]


def a_task_without_work_still_takes_its_turn(graph: GraphBuilder) -> list[Span]:
    array = graph.resource("array")
    graph.task(array, 6)
    marker = graph.task(array, 0)
    graph.task(array, 2, [marker])
    return [(0, 6, 0), (6, 6, 0), (6, 8, 0)]


def tasks_share_the_capacity_equally(graph: GraphBuilder) -> list[Span]:
    memory = graph.resource("memory", "shared", capacity=BYTES_PER_PS)
    graph.task(memory, 100)
    graph.task(memory, 300)  # half of the capacity until 200, all of it for the other 200 bytes
    return [(0, 200, 0), (0, 400, 0)]


def a_newcomer_slows_the_others_down(graph: GraphBuilder) -> list[Span]:
    memory, array = graph.resource("memory", "shared", capacity=BYTES_PER_PS), graph.resource("array")
    late = graph.task(array, 60)
    graph.task(memory, 100)  # 60 alone, then 40 at half speed
    graph.task(memory, 50, [late])  # 40 at half speed until 140, then 10
    return [(0, 60, 0), (0, 140, 0), (60, 150, 0)]


def no_flow_is_faster_than_its_cap(graph: GraphBuilder) -> list[Span]:
    link = graph.resource("link", "shared", capacity=3 * BYTES_PER_PS, per_flow_cap=BYTES_PER_PS)
    for size in (10, 20, 20, 20):  # four tasks at 3/4 byte a picosecond each, then three at 1
        graph.task(link, size)
    return [(0, 14, 0), (0, 24, 0), (0, 24, 0), (0, 24, 0)]


def slots_bound_the_tasks_that_share(graph: GraphBuilder) -> list[Span]:
    cores = graph.resource("cores", "shared", instances=2, capacity=BYTES_PER_PS, slots=1)
    for _ in range(3):
        graph.task(cores, 10)
    return [(0, 10, 0), (0, 10, 1), (10, 20, 0)]


def shared_ends_round_up_to_a_picosecond(graph: GraphBuilder) -> list[Span]:
    memory = graph.resource("memory", "shared", capacity=3 * BYTES_PER_PS)
    first = graph.task(memory, 10)
    graph.task(memory, 9, [first])
    return [(0, 4, 0), (4, 7, 0)]


def tokens_are_taken_before_the_start_and_returned_at_the_end(graph: GraphBuilder) -> list[Span]:
    array, pool = graph.resource("array", servers=4), graph.pool("buffers", 2)
    for _ in range(3):
        graph.task(array, 5, acquire=[(pool, 1)], release=[(pool, 1)])
    return [(0, 5, 0), (0, 5, 0), (5, 10, 0)]


def a_later_task_gives_the_tokens_back(graph: GraphBuilder) -> list[Span]:
    dma, array, pool = graph.resource("dma"), graph.resource("array"), graph.pool("buffers", 1)
    load = graph.task(dma, 2, acquire=[(pool, 1)])
    graph.task(array, 10, [load], release=[(pool, 1)])
    graph.task(dma, 2, acquire=[(pool, 1)], release=[(pool, 1)])
    return [(0, 2, 0), (2, 12, 0), (12, 14, 0)]


def nobody_overtakes_at_a_pool(graph: GraphBuilder) -> list[Span]:
    array, pool = graph.resource("array", servers=4), graph.pool("pages", 3)
    for size in (2, 2, 1):  # the second waits for two tokens and the third, which needs one, behind it
        graph.task(array, 5, acquire=[(pool, size)], release=[(pool, size)])
    return [(0, 5, 0), (5, 10, 0), (5, 10, 0)]


def a_priority_goes_first_at_a_pool_too(graph: GraphBuilder) -> list[Span]:
    array, pool = graph.resource("array", servers=4), graph.pool("pages", 1)
    for priority in (2, 1, 0):
        graph.task(array, 5, priority=priority, acquire=[(pool, 1)], release=[(pool, 1)])
    return [(10, 15, 0), (5, 10, 0), (0, 5, 0)]


def all_tokens_are_taken_at_once_or_none(graph: GraphBuilder) -> list[Span]:
    array = graph.resource("array", servers=4)
    left, right = graph.pool("left", 1), graph.pool("right", 1)
    graph.task(array, 5, acquire=[(right, 1)], release=[(right, 1)])
    graph.task(array, 5, acquire=[(left, 1), (right, 1)], release=[(left, 1), (right, 1)])
    graph.task(array, 5, acquire=[(left, 1)], release=[(left, 1)])  # behind the second, though left is free
    return [(0, 5, 0), (5, 10, 0), (10, 15, 0)]


def tasks_without_work_end_together_after_all_starts(graph: GraphBuilder) -> list[Span]:
    devices, array = graph.resource("devices", instances=2), graph.resource("array")
    graph.task(devices, 0)
    graph.task(devices, 3)  # starts in the round in which the first still holds instance 0
    graph.task(array, 1)
    return [(0, 0, 0), (0, 3, 1), (0, 1, 0)]


RULES: tuple[Filling, ...] = (
    one_server_serves_in_order_of_id,
    smaller_priority_goes_first,
    earlier_admission_goes_before_lower_id,
    tasks_go_to_the_instance_with_most_free_servers,
    affinity_waits_for_its_instance_while_others_are_free,
    a_tied_task_of_smaller_priority_takes_the_server_first,
    a_join_without_a_resource_takes_no_time,
    a_task_without_work_still_takes_its_turn,
    tasks_share_the_capacity_equally,
    a_newcomer_slows_the_others_down,
    no_flow_is_faster_than_its_cap,
    slots_bound_the_tasks_that_share,
    shared_ends_round_up_to_a_picosecond,
    tokens_are_taken_before_the_start_and_returned_at_the_end,
    a_later_task_gives_the_tokens_back,
    nobody_overtakes_at_a_pool,
    a_priority_goes_first_at_a_pool_too,
    all_tokens_are_taken_at_once_or_none,
    tasks_without_work_end_together_after_all_starts,
)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_holds(rule: Filling, engine: str) -> None:
    graph = GraphBuilder()
    expected = rule(graph)
    trace = run(graph.build(), engine)
    spans = list(zip(trace.start_ps.tolist(), trace.end_ps.tolist(), trace.instance.tolist(), strict=True))
    assert spans == expected
    assert trace.makespan_ps == max(end for _, end, _ in expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_empty_graph_takes_no_time(engine: str) -> None:
    assert run(GraphBuilder().build(), engine).makespan_ps == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_busy_is_the_union_and_served_the_sum_of_task_times(engine: str) -> None:
    graph = GraphBuilder()
    array = graph.resource("array", servers=2)
    memory = graph.resource("memory", "shared", capacity=BYTES_PER_PS, per_flow_cap=math.inf)
    first = graph.task(array, 4)
    graph.task(array, 6)
    graph.task(memory, 10, [first])
    trace = run(graph.build(), engine)
    assert trace.busy_ps.tolist() == [6, 10]
    assert trace.served_ps.tolist() == [10, 10]
