"""One simulated program told in parts: what each resource did until each of its markers was reached.

TaskGraph -> Part for each marker in order. A part ends where its marker is reached; what runs across that time counts
on both sides as far as it lies there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from attnsim.engine import run
from attnsim.taskgraph import Int64, TaskGraph
from attnsim.trace import Trace, union_ps


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stretch of a program: its length and how long each resource was busy in it, summed over tasks."""

    name: str
    length_ps: int
    busy_ps: Mapping[str, int]


def run_parts(graph: TaskGraph, markers: Sequence[str], *, engine: str = "fast") -> tuple[Part, ...]:
    """Simulate a graph whole and cut it where the markers of these labels are reached; the last one ends it."""
    trace = run(graph, engine)
    ends = [*(_reached(graph, trace, name) for name in markers[:-1]), trace.makespan_ps]
    begins = [0, *ends[:-1]]
    return tuple(
        Part(name=name, length_ps=end - begin, busy_ps=_busy(graph, trace, begin, end))
        for name, begin, end in zip(markers, begins, ends, strict=True)
    )


def _reached(graph: TaskGraph, trace: Trace, name: str) -> int:
    label = graph.origins.labels.index(name)
    markers = (graph.origins.label_ids == label) & (graph.resource < 0)
    return int(trace.end_ps[markers].max())


def _busy(graph: TaskGraph, trace: Trace, begin: int, end: int) -> dict[str, int]:
    """Picoseconds in which an instance held a task, summed over instances, by resource name."""
    starts, ends = np.clip(trace.start_ps, begin, end), np.clip(trace.end_ps, begin, end)
    inside: Int64 = ends - starts
    busy = {}
    for row, resource in enumerate(graph.resources):
        tasks = np.flatnonzero((graph.resource == row) & (inside > 0))
        if resource.parallel_tasks == 1:
            busy[resource.name] = int(inside[tasks].sum())
        else:
            order = tasks[np.lexsort((starts[tasks], trace.instance[tasks]))]
            cuts = np.flatnonzero(np.diff(trace.instance[order])) + 1
            busy[resource.name] = sum(union_ps(starts[part], ends[part]) for part in np.split(order, cuts))
    return busy
