"""The Chrome/Perfetto document of a trace."""

from __future__ import annotations

import json

from attnsim.engine import run
from attnsim.taskgraph import NO_RESOURCE, GraphBuilder, TaskGraph
from attnsim.trace import chrome_trace, make_trace


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


def test_sums_over_a_trace_can_be_made_again_from_its_columns() -> None:
    graph = two_devices()
    trace = run(graph)
    again = make_trace(graph, trace.start_ps, trace.end_ps, trace.instance)
    assert again.busy_ps.tolist() == trace.busy_ps.tolist() == [8_000_000, 2_000_000]
    assert again.served_ps.tolist() == trace.served_ps.tolist() == [8_000_000, 4_000_000]
