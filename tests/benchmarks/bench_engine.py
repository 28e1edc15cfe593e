"""How fast the engines are: both on one random graph, the fast one on a million tasks, folding on a periodic nest.

Writes reports/performance/engine.md and engine.json. Times are of one core and warm: the least of several runs. Bytes a
task are the arrays of the graph and the most that a run allocates beside them.
"""

from __future__ import annotations

import json
import platform
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
from graphs import periodic_program, random_graph

from attnsim.engine import reference
from attnsim.engine.fast import run
from attnsim.engine.fold import run_folded
from attnsim.taskgraph import TaskGraph

REPORTS = Path(__file__).parents[2] / "reports" / "performance"
COMPARED_TASKS = 100_000
LARGE_TASKS = 1_000_000
TRIPS = (100, 400)
REPEATS = 7
ROWS = (
    ("random graph, 100 000 tasks, reference engine (SimPy)", "compared_reference_s", "s", ""),
    ("the same graph, fast engine", "compared_fast_s", "s", ""),
    ("how many times faster", "compared_ratio", "x", "at least 80"),
    ("random graph, 1 000 000 tasks", "large_random_s", "s", "at most 0.25"),
    ("tasks a second", "large_random_tasks_per_s", "", "about 4e6"),
    ("memory a task, graph and run", "large_random_bytes_per_task", "bytes", "at most 200"),
    ("periodic pipeline, 750 500 tasks", "large_pipeline_s", "s", ""),
    ("tasks a second", "large_pipeline_tasks_per_s", "", "about 4e6"),
    ("memory a task, graph and run", "large_pipeline_bytes_per_task", "bytes", "at most 200"),
    ("nest of 120 100 tasks, built and simulated whole", "whole_s", "s", ""),
    ("the same nest, folded", "folded_s", "s", "at most 0.03"),
)


def main() -> None:
    """Measure, check that the engines agree, and write the report."""
    numbers = {**compare_engines(), **measure_large(), **measure_folding()}
    REPORTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps({key: float(f"{value:.3g}") for key, value in numbers.items()}, indent=2, sort_keys=True) + "\n"
    (REPORTS / "engine.json").write_text(text, encoding="utf-8", newline="\n")
    (REPORTS / "engine.md").write_text(page(numbers), encoding="utf-8", newline="\n")
    print(page(numbers))  # noqa: T201


def compare_engines() -> dict[str, float]:
    """Both engines on the same random graph; their traces have to be equal."""
    graph = random_graph(COMPARED_TASKS)
    began = time.process_time()
    theirs = reference.run(graph)
    slow_s = time.process_time() - began
    ours = run(graph)
    assert np.array_equal(ours.start_ps, theirs.start_ps)
    assert np.array_equal(ours.end_ps, theirs.end_ps)
    assert np.array_equal(ours.instance, theirs.instance)
    fast_s = least_s(lambda: run(graph))
    return {"compared_fast_s": fast_s, "compared_reference_s": slow_s, "compared_ratio": slow_s / fast_s}


def measure_large() -> dict[str, float]:
    """The fast engine on a million tasks: a random graph and a pipeline."""
    random, pipeline = random_graph(LARGE_TASKS), periodic_program((500, 500)).build((500, 500))
    random_s, pipeline_s = least_s(lambda: run(random)), least_s(lambda: run(pipeline))
    return {
        "large_random_s": random_s,
        "large_random_tasks_per_s": LARGE_TASKS / random_s,
        "large_random_bytes_per_task": bytes_per_task(random),
        "large_pipeline_s": pipeline_s,
        "large_pipeline_tasks_per_s": pipeline.task_count / pipeline_s,
        "large_pipeline_bytes_per_task": bytes_per_task(pipeline),
    }


def measure_folding() -> dict[str, float]:
    """A nest simulated whole and folded; the makespans have to be equal."""
    program = periodic_program(TRIPS)
    folded, whole = run_folded(program), run(program.build(TRIPS))
    assert folded.exact
    assert folded.makespan_ps == whole.makespan_ps
    return {
        "folded_s": least_s(lambda: run_folded(program)),
        "whole_s": least_s(lambda: run(program.build(TRIPS))),
        "whole_tasks": float(program.tasks(TRIPS)),
    }


def least_s(call: Callable[[], object]) -> float:
    """The least processor time of several calls."""
    times = []
    for _ in range(REPEATS):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return min(times)


def bytes_per_task(graph: TaskGraph) -> float:
    """Bytes of the graph's arrays and of all that one run allocates at its peak, a task."""
    columns = [graph.resource, graph.work, graph.priority, graph.affinity]
    for links in (graph.preds, graph.acquire, graph.release):
        columns += [links.starts, links.items, links.amounts]
    tracemalloc.start()
    run(graph)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return float(sum(column.nbytes for column in columns) + peak_bytes) / graph.task_count


def page(numbers: dict[str, float]) -> str:
    """The report as markdown."""
    rows = [f"| {what} | {numbers[key]:.3g} {unit} | {target} |" for what, key, unit, target in ROWS]
    return "\n".join(
        [
            "# Speed of the engines",
            "",
            f"Processor time of one core ({platform.machine()}), warm; `make bench` measures it again.",
            "",
            "| what | measured | target |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    main()
