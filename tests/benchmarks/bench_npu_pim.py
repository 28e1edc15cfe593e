"""How long a decoder layer on an NPU with PIM takes to simulate, and how many configurations a minute a sweep does.

Writes reports/performance/npu_pim.md and npu_pim.json. One core, warm, the least of several runs by the clock on the
wall: a decoder layer of a 7B model with 256 requests as a chat server has them; the sweep is over batches, traces,
mappings and channels, each configuration once.
"""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

from attnsim.pipeline import Request, require_mapping_fits, simulate

REPORTS = Path(__file__).parents[2] / "reports" / "performance"
REPEATS = 5
LAYER = Request(model="gpt3-7b", hardware="neupims", scope="layer", batch=256, trace="share-gpt")
MAPPINGS = ("concurrent", "concurrent_subbatch", "blocked", "npu_only")
BATCHES = (64, 128, 256, 512)
TRACES = ("alpaca", "share-gpt")
CHANNELS = (16, 32, 64)
LAYERS = tuple((f"decoder layer, 7B, 256 requests of share-gpt, `{name}`", f"{name}_s") for name in MAPPINGS)
SWEEP = "configurations a minute: 2 traces, 4 batches, 4 mappings, 3 numbers of channels"
ROWS = (*((*layer, "s", "at most 0.3 s") for layer in LAYERS), (SWEEP, "per_minute", "", "at least 200"))


def main() -> None:
    """Measure on one core and write the report."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    numbers = {f"{name}_s": least_s(replace(LAYER, mapping=name)) for name in MAPPINGS}
    numbers["per_minute"] = swept_per_minute()
    REPORTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps({key: float(f"{value:.3g}") for key, value in numbers.items()}, indent=2, sort_keys=True) + "\n"
    (REPORTS / "npu_pim.json").write_text(text, encoding="utf-8", newline="\n")
    (REPORTS / "npu_pim.md").write_text(page(numbers), encoding="utf-8", newline="\n")
    print(page(numbers))  # noqa: T201


def least_s(request: Request) -> float:
    """The least time of several runs, after one that compiles and loads."""
    require_mapping_fits(simulate(request))
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        require_mapping_fits(simulate(request))
        times.append(time.perf_counter() - began)
    return min(times)


def swept_per_minute() -> float:
    """Configurations a minute, files read and checked for each."""
    sweep = [
        replace(LAYER, trace=trace, batch=batch, mapping=mapping, overrides=(f"hardware.memory.channels={channels}",))
        for trace, batch, mapping, channels in product(TRACES, BATCHES, MAPPINGS, CHANNELS)
    ]
    began = time.perf_counter()
    for request in sweep:
        require_mapping_fits(simulate(request))
    return 60 * len(sweep) / (time.perf_counter() - began)


def page(numbers: dict[str, float]) -> str:
    """The report as markdown."""
    rows = [f"| {what} | {numbers[key]:.3g} {unit} | {target} |" for what, key, unit, target in ROWS]
    head = f"One core ({platform.machine()}), warm; `make bench` measures it again."
    return "\n".join(
        ["# Speed of NPUs with PIM", "", head, "", "| what | measured | target |", "|---|---|---|", *rows, ""]
    )


if __name__ == "__main__":
    main()
