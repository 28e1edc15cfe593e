"""How long the tool takes: its help, one run, and the whole published set.

Writes reports/performance/runs.md and runs.json. One core, warm, the least of several; commands are whole processes by
the clock on the wall, the published set is 120 runs with energy inside one process.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

from attnsim.pipeline import Request, require_mapping_fits, simulate
from attnsim.specs.cascade import load_cascade
from attnsim.specs.hardware import load_hardware
from attnsim.specs.load import forget
from attnsim.specs.mapping import load_mapping
from attnsim.specs.model import load_model

REPORTS = Path(__file__).parents[2] / "reports" / "performance"
REPEATS = 5
MODELS = ("bert", "trxl", "t5", "xlm")
MAPPINGS = ("unfused", "flat", "cascade", "architecture", "binding")
LENGTHS = (2**10, 2**12, 2**14, 2**16, 2**18, 2**20)
RUN = ("run", "--model", "bert", "--seq-len", "16384", "--batch", "64", "--mapping", "binding", "--json")
ROWS = (
    ("`attnsim --help`", "help_s", "under 0.3 s"),
    (f"`attnsim {' '.join(RUN)}`", "run_s", "under 1 s"),
    ("the same with `--fill-drain modeled`", "run_modeled_s", ""),
    ("reading and checking hardware, mapping, model and cascade", "load_s", "at most 0.06 s"),
    ("the published set: 4 models, 6 lengths, 5 mappings", "published_set_s", "at most 10 s"),
)


def main() -> None:
    """Measure on one core and write the report."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    numbers = {
        "help_s": least_command_s("--help"),
        "run_s": least_command_s(*RUN),
        "run_modeled_s": least_command_s(*RUN, "--fill-drain", "modeled"),
        "load_s": load_s(),
        "published_set_s": published_set_s(),
    }
    REPORTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps({key: float(f"{value:.3g}") for key, value in numbers.items()}, indent=2, sort_keys=True) + "\n"
    (REPORTS / "runs.json").write_text(text, encoding="utf-8", newline="\n")
    (REPORTS / "runs.md").write_text(page(numbers), encoding="utf-8", newline="\n")
    print(page(numbers))  # noqa: T201


def least_command_s(*arguments: str) -> float:
    """The least time of several processes of the command."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "attnsim", *arguments], check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return min(times)


def load_s() -> float:
    """All files of a run read and checked once more, in this process."""
    times = []
    for _ in range(REPEATS):
        forget()
        began = time.perf_counter()
        load_hardware("fusemax"), load_mapping("binding"), load_model("bert"), load_cascade("attention_1pass")
        times.append(time.perf_counter() - began)
    return min(times)


def published_set_s() -> float:
    """Every published point simulated once, in this process."""
    require_mapping_fits(simulate(Request(model="bert", mapping="binding", seq_len=1024)))
    began = time.perf_counter()
    for model, seq_len, mapping in product(MODELS, LENGTHS, MAPPINGS):
        require_mapping_fits(simulate(Request(model=model, mapping=mapping, seq_len=seq_len, batch=64)))
    return time.perf_counter() - began


def page(numbers: dict[str, float]) -> str:
    """The report as markdown."""
    rows = [f"| {what} | {numbers[key]:.3g} s | {target} |" for what, key, target in ROWS]
    head = f"One core ({platform.machine()}), warm; `make bench` measures it again."
    return "\n".join(["# Speed of runs", "", head, "", "| what | measured | target |", "|---|---|---|", *rows, ""])


if __name__ == "__main__":
    main()
