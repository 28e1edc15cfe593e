"""The engines: from a `TaskGraph` to a `Trace`. `reference` is written to be read, `fast` to be run; they agree."""

from __future__ import annotations

import difflib

from attnsim.errors import Problem, UnknownNameError
from attnsim.taskgraph import TaskGraph
from attnsim.trace import Trace

ENGINES = ("fast", "reference")


def run(graph: TaskGraph, engine: str = "fast") -> Trace:
    """Simulate a graph on one of the two engines, which return equal traces.

    Raises:
        UnknownNameError: when there is no such engine.
        SimulationError: when tasks wait for tokens that never come back, or a pool gets back more than it gave.
        GraphError: when the simulation would leave the range of the picosecond clock (40 hours).
    """
    if engine not in ENGINES:
        near = difflib.get_close_matches(engine, ENGINES, 1)
        hint = f"did you mean {near[0]}" if near else f"use {' or '.join(ENGINES)}"
        raise UnknownNameError(Problem(what=f"no engine is called {engine!r}", remedy=hint))
    if engine == "reference":
        from attnsim.engine import reference

        return reference.run(graph)
    from attnsim.engine import fast

    return fast.run(graph)
