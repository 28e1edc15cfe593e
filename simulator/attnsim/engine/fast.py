"""The fast engine: from a `TaskGraph` to its `Trace`, equal task by task to that of `attnsim.engine.reference`."""

from __future__ import annotations

import numpy as np

from attnsim.engine.diagnose import deadlock, overlong, overpaid
from attnsim.engine.kernel import simulate, successors
from attnsim.engine.state import CULPRIT, FINISHED, INSTANCE, LEFT, OVERLONG, OVERPAID, UNTIL, WHEN, prepare
from attnsim.taskgraph import TaskGraph
from attnsim.trace import Trace, make_trace


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
        start_ps, end_ps, instance = (machine.tasks[:, column].copy() for column in (WHEN, UNTIL, INSTANCE))
        instance[graph.resource < 0] = -1
        return make_trace(graph, start_ps, end_ps, instance.astype(np.int32))
    culprit = int(machine.counts[CULPRIT])
    if status == OVERPAID:
        raise overpaid(graph, culprit)
    if status == OVERLONG:
        raise overlong(graph, culprit)
    raise deadlock(graph, machine.tasks[:, LEFT] < 0)
