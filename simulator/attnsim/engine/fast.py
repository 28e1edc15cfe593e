"""The fast engine: from a `TaskGraph` to its `Trace`, equal task by task to that of `attnsim.engine.reference`."""

from __future__ import annotations

import numpy as np

from attnsim.engine.diagnose import deadlock, overlong, overpaid
from attnsim.engine.kernel import columns, simulate, successors
from attnsim.engine.state import (
    BUSY,
    CULPRIT,
    FINISHED,
    LEFT,
    OF_GROUP,
    OVERLONG,
    OVERPAID,
    SERVED,
    Machine,
    prepare,
)
from attnsim.taskgraph import TaskGraph
from attnsim.trace import Trace


def run(graph: TaskGraph) -> Trace:
    """Simulate a graph.

    Raises:
        SimulationError: when tasks wait for tokens that never come back, or a pool gets back more than it gave.
        GraphError: when the simulation would leave the range of the picosecond clock.
    """
    next_starts = np.zeros(graph.task_count + 2, np.int32)
    next_items = np.empty(len(graph.preds.items), np.int32)
    successors(graph.preds.starts, graph.preds.items, next_starts, next_items)
    machine = prepare(graph, next_starts, next_items)
    status = simulate(machine)
    if status == FINISHED:
        return _trace_of(graph, machine)
    culprit = int(machine.counts[CULPRIT])
    if status == OVERPAID:
        raise overpaid(graph, culprit)
    if status == OVERLONG:
        raise overlong(graph, culprit)
    raise deadlock(graph, machine.tasks[:, LEFT] < 0)


def _trace_of(graph: TaskGraph, machine: Machine) -> Trace:
    start_ps, end_ps = np.empty((2, graph.task_count), np.int64)
    instance = np.empty(graph.task_count, np.int32)
    columns(machine, start_ps, end_ps, instance)
    groups = len(graph.resources)
    busy_ps, served_ps = np.zeros((2, groups + 1), np.int64)
    np.add.at(busy_ps, machine.instances[:, OF_GROUP], machine.instances[:, BUSY])
    np.add.at(served_ps, machine.instances[:, OF_GROUP], machine.instances[:, SERVED])
    return Trace(
        start_ps=start_ps,
        end_ps=end_ps,
        instance=instance,
        makespan_ps=int(end_ps.max(initial=0)),
        busy_ps=busy_ps[:groups],
        served_ps=served_ps[:groups],
    )
