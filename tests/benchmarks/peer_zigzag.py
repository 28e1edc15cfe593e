"""ZigZag (Mei et al., IEEE Transactions on Computers 2021) on products: how long its mapper takes, and what it finds.

Run by `bench_mapping.py` with the Python of an environment that has the packages zigzag-dse and six, which attnsim does
not need. From JSON (`started`, seconds since the epoch; `products`, rows, columns, contracted and how many of each, the
second with the result of the first; `calls`) to JSON, the last line on standard output. The hardware is its tpu_like,
inputs and weights have 8 bits, as in its examples, and all is as its API has it by default but the goal, latency.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import zigzag
from zigzag.api import get_hardware_performance_zigzag

PRECISION = {"W": 8, "I": 8, "O": 16, "O_final": 8}
HARDWARE = "tpu_like"


def main() -> None:
    """Map as often as asked, and tell how long each took."""
    asked = json.loads(sys.argv[1])
    logging.disable(logging.CRITICAL)
    found: dict[str, Any] = {"version": zigzag.__version__}
    for _ in range(asked["calls"]):
        found |= mapped([layer(place, *product) for place, product in enumerate(asked["products"])])
        found.setdefault("cold_s", time.time() - asked["started"])
    print("\n" + json.dumps(found))  # noqa: T201


def layer(place: int, rows: int, columns: int, contracted: int, copies: int) -> dict[str, Any]:
    """A product as a layer; with copies, each has its own operands."""
    several = copies > 1
    sizes = {"B": rows, "K": columns, "C": contracted, **({"H": copies} if several else {})}
    copy = "[h]" if several else ""
    return {
        "id": place,
        "name": f"product{place}",
        "operator_type": "Gemm",
        "equation": f"O{copy}[b][k]+=I{copy}[b][c]*W{copy}[c][k]",
        "dimension_relations": [],
        "loop_dims": list(sizes),
        "loop_sizes": list(sizes.values()),
        "operand_precision": PRECISION,
        "operand_source": {"I": max(place - 1, 0), "W": place},
    }


def mapped(layers: list[dict[str, Any]]) -> dict[str, Any]:
    """One search: seconds it took, cycles of all layers, the loops of each; or why there are none."""
    folder = Path(zigzag.__file__).parent / "inputs"
    began = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory() as out:
            _, cycles, parts = get_hardware_performance_zigzag(
                layers,
                str(folder / "hardware" / f"{HARDWARE}.yaml"),
                str(folder / "mapping" / f"{HARDWARE}.yaml"),
                opt="latency",
                dump_folder=out,
                loma_show_progress_bar=False,
            )
    except Exception as error:  # noqa: BLE001
        return {"warm_s": time.perf_counter() - began, "failed": reason(str(error))}
    took_s = time.perf_counter() - began
    found = [cost for _, inner in parts for cost, _ in (inner if isinstance(inner, list) else [])]
    return {"warm_s": took_s, "cycles": float(cycles), "loops": "; ".join(str(one.temporal_mapping) for one in found)}


def reason(message: str) -> str:
    """The first sentence of what it says."""
    return message.strip().split(". ")[0].splitlines()[0] if message.strip() else "no reason given"


if __name__ == "__main__":
    main()
