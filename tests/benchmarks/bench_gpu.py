"""How many GPU kernels a second one core predicts, and how long validating held-out rows takes.

Writes reports/performance/gpu.md and gpu.json. The sample is a mix of held-out rows: as many of each GPU, framework and
phase. Compilation and loading are outside the first number; the second is a whole process by the clock on the wall, on
all cores that there are.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from attnsim.measured.dataset import attention_dataset
from attnsim.measured.split import sample
from attnsim.predict import predict_rows

REPORTS = Path(__file__).parents[2] / "reports" / "performance"
PER_CELL = 600
REPEATS = 3


def main() -> None:
    """Measure and write the report."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    validated_s = _command_s("validate", "measured", "--sample", "1200", "--json")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rows = sample(attention_dataset().parts.held_out, PER_CELL)
    predict_rows(rows.head(2000))
    predict_rows(rows)
    took_s = min(_predicted_s(rows) for _ in range(REPEATS))
    numbers = {
        "rows": rows.height,
        "predictions_per_s": rows.height / took_s,
        "validated_rows": 18 * 1200,
        "validated_s": validated_s,
        "cores": cores,
    }
    REPORTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps({key: float(f"{value:.3g}") for key, value in numbers.items()}, indent=2, sort_keys=True) + "\n"
    (REPORTS / "gpu.json").write_text(text, encoding="utf-8", newline="\n")
    page = _page(numbers)
    (REPORTS / "gpu.md").write_text(page, encoding="utf-8", newline="\n")
    print(page)  # noqa: T201


def _predicted_s(rows: object) -> float:
    begin = time.perf_counter()
    predict_rows(rows)  # type: ignore[arg-type]
    return time.perf_counter() - begin


def _command_s(*arguments: str) -> float:
    command = [sys.executable, "-m", "attnsim", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def _page(numbers: dict[str, float]) -> str:
    predicted = f"kernels predicted a second, one core, {numbers['rows']:.0f} mixed held-out rows"
    validated = f"`attnsim validate measured`, {numbers['validated_rows']:,.0f} rows with anchors"
    lines = [
        "# Speed of GPU predictions",
        "",
        f"`make bench` on {platform.machine()}, Python {platform.python_version()}.",
        "",
        "| what | measured | aim |",
        "| --- | ---: | ---: |",
        f"| {predicted} | {numbers['predictions_per_s']:,.0f} | at least 2,000 |",
        f"| {validated}, {numbers['cores']:.0f} cores | {numbers['validated_s']:.1f} s | under 60 s |",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
