"""How many designs a second one core evaluates, by family.

Writes reports/performance/explore.md and explore.json. Cold designs are the first of a process, warm ones are others
drawn from the same space afterwards; alone, the warm ones go through `simulate` and `run_json` one by one.
"""

from __future__ import annotations

import json
import platform
import random
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

from attnsim.explore.batch import evaluate
from attnsim.mapping.infeasible import Infeasible
from attnsim.pipeline import Request, simulate
from attnsim.results import run_json

REPORTS = Path(__file__).parents[2] / "reports" / "performance"
METRICS = ("latency_s", "energy_j.total", "area_m2")
DESIGNS, ALONE, REPEATS = 2000, 200, 3
AIM = "at least 2,000"


def spatial(mapping: str) -> list[Request]:
    """Attention of two models at 4K to 64K tokens: arrays, buffers, bandwidths and clocks."""
    return [
        Request(
            model=model,
            mapping=mapping,
            seq_len=tokens,
            overrides=(
                f"hardware.arrays.array_2d.shape=[{side}, {side}]",
                f"hardware.memories.global_buffer.capacity={buffer} MiB",
                f"hardware.memories.dram.bandwidth={bandwidth} GB/s",
                f"hardware.clock={clock} GHz",
            ),
        )
        for side, buffer, bandwidth, tokens, model, clock in product(
            (32, 64, 128, 256),
            (1, 2, 4, 8, 16, 32, 64),
            (50, 100, 200, 300, 400, 600, 800, 1200, 1600),
            (4096, 8192, 16384, 32768, 65536),
            ("bert", "xlm"),
            (0.8, 0.94, 1.0, 1.2),
        )
    ]


def gpu(mapping: str) -> list[Request]:
    """Attention of a model of 8B weights: SMs, L2, bandwidth, exponentials, clocks, lengths and batches."""
    return [
        Request(
            model="llama3_8b",
            hardware="h100_sxm",
            mapping=mapping,
            phase="decode" if mapping.endswith("decode") else "prefill",
            seq_len=tokens,
            batch=batch,
            overrides=(
                f"hardware.sms={sms}",
                f"hardware.l2.capacity={l2} MiB",
                f"hardware.dram.bandwidth={bandwidth} GB/s",
                f"hardware.exp_per_cycle={exponentials}",
                f"hardware.clock={clock} GHz",
            ),
        )
        for sms, l2, bandwidth, exponentials, clock, tokens, batch in product(
            (64, 84, 96, 108, 132, 160),
            (25, 50, 75, 100),
            (2000, 2700, 3350, 4000, 4800),
            (16, 32),
            (1.2, 1.4, 1.6, 1.755),
            (2048, 4096, 8192, 16384),
            (1, 2, 4, 8),
        )
    ]


SPACES: dict[str, tuple[Callable[[str], list[Request]], str]] = {
    "spatial_array_binding": (spatial, "binding"),
    "spatial_array_cascade": (spatial, "cascade"),
    "spatial_array_flat": (spatial, "flat"),
    "gpu_tile_prefill": (gpu, "vllm_fa3_prefill"),
    "gpu_tile_decode": (gpu, "vllm_fa3_decode"),
}


def main() -> None:
    """Measure and write the report."""
    numbers = {name: measured(space(mapping)) for name, (space, mapping) in SPACES.items()}
    REPORTS.mkdir(parents=True, exist_ok=True)
    rounded = {name: {k: float(f"{v:.3g}") for k, v in row.items()} for name, row in numbers.items()}
    text = json.dumps(rounded, indent=2, sort_keys=True) + "\n"
    (REPORTS / "explore.json").write_text(text, encoding="utf-8", newline="\n")
    page = _page(numbers)
    (REPORTS / "explore.md").write_text(page, encoding="utf-8", newline="\n")
    print(page)  # noqa: T201


def measured(designs: Sequence[Request]) -> dict[str, float]:
    """Designs a second of a space, by processor time: cold, warm and alone, and the share that is feasible."""
    drawn = random.Random(1).sample(designs, (1 + REPEATS) * DESIGNS)
    evaluate(drawn[:1], METRICS)
    cold_s = _spent_s(lambda: evaluate(drawn[:DESIGNS], METRICS))
    parts = [drawn[begin : begin + DESIGNS] for begin in range(DESIGNS, len(drawn), DESIGNS)]
    warm_s = min(_spent_s(lambda part=part: evaluate(part, METRICS)) for part in parts)  # type: ignore[misc]
    alone_s = _spent_s(lambda: [_alone(request) for request in parts[-1][:ALONE]])
    found = evaluate(parts[-1], METRICS)
    return {
        "cold_per_s": DESIGNS / cold_s,
        "warm_per_s": DESIGNS / warm_s,
        "alone_per_s": ALONE / alone_s,
        "feasible": sum(not one.infeasible for one in found) / len(found),
    }


def _alone(request: Request) -> object:
    result = simulate(request)
    return None if isinstance(result, Infeasible) else run_json(result)


def _spent_s(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def _page(numbers: dict[str, dict[str, float]]) -> str:
    lines = [
        "# Speed of exploring designs",
        "",
        f"`make bench` on {platform.machine()}, Python {platform.python_version()}; designs a second of one core.",
        "The metrics are latency, energy and area.",
        "Cold: the first designs of a process. Warm: other designs of the same space. Alone: each simulated by itself.",
        "",
        "| space | cold | warm | aim, warm | alone | warm over alone | feasible |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {name} | {row['cold_per_s']:,.0f} | {row['warm_per_s']:,.0f} | {AIM} | {row['alone_per_s']:,.0f} "
        f"| {row['warm_per_s'] / row['alone_per_s']:.1f} | {row['feasible']:.0%} |"
        for name, row in numbers.items()
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
