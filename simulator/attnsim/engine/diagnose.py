"""Why a simulation cannot go on: from a graph and the tasks that ended to an error with tasks, pools and holders."""

from __future__ import annotations

import numpy as np

from attnsim.errors import GraphError, Problem, SimulationError
from attnsim.taskgraph import Bools, Links, TaskGraph

NAMED_TASKS = 10
NAMED_HOLDERS = 3


def deadlock(graph: TaskGraph, done: Bools) -> SimulationError:
    """The error for tasks that wait for tokens that never come back; `done` marks the tasks that ended.

    An admitted task always ends, so whoever holds tokens at the end has ended without anyone giving them back.
    """
    waiting = [task for task in np.flatnonzero(~done).tolist() if all(done[graph.preds.row(task)])]
    more = f"; {len(waiting) - NAMED_TASKS} more wait for tokens" if len(waiting) > NAMED_TASKS else ""
    head = Problem(
        what=f"the simulation is stuck with {int(np.sum(~done))} of {graph.task_count} tasks unfinished{more}",
        remedy="let each token that is taken be given back by a task that does not wait for it",
    )
    return SimulationError(head, *(_wait_of(graph, task, done) for task in waiting[:NAMED_TASKS]))


def overpaid(graph: TaskGraph, pool: int) -> SimulationError:
    """The error for a pool that got back more tokens than are out."""
    what = f"pool {graph.pools[pool].name} gets back more tokens than are out ({graph.pools[pool].amount} in all)"
    return SimulationError(
        Problem(what=what, remedy="make the task that gives tokens back follow the one that takes them")
    )


def overlong(graph: TaskGraph, task: int = -1) -> GraphError:
    """The error for a simulation that leaves the range of the picosecond clock (about 40 hours)."""
    what = graph.name_of(task) if task >= 0 else "the simulation"
    return GraphError(Problem(what=f"{what} runs longer than the 40 hours of the clock", remedy="reduce the work"))


def _wait_of(graph: TaskGraph, task: int, done: Bools) -> Problem:
    wanted = graph.acquire.pairs(task)
    pools = ", ".join(f"{amount} of {graph.pools[pool].name}" for pool, amount in wanted)
    holders = "; ".join(_holders_of(graph, pool, done) for pool, _ in wanted)
    return Problem(what=f"{graph.name_of(task)} waits for {pools}", remedy=holders)


def _holders_of(graph: TaskGraph, pool: int, done: Bools) -> str:
    """Who holds the tokens of a pool: what was given back settles the debt of the lowest ids first."""
    returned = sum(amount for task, amount in _rows_of(graph.release, pool) if done[task])
    holders = []
    for task, taken in _rows_of(graph.acquire, pool):
        settled = min(returned, taken) if done[task] else taken
        returned -= settled if done[task] else 0
        if settled < taken:
            holders.append(f"{graph.name_of(task)} ({taken - settled})")
    named = ", ".join(holders[:NAMED_HOLDERS]) + (" ..." if len(holders) > NAMED_HOLDERS else "")
    givers = [graph.name_of(task) for task, _ in _rows_of(graph.release, pool) if not done[task]]
    back = f"{givers[0]} has yet to give tokens back" if givers else "no task is left to give tokens back"
    return f"{graph.pools[pool].name} ({graph.pools[pool].amount} in all) is held by {named or 'no task'}; {back}"


def _rows_of(links: Links, pool: int) -> list[tuple[int, int]]:
    """Tasks and amounts of the rows that name a pool, in order of task id."""
    rows = np.flatnonzero(links.items == pool)
    tasks = np.searchsorted(links.starts, rows, side="right") - 1
    return list(zip(tasks.tolist(), links.amounts[rows].tolist(), strict=True))
