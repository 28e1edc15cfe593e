"""What folding looks at in one simulation of a cut loop nest: from a trace to a few integers and the tails of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attnsim.taskgraph import Int64, TaskGraph
from attnsim.trace import Trace

Trips = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observation:
    """One simulation, row by row for each resource group; the last row stands for tasks without a resource.

    `last_end_ps`: end of the last task. `ends_ps`: all ends, sorted. `islands`: resources with the same number are
    connected by predecessors or pools, those with different numbers never wait for one another. `instances`: how
    many a resource has.
    """

    names: tuple[str, ...]
    last_end_ps: tuple[int, ...]
    busy_ps: tuple[int, ...]
    served_ps: tuple[int, ...]
    instances: tuple[int, ...]
    ends_ps: tuple[Int64, ...]
    islands: tuple[int, ...]

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
    busy, served = (*trace.busy_ps.tolist(), 0), (*trace.served_ps.tolist(), 0)
    return Observation(
        names=(*(resource.name for resource in graph.resources), ""),
        last_end_ps=tuple(int(column[-1]) if len(column) else 0 for column in ends),
        busy_ps=busy,
        served_ps=served,
        instances=(*(resource.instances for resource in graph.resources), 1),
        ends_ps=ends,
        islands=_islands(graph),
    )


def grows_steadily(first: Observation, second: Observation, third: Observation) -> bool:
    """Whether three equally spaced observations grow by the same amounts and end in the same pattern."""
    rows = zip(first.values, second.values, third.values, strict=True)
    if any(c - b != b - a for a, b, c in rows):
        return False
    counts = zip(first.counts, second.counts, third.counts, strict=True)
    added = [(b - a, c - b) for a, b, c in counts]
    return all(more == again for more, again in added) and all(
        _same_tail(second.ends_ps[row], third.ends_ps[row], more) for row, (more, _) in enumerate(added)
    )


def _same_tail(ends: Int64, later_ends: Int64, count: int) -> bool:
    if count == 0:
        return True
    tail, later_tail = ends[-count:], later_ends[-count:]
    return bool(np.array_equal(tail - ends[-1], later_tail - later_ends[-1]))


def _islands(graph: TaskGraph) -> tuple[int, ...]:
    """Number the resources so that connected ones share a number."""
    markers, pools = len(graph.resources), len(graph.pools)
    resource = np.where(graph.resource < 0, markers, graph.resource).astype(np.int64)
    tails, heads = [resource[graph.preds.items]], [resource[_rows(graph.preds.starts)]]
    for links in (graph.acquire, graph.release):
        tails.append(links.items.astype(np.int64) + markers + 1)
        heads.append(resource[_rows(links.starts)])
    nodes = markers + 1 + pools
    pairs = np.unique(np.concatenate(tails) * nodes + np.concatenate(heads)).tolist()
    island = list(range(nodes))
    for pair in pairs:
        old, new = island[pair // nodes], island[pair % nodes]
        island = [new if number == old else number for number in island]
    return tuple(island[: markers + 1])


def _rows(starts: np.ndarray[tuple[int], np.dtype[np.int32]]) -> Int64:
    return np.repeat(np.arange(len(starts) - 1), np.diff(starts))
