"""The fast engine: from a `TaskGraph` to its `Trace`, equal task by task to that of `attnsim.engine.reference`."""

from __future__ import annotations

import numpy as np

from attnsim.engine.diagnose import deadlock, overlong, overpaid
from attnsim.engine.kernel import simulate, successors
from attnsim.engine.state import FINISHED, OVERLONG, OVERPAID, prepare
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
    tasks, groups, pools, state = prepare(graph, next_starts, next_items)
    status, culprit = simulate(tasks, groups, pools, state)
    if status == FINISHED:
        return make_trace(graph, state.start, state.end, state.instance)
    if status == OVERPAID:
        raise overpaid(graph, culprit)
    if status == OVERLONG:
        raise overlong(graph, culprit)
    raise deadlock(graph, state.left < 0)
