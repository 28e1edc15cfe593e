"""How long `attnsim map` takes to find a mapping, beside ZigZag, AccelForge and Stream, and how good the mappings are.

Writes reports/performance/mapping.md and mapping.json. Seconds by the clock on the wall, one core, the least of
several: cold, a process up to its answer; first and again, searches inside a process. The problems, and the hardware of
the others in words of this model, are in `mapping_problems.py` and `mapping/`. ATTNSIM_ZIGZAG, ATTNSIM_ACCELFORGE and
ATTNSIM_STREAM name the Pythons of environments that have those; without one, what was measured with it last stays in
the report.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mapping_page import page
from mapping_problems import PEERS, PROBLEMS, Beside, Numbers, Problem

REPORTS = Path(__file__).parents[2] / "reports" / "performance"
HERE = Path(__file__).parent
REPEATS = 3
LONG_S = 10
"""A process that takes longer is not repeated; it stands for the whole command too."""


def main() -> None:
    """Measure on one core and write the report; `once NAME` searches inside this process instead."""
    if sys.argv[1:2] == ["once"]:
        once(PROBLEMS[sys.argv[2]])
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    pythons = {peer.name: os.environ.get(peer.variable) for peer in PEERS}
    numbers = last_comparison({name for name, python in pythons.items() if not python})
    for name, problem in PROBLEMS.items():
        numbers |= {f"{name}_{what}": value for what, value in measure(name).items()}
        for beside in problem.beside:
            python = pythons[beside.peer]
            numbers |= compare(name, problem, beside, python) if python else {}
    REPORTS.mkdir(parents=True, exist_ok=True)
    kept = {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in numbers.items()}
    text = json.dumps(kept, indent=2, sort_keys=True) + "\n"
    (REPORTS / "mapping.json").write_text(text, encoding="utf-8", newline="\n")
    (REPORTS / "mapping.md").write_text(page(kept), encoding="utf-8", newline="\n")
    print(page(kept))  # noqa: T201
    for peer in (peer for peer in PEERS if not pythons[peer.name]):
        print(f"{peer.title} was not run: {peer.variable} names no Python that has it.")  # noqa: T201


def once(problem: Problem) -> None:
    """Import, search twice, and print how long each took as JSON."""
    began = time.perf_counter()
    from attnsim.explore.mapper import find_mapping
    from attnsim.explore.mapper_answer import Goal
    from attnsim.pipeline import Request

    imported = time.perf_counter()
    request = Request(
        hardware=problem.hardware,
        cascade=problem.cascade,
        model=problem.model,
        seq_len=problem.seq_len,
        batch=1 if problem.model else None,
        extents=problem.extents,
    )
    found = find_mapping(request, Goal())
    first = time.perf_counter()
    again_s = first - imported
    if again_s < LONG_S:
        find_mapping(request, Goal())
        again_s = time.perf_counter() - first
    numbers = {
        "import_s": imported - began,
        "first_s": first - imported,
        "again_s": again_s,
        "latency_s": found.run.metrics.latency_s,
        "gap": found.gap or 0.0,
        "proven": "yes" if found.optimal else "no",
    }
    print(json.dumps(numbers))  # noqa: T201


def measure(name: str) -> Numbers:
    """Whole commands and searches inside processes in turn, the least of each."""
    problem = PROBLEMS[name]
    runs: list[dict[str, Any]] = []
    cold_s: list[float] = []
    while len(runs) < REPEATS and (not cold_s or cold_s[-1] < LONG_S):
        began = time.perf_counter()
        runs.append(_json([sys.executable, __file__, "once", name]))
        took_s = time.perf_counter() - began
        cold_s.append(took_s if took_s > LONG_S else _cold_s(problem))
    timed = {what: min(run[what] for run in runs) for what in ("import_s", "first_s", "again_s")}
    return {"cold_s": min(cold_s), **timed, **{what: runs[-1][what] for what in ("latency_s", "gap", "proven")}}


def compare(name: str, problem: Problem, beside: Beside, python: str) -> Numbers:
    """Another mapper and attnsim in turn on the same problem, the least of each."""
    runs: list[dict[str, Any]] = []
    began = time.perf_counter()
    while len(runs) < REPEATS and time.perf_counter() - began < LONG_S:
        runs.append(_asked(beside, python))
    theirs = {**runs[-1], **{what: min(run[what] for run in runs) for what in ("cold_s", "warm_s")}}
    ours = measure(name)
    found: Numbers = {f"ours_{what}": ours[what] for what in ("cold_s", "import_s", "first_s", "again_s", "latency_s")}
    found |= {what: theirs[what] for what in ("cold_s", "warm_s", "failed", "loops") if what in theirs}
    reported_s = theirs.get("latency_s", theirs.get("cycles", 0) / 1e9)
    found |= {"latency_s": float(reported_s)} if reported_s else {}
    found |= {"here_s": _here_s(problem, beside.mapping)} if beside.mapping and reported_s else {}
    return {
        f"{beside.peer}_version": theirs["version"],
        f"{beside.peer}_date": datetime.now(UTC).date().isoformat(),
        **{f"{beside.key(name)}_{what}": value for what, value in found.items()},
    }


def _asked(beside: Beside, python: str) -> dict[str, Any]:
    asked = {**beside.asked, "started": time.time(), "calls": beside.calls}
    with tempfile.TemporaryDirectory() as folder:
        return _json([python, str(HERE / f"peer_{beside.peer}.py"), json.dumps(asked)], folder)


def last_comparison(missing: set[str]) -> Numbers:
    """What the report holds of the last comparison with those that are not run now; nothing if there was none."""
    file = REPORTS / "mapping.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return {name: value for name, value in known.items() if name.split("_")[0] in missing}


def _command(problem: Problem, verb: str) -> list[str]:
    command = [sys.executable, "-m", "attnsim", verb, "--hardware", problem.hardware, "--cascade", problem.cascade]
    command += [word for rank, extent in problem.extents.items() for word in ("--extent", f"{rank}={extent}")]
    if problem.model:
        command += ["--model", problem.model, "--seq-len", str(problem.seq_len), "--batch", "1"]
    return [*command, "--json"]


def _cold_s(problem: Problem) -> float:
    began = time.perf_counter()
    _run(_command(problem, "map"))
    return time.perf_counter() - began


def _here_s(problem: Problem, mapping: str) -> float:
    """The latency of another mapper's mapping under this model."""
    document = json.loads(_run([*_command(problem, "run"), "--mapping", mapping]))
    return float(document["latency_s"])


def _json(command: list[str], folder: str | None = None) -> dict[str, Any]:
    return dict(json.loads(_run(command, folder).strip().splitlines()[-1]))


def _run(command: list[str], folder: str | None = None) -> str:
    """Standard output of a process in a folder, where others leave files; it may keep its compiled ones."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=folder).stdout


if __name__ == "__main__":
    main()
