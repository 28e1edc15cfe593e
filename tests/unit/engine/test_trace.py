"""The Chrome/Perfetto document of a trace."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnsim.engine import run
from attnsim.taskgraph import NO_RESOURCE, GraphBuilder, TaskGraph
from attnsim.trace import busy_over_time, chrome_trace, make_trace


def two_devices() -> TaskGraph:
    graph = GraphBuilder()
    devices = graph.resource("device", instances=2)
    memory = graph.resource("memory", "shared", capacity=1e12)
    first = graph.task(devices, 3_000_000, origin=("QK", 4, "tile"))
    graph.task(devices, 5_000_000)
    graph.task(memory, 1_000_000, origin=("K", 0, "load"))
    graph.task(memory, 1_000_000, origin=("V", 0, "load"))
    graph.task(NO_RESOURCE, 0, [first], origin=("done", 0, "join"))
    return graph.build()


def test_each_task_is_on_a_named_track_of_its_instance() -> None:
    graph = two_devices()
    document = chrome_trace(graph, run(graph))
    events = json.loads(json.dumps(document))["traceEvents"]
    names = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
    spans = [(names[e["pid"], e["tid"]], e["name"], e["ts"], e["dur"]) for e in events if e["ph"] == "X"]
    assert spans == [
        ("device[0]", "QK", 0.0, 3.0),
        ("device[1]", "task 1", 0.0, 5.0),
        ("memory[0]", "K", 0.0, 2.0),
        ("memory[0] lane 1", "V", 0.0, 2.0),
    ]


def test_tracks_have_processes_and_origins() -> None:
    graph = two_devices()
    events = chrome_trace(graph, run(graph))["traceEvents"]
    assert isinstance(events, list)
    assert [e["args"]["name"] for e in events if e["name"] == "process_name"] == ["device", "memory", "markers"]
    tile = next(e for e in events if e["name"] == "QK")
    assert (tile["cat"], tile["args"]) == ("tile", {"task": 0, "tile": 4, "work": 3_000_000})
    marker = next(e for e in events if e["ph"] == "i")
    assert (marker["name"], marker["ts"]) == ("done", 3.0)


def test_utilization_over_time_is_the_share_of_instances_that_are_busy() -> None:
    graph = two_devices()
    trace = run(graph)
    edges = np.array([0, 1_000_000, 3_000_000, 4_000_000, 5_000_000])
    assert busy_over_time(graph, trace, 0, edges).tolist() == [1.0, 1.0, 0.5, 0.5]
    assert busy_over_time(graph, trace, 1, np.array([0, 1_000_000, 4_000_000])).tolist() == [1.0, pytest.approx(1 / 3)]


def test_counters_tell_utilization_where_it_changes() -> None:
    graph = two_devices()
    events = chrome_trace(graph, run(graph))["traceEvents"]
    assert isinstance(events, list)
    told = [(e["pid"], e["ts"], e["args"]["busy"]) for e in events if e["ph"] == "C"]
    assert told == [(0, 0.0, 1.0), (0, 3.0, 0.5), (0, 5.0, 0.0), (1, 0.0, 1.0), (1, 2.0, 0.0)]


@given(
    spans=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 50), st.integers(1, 20)), min_size=1, max_size=12),
    windows=st.integers(1, 8),
)
def test_utilization_over_time_adds_up_to_busy_time(spans: list[tuple[int, int, int]], windows: int) -> None:
    graph = GraphBuilder()
    device = graph.resource("device", instances=3, servers=64)
    for _, _, length in spans:
        graph.task(device, length)
    built = graph.build()
    start = np.array([begin for _, begin, _ in spans])
    end = start + np.array([length for _, _, length in spans])
    trace = make_trace(built, start, end, np.array([instance for instance, _, _ in spans], np.int32))
    edges = np.unique(np.linspace(0, trace.makespan_ps, windows + 1).astype(np.int64))
    shares = busy_over_time(built, trace, 0, edges)
    assert float(shares @ np.diff(edges)) * 3 == pytest.approx(trace.busy_ps[0])


def test_sums_over_a_trace_can_be_made_again_from_its_columns() -> None:
    graph = two_devices()
    trace = run(graph)
    again = make_trace(graph, trace.start_ps, trace.end_ps, trace.instance)
    assert again.busy_ps.tolist() == trace.busy_ps.tolist() == [8_000_000, 2_000_000]
    assert again.served_ps.tolist() == trace.served_ps.tolist() == [8_000_000, 4_000_000]
