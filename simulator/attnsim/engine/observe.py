"""What folding looks at in one simulation of a cut loop nest: from a trace to a few integers and the tails of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attnsim.taskgraph import Int64, Links, TaskGraph
from attnsim.trace import Trace

Trips = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observation:
    """One simulation, row by row for each resource group; the last row stands for tasks without a resource.

    `last_end_ps`: end of the last task. `ends_ps`: all ends, sorted. `instances`: how many a resource has. `waits`:
    which row waits for which, as pairs (earlier, later); rows beyond those of the resources are pools.
    """

    names: tuple[str, ...]
    last_end_ps: tuple[int, ...]
    busy_ps: tuple[int, ...]
    served_ps: tuple[int, ...]
    instances: tuple[int, ...]
    ends_ps: tuple[Int64, ...]
    waits: frozenset[tuple[int, int]]

    @property
    def values(self) -> tuple[int, ...]:
        """All the numbers that have to grow steadily."""
        return (*self.last_end_ps, *self.busy_ps, *self.served_ps)

    @property
    def counts(self) -> tuple[int, ...]:
        """Tasks of each row."""
        return tuple(len(ends) for ends in self.ends_ps)


def observe(graph: TaskGraph, trace: Trace) -> Observation:
    """The observation of one finished simulation."""
    rows = [*range(len(graph.resources)), -1]
    ends = tuple(np.sort(trace.end_ps[graph.resource == row]) for row in rows)
    return Observation(
        names=(*(resource.name for resource in graph.resources), ""),
        last_end_ps=tuple(int(column[-1]) if len(column) else 0 for column in ends),
        busy_ps=(*trace.busy_ps.tolist(), 0),
        served_ps=(*trace.served_ps.tolist(), 0),
        instances=(*(resource.instances for resource in graph.resources), 1),
        ends_ps=ends,
        waits=_waits(graph),
    )


def grows_steadily(first: Observation, second: Observation, third: Observation) -> bool:
    """Whether three equally spaced observations grow by the same amounts, end in the same pattern and do not drift."""
    rows = zip(first.values, second.values, third.values, strict=True)
    if any(c - b != b - a for a, b, c in rows):
        return False
    counts = zip(first.counts, second.counts, third.counts, strict=True)
    added = [(b - a, c - b) for a, b, c in counts]
    if any(more != again for more, again in added):
        return False
    used = [row for row, (more, _) in enumerate(added) if more]
    tails = all(_same_tail(second.ends_ps[row], third.ends_ps[row], added[row][0]) for row in used)
    return tails and not _drifts(second, third, used)


def repeats(shorter: Observation, longer: Observation, passes: int) -> bool:
    """Whether half of the last of `passes` passes through a loop ends in the same pattern, however long the loop is."""
    windows = [len(ends) // (2 * passes) for ends in shorter.ends_ps]
    rows = zip(windows, shorter.ends_ps, longer.ends_ps, strict=True)
    return all(_same_tail(ends, later_ends, window) for window, ends, later_ends in rows if window)


def _same_tail(ends: Int64, later_ends: Int64, count: int) -> bool:
    tail, later_tail = ends[-count:], later_ends[-count:]
    return bool(np.array_equal(tail - ends[-1], later_tail - later_ends[-1]))


def _drifts(earlier: Observation, later: Observation, used: list[int]) -> bool:
    """Whether resources that wait for each other in a circle move apart, which it allows for some trips only."""
    growth = {row: later.last_end_ps[row] - earlier.last_end_ps[row] for row in used}
    if len(set(growth.values())) == 1:
        return False
    reached = {row: _reached_from(row, later.waits) for row in used}
    return any(
        growth[row] != growth[other]
        for row in used
        for other in used
        if other in reached[row] and row in reached[other]
    )


def islands(observation: Observation) -> list[set[int]]:
    """Sets of rows that are connected by waiting; rows of different sets never wait for one another."""
    both_ways = observation.waits | {(later, earlier) for earlier, later in observation.waits}
    left = set(range(len(observation.names)))
    found = []
    while left:
        island = _reached_from(min(left), both_ways)
        found.append(island & left)
        left -= island
    return found


def _reached_from(row: int, waits: frozenset[tuple[int, int]]) -> set[int]:
    """The row and all that wait for it, directly or not."""
    reached = {row}
    frontier = reached
    while frontier:
        frontier = {later for earlier, later in waits if earlier in frontier} - reached
        reached = reached | frontier
    return reached


def _waits(graph: TaskGraph) -> frozenset[tuple[int, int]]:
    """Which resources wait for which: for predecessors, and through pools for those that give tokens back."""
    markers = len(graph.resources)
    resource = np.where(graph.resource < 0, markers, graph.resource).astype(np.int64)
    taken, given = graph.acquire, graph.release
    pairs = [
        (resource[graph.preds.items], resource[_rows(graph.preds)]),
        (taken.items.astype(np.int64) + markers + 1, resource[_rows(taken)]),
        (resource[_rows(given)], given.items.astype(np.int64) + markers + 1),
    ]
    nodes = markers + 1 + len(graph.pools)
    codes = np.unique(np.concatenate([earlier * nodes + later for earlier, later in pairs])).tolist()
    return frozenset((code // nodes, code % nodes) for code in codes)


def _rows(links: Links) -> Int64:
    return np.repeat(np.arange(len(links.starts) - 1), np.diff(links.starts))
