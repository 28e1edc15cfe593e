"""What can be wrong with a task graph: from a `TaskGraph` to a list of problems that name the tasks.

A graph without problems keeps the engine contract (docs/engine.md): the engines then index its arrays unchecked.
"""

from __future__ import annotations

import math

import numpy as np

from attnsim.errors import GraphError, Problem
from attnsim.taskgraph.nouns import Calendar, Int64, Links, Resource, TaskGraph

MAX_TASKS = 1 << 24
MAX_INSTANCES = 1 << 20
MAX_WORK = 1 << 60
NAMED_TASKS = 5


def verify(graph: TaskGraph) -> TaskGraph:
    """Return the graph itself when it keeps the engine contract.

    Raises:
        GraphError: with every problem found: cycle, dangling id, negative work, demand above a pool's amount ...
    """
    problems = problems_of(graph)
    if problems:
        raise GraphError(*problems)
    return graph


def problems_of(graph: TaskGraph) -> list[Problem]:
    """Every breach of the engine contract, most basic first; what needs sound ids is checked only then."""
    problems = _resource_problems(graph) + _shape_problems(graph)
    if problems:
        return problems
    problems = _id_problems(graph)
    if problems:
        return problems
    return _value_problems(graph) + _token_problems(graph) + _affinity_problems(graph) + _cycle_problems(graph)


def _resource_problems(graph: TaskGraph) -> list[Problem]:
    problems = [problem for resource in graph.resources for problem in _problems_of_resource(resource)]
    empty = [pool for pool in graph.pools if pool.amount < 0]
    return problems + [
        Problem(what=f"pool {pool.name} has {pool.amount} tokens", remedy="give it 0 or more") for pool in empty
    ]


def _problems_of_resource(resource: Resource) -> list[Problem]:
    problems = []
    if resource.kind not in ("fifo", "shared"):
        problems.append(Problem(what=f"resource {resource.name} has kind {resource.kind!r}", remedy="fifo or shared"))
    if not 1 <= resource.instances <= MAX_INSTANCES:
        what = f"resource {resource.name} has {resource.instances} instances"
        problems.append(Problem(what=what, remedy=f"give it 1 to {MAX_INSTANCES}"))
    if resource.kind == "fifo" and resource.servers < 1:
        problems.append(Problem(what=f"resource {resource.name} has {resource.servers} servers", remedy="at least 1"))
    if resource.kind == "shared":
        if not (resource.capacity > 0 and math.isfinite(resource.capacity)):
            what = f"resource {resource.name} has capacity {resource.capacity} per second"
            problems.append(Problem(what=what, remedy="give it a finite capacity above 0"))
        if not resource.per_flow_cap > 0:
            what = f"resource {resource.name} has a per-flow cap of {resource.per_flow_cap} per second"
            problems.append(Problem(what=what, remedy="give it a cap above 0, or infinity"))
        if resource.slots < 0:
            what = f"resource {resource.name} has {resource.slots} slots"
            problems.append(Problem(what=what, remedy="give it 1 or more, or 0 for any number"))
    if resource.calendar is not None:
        problems += _place_problems(resource) + _calendar_problems(resource.name, resource.calendar)
    return problems


def _place_problems(resource: Resource) -> list[Problem]:
    """Why a resource that has a calendar may not have one."""
    if resource.kind != "fifo":
        what = f"resource {resource.name} has a calendar but is {resource.kind}"
        return [Problem(what=what, remedy="make it fifo or leave the calendar out")]
    if resource.servers > 1:
        what = f"resource {resource.name} has a calendar and {resource.servers} servers"
        return [Problem(what=what, remedy="give it one server; its instances share the calendar")]
    return []


def _calendar_problems(name: str, calendar: Calendar) -> list[Problem]:
    """What is wrong with the numbers of a calendar, by itself and then together."""
    least = {"period_ps": 1, "closed_ps": 0, "first_ps": 0, "reserve_ps": 0}
    values = {field: getattr(calendar, field) for field in least}
    problems = [
        Problem(what=f"the calendar of resource {name} has {field} {value}", remedy=f"give it {least[field]} or more")
        for field, value in values.items()
        if value < least[field]
    ]
    problems += [
        Problem(what=f"the calendar of resource {name} has {field} {value}", remedy=f"keep it below {MAX_WORK}")
        for field, value in values.items()
        if value >= MAX_WORK
    ]
    barred = calendar.closed_ps + calendar.reserve_ps
    if not problems and (barred > calendar.period_ps or calendar.closed_ps == calendar.period_ps):
        what = f"the calendar of resource {name} bars {barred} of each {calendar.period_ps} ps: no task could begin"
        remedy = "let closed_ps + reserve_ps be at most period_ps, and closed_ps less than it"
        problems.append(Problem(what=what, remedy=remedy))
    return problems


def _shape_problems(graph: TaskGraph) -> list[Problem]:
    rows = graph.task_count
    problems = []
    if rows > MAX_TASKS:
        problems.append(Problem(what=f"{rows} tasks", remedy=f"fold the graph: an engine takes {MAX_TASKS} at most"))
    columns = {"resource": graph.resource, "priority": graph.priority, "affinity": graph.affinity}
    for name, column in columns.items():
        if len(column) != rows:
            problems.append(Problem(what=f"{name} has {len(column)} rows for {rows} tasks", remedy="one row a task"))
    for name, links in (("preds", graph.preds), ("acquire", graph.acquire), ("release", graph.release)):
        problems += _link_problems(name, links, rows)
    return problems


def _link_problems(name: str, links: Links, rows: int) -> list[Problem]:
    starts = links.starts
    if len(starts) != rows + 1 or starts[0] != 0 or starts[-1] != len(links.items) or np.any(np.diff(starts) < 0):
        return [Problem(what=f"{name}.starts does not cut {len(links.items)} items in {rows} rows")]
    if name != "preds" and len(links.amounts) != len(links.items):
        return [Problem(what=f"{name} has {len(links.amounts)} amounts for {len(links.items)} pools")]
    return []


def _id_problems(graph: TaskGraph) -> list[Problem]:
    tasks, groups, pools = graph.task_count, len(graph.resources), len(graph.pools)
    problems = []
    bad = np.flatnonzero((graph.resource < -1) | (graph.resource >= groups))
    problems += _named(graph, bad, "names a resource that does not exist", f"use -1 to {groups - 1}")
    bad = np.flatnonzero((graph.affinity < -1) | (graph.affinity >= tasks))
    problems += _named(graph, bad, "has affinity to a task that does not exist", f"use -1 to {tasks - 1}")
    bad = _rows_where(graph.preds, _outside(graph.preds, tasks))
    problems += _named(graph, bad, "waits for a task that does not exist", f"use 0 to {tasks - 1}")
    for verb, links in (("takes from", graph.acquire), ("gives back to", graph.release)):
        bad = _rows_where(links, _outside(links, pools))
        problems += _named(graph, bad, f"{verb} a pool that does not exist", f"use 0 to {pools - 1}")
    return problems


def _value_problems(graph: TaskGraph) -> list[Problem]:
    problems = _named(graph, np.flatnonzero(graph.work < 0), "has negative work", "give it 0 or more")
    bad = np.flatnonzero(graph.work >= MAX_WORK)
    problems += _named(graph, bad, "has too much work for a 64-bit clock", f"keep it below {MAX_WORK}")
    bad = np.flatnonzero((graph.resource < 0) & (graph.work > 0))
    return problems + _named(graph, bad, "has work but no resource", "name a resource or set its work to 0")


def _token_problems(graph: TaskGraph) -> list[Problem]:
    problems = []
    for verb, links in (("takes", graph.acquire), ("gives back", graph.release)):
        bad = _rows_where(links, np.flatnonzero(links.amounts < 1))
        problems += _named(graph, bad, f"{verb} less than one token", "leave the pool out or use 1 or more")
    if not len(graph.acquire.items):
        return problems + _unearned_problems(graph)
    amounts = np.array([pool.amount for pool in graph.pools], np.int64)
    over = np.flatnonzero(graph.acquire.amounts > amounts[graph.acquire.items])
    problems += _named(
        graph, _rows_where(graph.acquire, over), "takes more tokens than its pool has", "enlarge the pool"
    )
    keys = _rows_of(graph.acquire).astype(np.int64) * len(amounts) + graph.acquire.items
    unique, counts = np.unique(keys, return_counts=True)
    twice = np.unique(unique[counts > 1] // len(amounts))
    problems += _named(graph, twice, "takes from one pool twice", "add the amounts up")
    return problems + _unearned_problems(graph)


def _unearned_problems(graph: TaskGraph) -> list[Problem]:
    problems = []
    taken = _sums(graph.acquire, len(graph.pools))
    given = _sums(graph.release, len(graph.pools))
    for pool in np.flatnonzero(given > taken):
        what = f"pool {graph.pools[pool].name} gets {given[pool]} tokens back but gives out {taken[pool]}"
        problems.append(Problem(what=what, remedy="release only what some task has acquired"))
    return problems


def _affinity_problems(graph: TaskGraph) -> list[Problem]:
    tied = np.flatnonzero(graph.affinity >= 0)
    if not len(tied):
        return []
    other = graph.resource[tied] != graph.resource[graph.affinity[tied]]
    problems = _named(graph, tied[other], "has affinity to a task of another resource", "tie tasks of one group")
    bad = tied[graph.resource[tied] < 0]
    problems += _named(graph, bad, "has affinity but no resource", "name a resource")
    rows = _rows_of(graph.preds)
    listed = np.zeros(graph.task_count, bool)
    listed[rows[graph.affinity[rows] == graph.preds.items]] = True
    remedy = "the place is known only then: add it to the predecessors"
    return problems + _named(graph, tied[~listed[tied]], "does not wait for the task of its affinity", remedy)


def _cycle_problems(graph: TaskGraph) -> list[Problem]:
    if np.all(graph.preds.items < _rows_of(graph.preds)):
        return []
    left = _left_after_all_that_can_run(graph)
    stuck = next((task for task, count in enumerate(left) if count), None)
    if stuck is None:
        return []
    loop = _loop_through(graph, stuck, left)
    names = " -> ".join(graph.name_of(task) for task in loop[: 2 * NAMED_TASKS])
    more = " ..." if len(loop) > 2 * NAMED_TASKS else ""
    return [Problem(what=f"tasks wait for each other in a cycle: {names}{more}", remedy="drop one of the predecessors")]


def _left_after_all_that_can_run(graph: TaskGraph) -> list[int]:
    """Unfinished predecessors of each task when no task can run any more: all 0 unless there is a cycle (Kahn 1962)."""
    left: list[int] = np.diff(graph.preds.starts).tolist()
    followers: list[list[int]] = [[] for _ in left]
    for row, pred in zip(_rows_of(graph.preds).tolist(), graph.preds.items.tolist(), strict=True):
        followers[pred].append(row)
    free = [task for task, count in enumerate(left) if not count]
    while free:
        task = free.pop()
        for follower in followers[task]:
            left[follower] -= 1
        free += [follower for follower in set(followers[task]) if not left[follower]]
    return left


def _loop_through(graph: TaskGraph, task: int, left: list[int]) -> list[int]:
    """Walk back along unfinished predecessors until a task repeats; returns the loop in the order of waiting."""
    seen: dict[int, int] = {}
    path: list[int] = []
    while task not in seen:
        seen[task] = len(path)
        path.append(task)
        task = next(pred for pred in graph.preds.row(task) if left[pred])
    return [*path[seen[task] :], task]


def _rows_of(links: Links) -> Int64:
    return np.repeat(np.arange(len(links.starts) - 1), np.diff(links.starts))


def _rows_where(links: Links, positions: Int64) -> Int64:
    return np.unique(np.searchsorted(links.starts, positions, side="right") - 1)


def _outside(links: Links, limit: int) -> Int64:
    return np.flatnonzero((links.items < 0) | (links.items >= limit))


def _sums(links: Links, pools: int) -> Int64:
    sums = np.zeros(pools, np.int64)
    np.add.at(sums, links.items, links.amounts)
    return sums


def _named(graph: TaskGraph, tasks: Int64, what: str, remedy: str) -> list[Problem]:
    problems = [Problem(what=f"{graph.name_of(task)} {what}", remedy=remedy) for task in tasks[:NAMED_TASKS].tolist()]
    if len(tasks) > NAMED_TASKS:
        problems.append(Problem(what=f"{len(tasks) - NAMED_TASKS} more tasks: the same ({what})", remedy=remedy))
    return problems
