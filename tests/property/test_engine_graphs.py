"""Laws of simulation on random task graphs that use every kind of resource, for both engines at once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import fields, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from attnsim.engine import run
from attnsim.errors import SimulationError
from attnsim.taskgraph import (
    NO_RESOURCE,
    Calendar,
    GraphBuilder,
    Links,
    Pool,
    Resource,
    TaskGraph,
    graph_from_arrays,
)
from attnsim.trace import Trace

CAPACITIES = (1e12, 3e11, 7.77e11, 1e9, 5e13)
CAPS = (math.inf, 0.3, 0.4, 1.0, 2.0)
MOST_TASKS = 25

fifos = st.builds(Resource, name=st.just("fifo"), instances=st.integers(1, 3), servers=st.integers(1, 3))
shareds = st.builds(
    lambda capacity, cap, instances, slots: Resource(
        name="shared", kind="shared", instances=instances, capacity=capacity, per_flow_cap=cap * capacity, slots=slots
    ),
    st.sampled_from(CAPACITIES),
    st.sampled_from(CAPS),
    st.integers(1, 3),
    st.sampled_from((0, 1, 2, 5)),
)
calendars = st.builds(
    lambda closed, reserve, open_ps, first: Calendar(
        period_ps=closed + reserve + open_ps, closed_ps=closed, first_ps=first, reserve_ps=reserve
    ),
    st.sampled_from((0, 1, 7, 260, 3000)),
    st.sampled_from((0, 1, 5, 150)),
    st.sampled_from((1, 2, 9, 400, 2000)),
    st.sampled_from((0, 1, 6, 149, 700)),
)
closings = st.builds(Resource, name=st.just("closing"), instances=st.integers(1, 3), calendar=calendars)
groups = st.lists(st.one_of(fifos, shareds, closings), min_size=1, max_size=4)
timeless_groups = st.lists(st.one_of(fifos, shareds), min_size=1, max_size=4)
pool_amounts = st.lists(st.integers(1, 5), max_size=3)


@st.composite
def graphs(draw: st.DrawFn, *, tokens: bool = True, timed: bool = True) -> TaskGraph:
    """Graphs whose tasks refer to earlier ones; most tokens are given back by the taker, some by a later task.

    timed: their resources may have calendars.
    """
    resources = draw(groups if timed else timeless_groups)
    amounts = draw(pool_amounts) if tokens else []
    graph = builder(resources, [Pool(name=f"pool {number}", amount=amount) for number, amount in enumerate(amounts)])
    pools = range(len(amounts))
    members: dict[int, list[int]] = {}
    owed: list[tuple[int, tuple[int, int]]] = []
    for task in range(draw(st.integers(5, MOST_TASKS))):
        group = draw(st.integers(NO_RESOURCE, len(resources) - 1))
        preds = draw(st.lists(st.integers(max(0, task - 6), task - 1), max_size=2, unique=True)) if task > 5 else []
        affinity = -1
        if group >= 0 and members.get(group) and draw(st.integers(0, 2)) == 0:
            affinity = draw(st.sampled_from(members[group]))
        taken = [(pool, draw(st.integers(1, amounts[pool]))) for pool in pools if draw(st.integers(0, 3)) == 0]
        settled = [debt for debt in owed if debt[0] in preds]
        later = bool(taken) and draw(st.integers(0, 5)) == 0
        owed = [debt for debt in owed if debt not in settled] + [(task, token) for token in taken if later]
        given_back = [token for _, token in settled] + ([] if later else taken)
        work = 0 if group < 0 else draw(st.one_of(st.just(0), st.integers(1, 20), st.integers(1, 5000)))
        graph.task(group, work, preds, draw(st.integers(-1, 1)), affinity, taken, given_back)
        members.setdefault(group, []).append(task)
    return graph.build()


def builder(resources: Iterable[Resource], pools: Iterable[Pool] = ()) -> GraphBuilder:
    """A builder that has the resources and pools already."""
    graph = GraphBuilder()
    for resource in resources:
        graph.resource(**{field.name: getattr(resource, field.name) for field in fields(resource)})
    for pool in pools:
        graph.pool(pool.name, pool.amount)
    return graph


def outcome(graph: TaskGraph, engine: str) -> tuple[list[object], ...] | str:
    """All that a run returns, or its error, in a form that can be compared."""
    try:
        trace = run(graph, engine)
    except SimulationError as error:
        return str(error)
    columns = (trace.start_ps, trace.end_ps, trace.instance, trace.busy_ps, trace.served_ps)
    return tuple(column.tolist() for column in columns)


def finished(graph: TaskGraph) -> Trace | None:
    """The trace, or nothing for a graph that gets stuck."""
    try:
        return run(graph)
    except SimulationError:
        return None


@settings(max_examples=300)
@given(graphs())
def test_both_engines_return_equal_traces(graph: TaskGraph) -> None:
    assert outcome(graph, "fast") == outcome(graph, "reference")


@given(graphs())
def test_no_task_starts_before_its_predecessors_end(graph: TaskGraph) -> None:
    trace = finished(graph)
    for task in range(graph.task_count if trace else 0):
        assert all(trace.end_ps[pred] <= trace.start_ps[task] for pred in graph.preds.row(task))
        assert trace.start_ps[task] <= trace.end_ps[task]


@settings(max_examples=200)
@given(graphs())
def test_no_instance_holds_more_tasks_than_it_has_room_for(graph: TaskGraph) -> None:
    trace = finished(graph)
    for group, resource in enumerate(graph.resources if trace else ()):
        tasks = np.flatnonzero((graph.resource == group) & (trace.end_ps > trace.start_ps))
        assert set(trace.instance[tasks].tolist()) <= set(range(resource.instances))
        for at in trace.start_ps[tasks].tolist():
            running = tasks[(trace.start_ps[tasks] <= at) & (at < trace.end_ps[tasks])]
            held = Counter(trace.instance[running].tolist())
            assert max(held.values()) <= (resource.parallel_tasks or graph.task_count)


@given(graphs())
def test_tied_tasks_run_where_their_companion_ran(graph: TaskGraph) -> None:
    trace = finished(graph)
    for task in np.flatnonzero(graph.affinity >= 0).tolist() if trace else ():
        assert trace.instance[task] == trace.instance[graph.affinity[task]]


@settings(max_examples=200)
@given(graphs())
def test_started_tasks_never_hold_more_tokens_than_a_pool_has(graph: TaskGraph) -> None:
    trace = finished(graph)
    for at in sorted(set(trace.start_ps.tolist())) if trace else ():
        taken = tokens_of(graph.acquire, np.flatnonzero(trace.start_ps <= at))
        given_back = tokens_of(graph.release, np.flatnonzero(trace.end_ps <= at))
        assert all(0 <= taken[n] - given_back[n] <= pool.amount for n, pool in enumerate(graph.pools))


def tokens_of(links: Links, tasks: np.ndarray) -> Counter[int]:
    """Tokens that the tasks take, or give back, by pool."""
    return Counter(pool for task in tasks.tolist() for pool, amount in links.pairs(task) for _ in range(amount))


@settings(max_examples=200)
@given(graphs())
def test_work_is_conserved(graph: TaskGraph) -> None:
    """A fifo task takes its work; an instance that shares is never faster than its capacity nor idle while busy."""
    trace = finished(graph)
    for group, resource in enumerate(graph.resources if trace else ()):
        tasks = np.flatnonzero(graph.resource == group)
        lengths = (trace.end_ps - trace.start_ps)[tasks]
        work = graph.work[tasks]
        if resource.kind == "fifo":
            assert lengths.tolist() == work.tolist()
            continue
        fastest = min(resource.capacity, resource.per_flow_cap)
        assert all(lengths >= work / fastest * 1e12 * (1 - 1e-9) - 1e-9)
        least = work.sum() / resource.capacity * 1e12
        most = work.sum() / fastest * 1e12
        slack_ps = 1 + 2 * len(tasks)
        assert least * (1 - 1e-6) - slack_ps <= trace.busy_ps[group] <= most * (1 + 1e-6) + slack_ps


@settings(max_examples=200)
@given(graphs())
def test_no_task_with_work_begins_where_a_calendar_bars_it(graph: TaskGraph) -> None:
    trace = finished(graph)
    for group, calendar in calendars_of(graph) if trace else ():
        tasks = np.flatnonzero((graph.resource == group) & (graph.work > 0))
        assert open_at(calendar, trace.start_ps[tasks]).all()


@settings(max_examples=200)
@given(graphs(tokens=False))
def test_a_calendar_delays_no_task_longer_than_it_must(graph: TaskGraph) -> None:
    """A task has its server as soon as it is ready and the task before it on its instance has ended."""
    trace = run(graph)
    for group, calendar in calendars_of(graph):
        members = np.flatnonzero(graph.resource == group)
        for task in members.tolist():
            start = trace.start_ps[task]
            others = members[(trace.instance[members] == trace.instance[task]) & (members != task)]
            ends = trace.end_ps[[*others[trace.end_ps[others] <= start], *graph.preds.row(task)]]
            waited = np.arange(ends.max(initial=0), start)
            assert not len(waited) or graph.work[task] > 0
            assert not open_at(calendar, waited).any()


def calendars_of(graph: TaskGraph) -> list[tuple[int, Calendar]]:
    """The groups that have a calendar."""
    return [(n, resource.calendar) for n, resource in enumerate(graph.resources) if resource.calendar is not None]


def open_at(calendar: Calendar, times: np.ndarray) -> np.ndarray:
    """Whether a task may begin at each of some times, by a look at every window up to them."""
    latest = int(times.max(initial=0)) + 2 * calendar.period_ps
    begins = np.arange(calendar.first_ps, calendar.first_ps + latest, calendar.period_ps)
    closed = (begins <= times[:, None]) & (times[:, None] < begins + calendar.closed_ps)
    following = np.where(begins > times[:, None], begins, calendar.first_ps + 2 * latest).min(axis=1)
    return ~closed.any(axis=1) & (times + calendar.reserve_ps <= following)


@given(graphs())
def test_the_makespan_is_at_least_every_lower_bound(graph: TaskGraph) -> None:
    trace = finished(graph)
    if trace is None:
        return
    chain = np.zeros(graph.task_count)
    for task in range(graph.task_count):
        alone = alone_ps(graph, task)
        chain[task] = alone + max((chain[pred] for pred in graph.preds.row(task)), default=0.0)
    assert trace.makespan_ps >= chain.max() * (1 - 1e-9) - 1e-6
    for group, resource in enumerate(graph.resources):
        work = int(graph.work[graph.resource == group].sum())
        servers = resource.instances * resource.servers
        bound = work / servers if resource.kind == "fifo" else work * 1e12 / resource.capacity / resource.instances
        assert trace.makespan_ps >= bound * (1 - 1e-6) - graph.task_count


def alone_ps(graph: TaskGraph, task: int) -> float:
    """Picoseconds that a task takes when nothing else runs."""
    group = int(graph.resource[task])
    if group < 0 or graph.resources[group].kind == "fifo":
        return float(graph.work[task])
    resource = graph.resources[group]
    return float(graph.work[task]) * 1e12 / min(resource.capacity, resource.per_flow_cap)


@given(graphs(tokens=False, timed=False), st.integers(0, 2**32))
def test_ids_do_not_matter_where_nothing_is_waited_for_but_predecessors(graph: TaskGraph, seed: int) -> None:
    roomy = tuple(replace(resource, instances=1, servers=99, slots=0) for resource in graph.resources)
    order = np.random.default_rng(seed).permutation(graph.task_count)
    plain, shuffled = (run(renumbered(graph, roomy, ids)) for ids in (np.arange(graph.task_count), order))
    assert plain.start_ps.tolist() == shuffled.start_ps[order].tolist()
    assert plain.end_ps.tolist() == shuffled.end_ps[order].tolist()


def renumbered(graph: TaskGraph, resources: tuple[Resource, ...], ids: np.ndarray) -> TaskGraph:
    """The graph with task `i` called `ids[i]` and without affinity."""
    old = np.argsort(ids)
    rows = [ids[graph.preds.row(task)].tolist() for task in old]
    graph_again = builder(resources)
    for task, row in zip(old.tolist(), rows, strict=True):
        graph_again.task(int(graph.resource[task]), int(graph.work[task]), row)
    return graph_again.build()


@given(graphs(), st.data())
def test_a_marker_that_nobody_waits_for_changes_nothing_else(graph: TaskGraph, data: st.DataObject) -> None:
    longer = builder(graph.resources, graph.pools)
    copy_tasks(graph, longer)
    longer.task(NO_RESOURCE, 0, data.draw(st.lists(st.integers(0, graph.task_count - 1), max_size=3, unique=True)))
    before, after = finished(graph), finished(longer.build())
    assert (before is None) == (after is None)
    if before is not None and after is not None:
        assert before.start_ps.tolist() == after.start_ps[:-1].tolist()
        assert before.end_ps.tolist() == after.end_ps[:-1].tolist()
        assert before.instance.tolist() == after.instance[:-1].tolist()


@given(graphs(timed=False), st.integers(1, 10**9))
def test_a_later_beginning_shifts_everything(graph: TaskGraph, delay: int) -> None:
    later = builder(graph.resources, graph.pools)
    clock = later.resource("clock")
    copy_tasks(graph, later, after=graph.task_count)
    later.task(clock, delay)
    before, after = finished(graph), finished(later.build())
    assert (before is None) == (after is None)
    if before is not None and after is not None:
        assert (before.start_ps + delay).tolist() == after.start_ps[:-1].tolist()
        assert (before.end_ps + delay).tolist() == after.end_ps[:-1].tolist()
        assert before.instance.tolist() == after.instance[:-1].tolist()


def copy_tasks(graph: TaskGraph, target: GraphBuilder, after: int | None = None) -> None:
    """Add all tasks of a graph to a builder; those without predecessors wait for task `after`, if it is given."""
    for task in range(graph.task_count):
        preds = graph.preds.row(task)
        target.task(
            int(graph.resource[task]),
            int(graph.work[task]),
            preds or ([] if after is None else [after]),
            int(graph.priority[task]),
            int(graph.affinity[task]),
            graph.acquire.pairs(task),
            graph.release.pairs(task),
        )


def test_whole_arrays_and_the_builder_make_the_same_graph() -> None:
    graph = GraphBuilder()
    array, pool = graph.resource("array", instances=2), graph.pool("pool", 2)
    first = graph.task(array, 5, acquire=[(pool, 2)], release=[(pool, 2)])
    graph.task(array, 5, affinity=first)
    built = graph.build()
    again = graph_from_arrays(
        [Resource(name="array", instances=2)],
        [0, 0],
        [5, 5],
        pools=[Pool(name="pool", amount=2)],
        preds=built.preds,
        affinity=[-1, 0],
        acquire=built.acquire,
        release=built.release,
    )
    assert outcome(built, "fast") == outcome(again, "fast") == ([0, 5], [5, 10], [0, 0], [10], [10])
