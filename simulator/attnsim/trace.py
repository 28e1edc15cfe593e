"""What an engine returns: when and where each task ran, from which every metric and the timeline are computed.

`chrome_trace` writes the Trace Event Format (JSON object form; complete events "X", counters "C" and metadata events
"M"), which ui.perfetto.dev and chrome://tracing open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from attnsim.taskgraph import Int32, Int64, TaskGraph

TraceEvent: TypeAlias = dict[str, object]
Floats: TypeAlias = npt.NDArray[np.float64]
PS_PER_US = 1_000_000
WINDOWS = 50
"""Equal parts of a timeline in which utilization is told."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """Start and end of each task in picoseconds and the instance it ran on (-1 for a task without a resource).

    `busy_ps` has one row a resource group: picoseconds in which an instance held at least one task, summed over its
    instances. `served_ps` is the same summed over servers: the sum of (end - start) of the tasks of the group.
    """

    start_ps: Int64
    end_ps: Int64
    instance: Int32
    makespan_ps: int
    busy_ps: Int64
    served_ps: Int64


def make_trace(graph: TaskGraph, start_ps: Int64, end_ps: Int64, instance: Int32) -> Trace:
    """The trace of a finished run, with the sums over it; arrays have one row a task."""
    groups = len(graph.resources)
    placed = graph.resource >= 0
    served = np.zeros(groups, np.int64)
    np.add.at(served, graph.resource[placed], (end_ps - start_ps)[placed])
    return Trace(
        start_ps=start_ps,
        end_ps=end_ps,
        instance=instance,
        makespan_ps=int(end_ps.max(initial=0)),
        busy_ps=_busy_ps(graph, start_ps, end_ps, instance, served),
        served_ps=served,
    )


def _busy_ps(graph: TaskGraph, start_ps: Int64, end_ps: Int64, instance: Int32, served: Int64) -> Int64:
    """Length of the union of the task intervals of each instance, summed over the instances of each group."""
    busy = served.copy()
    for group, resource in enumerate(graph.resources):
        if resource.parallel_tasks == 1:
            continue
        tasks = np.flatnonzero(graph.resource == group)
        order = tasks[np.lexsort((start_ps[tasks], instance[tasks]))]
        busy[group] = sum(
            union_ps(start_ps[part], end_ps[part])
            for part in np.split(order, np.flatnonzero(np.diff(instance[order])) + 1)
        )
    return busy


def busy_over_time(graph: TaskGraph, trace: Trace, group: int, edges_ps: Int64) -> Floats:
    """Share of the instances of a resource that are busy, between each two of the edges, which ascend."""
    tasks = np.flatnonzero((graph.resource == group) & (trace.end_ps > trace.start_ps))
    order = tasks[np.lexsort((trace.start_ps[tasks], trace.instance[tasks]))]
    begins, ends = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for part in np.split(order, np.flatnonzero(np.diff(trace.instance[order])) + 1):
        start_ps, reached = trace.start_ps[part], np.maximum.accumulate(trace.end_ps[part])
        first = np.flatnonzero(np.concatenate([[True], start_ps[1:] > reached[:-1]])[: len(part)])
        begins.append(start_ps[first])
        ends.append(reached[np.concatenate([first[1:] - 1, [len(part) - 1]])] if len(part) else reached)
    passed = _passed(np.concatenate(begins), edges_ps) - _passed(np.concatenate(ends), edges_ps)
    shares = np.diff(passed) / (np.diff(edges_ps) * graph.resources[group].instances)
    return np.asarray(np.clip(shares, 0.0, 1.0), np.float64)


def _passed(moments_ps: Int64, edges_ps: Int64) -> Floats:
    """For each edge, the sum of how long ago those of the moments were that lie before it."""
    ordered = np.sort(moments_ps)
    before = np.searchsorted(ordered, edges_ps)
    sums = np.concatenate([[0.0], np.cumsum(ordered, dtype=np.float64)])
    return np.asarray(before * edges_ps.astype(np.float64) - sums[before], np.float64)


def _counter_events(graph: TaskGraph, trace: Trace, group: int) -> list[TraceEvent]:
    """Utilization in equal windows, told where it changes, and zero at the end."""
    windows = min(WINDOWS, trace.makespan_ps)
    if not windows:
        return []
    edges_ps = np.linspace(0, trace.makespan_ps, windows + 1).astype(np.int64)
    shares = [round(share, 4) for share in busy_over_time(graph, trace, group, edges_ps).tolist()]
    told = zip(edges_ps.tolist(), [*shares, 0.0], [None, *shares], strict=True)
    return [
        {"name": "utilization", "ph": "C", "ts": at / PS_PER_US, "pid": group, "tid": 0, "args": {"busy": share}}
        for at, share, last in told
        if share != last
    ]


def union_ps(start_ps: Int64, end_ps: Int64) -> int:
    """Length of the union of intervals that are sorted by start."""
    if not len(start_ps):
        return 0
    reached = np.maximum.accumulate(end_ps)
    new = np.maximum(start_ps[1:], reached[:-1])
    covered = np.maximum(end_ps[1:] - new, 0)
    return int(end_ps[0] - start_ps[0] + covered.sum())


def chrome_trace(graph: TaskGraph, trace: Trace) -> dict[str, object]:
    """The trace as a Chrome/Perfetto document: a process for each resource, a track for each lane of an instance.

    Tasks that overlap on an instance get lanes of their own. Times are in microseconds, as the format asks; tasks of no
    length are left out unless they have no resource, where they appear as instant events on a track of markers. Each
    resource has a counter with its utilization over time, as the share of its instances that are busy.
    """
    events: list[TraceEvent] = []
    for group, resource in enumerate(graph.resources):
        events.append(_name_event("process_name", group, 0, resource.name))
        events += _group_events(graph, trace, group)
        events += _counter_events(graph, trace, group)
    events += _marker_events(graph, trace, len(graph.resources))
    return {"displayTimeUnit": "ns", "traceEvents": events}


def _group_events(graph: TaskGraph, trace: Trace, group: int) -> list[TraceEvent]:
    tasks = np.flatnonzero((graph.resource == group) & (trace.end_ps > trace.start_ps))
    order = tasks[np.lexsort((tasks, trace.start_ps[tasks], trace.instance[tasks]))]
    tracks: dict[tuple[int, int], int] = {}
    free_at: dict[int, list[int]] = {}
    events: list[TraceEvent] = []
    for task in order.tolist():
        instance, start, end = int(trace.instance[task]), int(trace.start_ps[task]), int(trace.end_ps[task])
        lane = _take_lane(free_at.setdefault(instance, []), start, end)
        track = tracks.setdefault((instance, lane), len(tracks))
        label, tile, kind = graph.origins.of(task)
        events.append(
            {
                "name": label or f"task {task}",
                "cat": kind or "task",
                "ph": "X",
                "ts": start / PS_PER_US,
                "dur": (end - start) / PS_PER_US,
                "pid": group,
                "tid": track,
                "args": {"task": task, "tile": tile, "work": int(graph.work[task])},
            }
        )
    name = graph.resources[group].name
    named = [
        _name_event("thread_name", group, track, f"{name}[{instance}]" + (f" lane {lane}" if lane else ""))
        for (instance, lane), track in tracks.items()
    ]
    return named + events


def _take_lane(free_at: list[int], start: int, end: int) -> int:
    """First lane of an instance that is free at `start`; it is taken until `end`."""
    for lane, free in enumerate(free_at):
        if free <= start:
            free_at[lane] = end
            return lane
    free_at.append(end)
    return len(free_at) - 1


def _marker_events(graph: TaskGraph, trace: Trace, group: int) -> list[TraceEvent]:
    tasks = np.flatnonzero(graph.resource < 0).tolist()
    if not tasks:
        return []
    events = [_name_event("process_name", group, 0, "markers")]
    for task in tasks:
        label, _, kind = graph.origins.of(task)
        at = int(trace.start_ps[task]) / PS_PER_US
        name = label or f"task {task}"
        events.append({"name": name, "cat": kind or "marker", "ph": "i", "s": "t", "ts": at, "pid": group, "tid": 0})
    return events


def _name_event(what: str, process: int, track: int, name: str) -> TraceEvent:
    return {"name": what, "ph": "M", "pid": process, "tid": track, "args": {"name": name}}
