"""AccelForge (Massachusetts Institute of Technology) on an attention: how long its mapper takes, and what it finds.

Run by `bench_mapping.py` with the Python of an environment that has the package accelforge, which attnsim does not
need, and the program `dot` of Graphviz. From JSON (`started`, seconds since the epoch; `ranks`; `fused`; `calls`) to
JSON, the last line on standard output. The hardware is its TPUv4i. Its workloads of attention have one Einsum for the
softmax and values of 8 bits; so has this one.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import accelforge

SCORES, PROBABILITIES, VALUES = "b, m, p, h, g", "b, m, p, h, g", "b, m, h, g, f"
LOOPS = r"Temporal\(rank_variable='(\w+)', tile_shape=(\d+)|Spatial\((\w+), in \[0\.\.(\d+)\)|Compute\(einsum='(\w+)'"


def main() -> None:
    """Map as often as asked, and tell how long each took."""
    asked = json.loads(sys.argv[1])
    accelforge.set_n_parallel_jobs(1)
    found: dict[str, Any] = {"version": version("accelforge")}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "workload.yaml"
        file.write_text(json.dumps(workload(asked["ranks"])), encoding="utf-8")
        for _ in range(asked["calls"]):
            found |= mapped(file, fused=asked["fused"])
            found.setdefault("cold_s", time.time() - asked["started"])
    print("\n" + json.dumps(found))  # noqa: T201


def workload(ranks: dict[str, int]) -> dict[str, Any]:
    """Scores, a softmax of one operation and the weighted values; G queries share a key."""
    einsums = [
        {"einsum": f"QK[{SCORES}] = Q[b, m, h, g, e] * K[b, M: p, h, e]", "renames": {"input": "Q"}},
        {"einsum": f"S[{PROBABILITIES}] = QK[{SCORES}]"},
        {"einsum": f"AV[{VALUES}] = S[{PROBABILITIES}] * V[b, M: p, h, f]", "renames": {"input": "S"}},
    ]
    products = "1 if len(All) == 3 else 0"
    accesses = [
        {"name": "input", "source": "Inputs & Intermediates if len(All) == 3 else Inputs", "expected_count": 1},
        {"name": "output", "source": "Outputs", "expected_count": 1},
        {"name": "weight", "source": "~(input | output)", "expected_count": products},
    ]
    return {
        "workload": {"rank_sizes": ranks, "bits_per_value": {"All": 8}, "einsums": einsums},
        "renames": {"einsums": [{"name": "default", "tensor_accesses": accesses}]},
    }


def mapped(file: Path, *, fused: bool) -> dict[str, Any]:
    """One search for the least latency: seconds it took, seconds that the mapping takes, its loops; or why not."""
    began = time.perf_counter()
    spec = accelforge.Spec.from_yaml(accelforge.examples.arches.tpu_v4i, file)
    outermost = next(node for node in spec.arch.nodes if isinstance(node, accelforge.arch.Memory))
    if not fused:
        outermost.tensors.keep = "All"
    spec.mapper.metrics = accelforge.mapper.Metrics.LATENCY
    try:
        mapping = spec.map_workload_to_arch()
    except Exception as error:  # noqa: BLE001
        return {"warm_s": time.perf_counter() - began, "failed": str(error).strip().splitlines()[0][:200]}
    took_s = time.perf_counter() - began
    return {"warm_s": took_s, "latency_s": float(mapping.latency()), "loops": loops(str(mapping.mapping()))}


def loops(text: str) -> str:
    """The loops of a mapping, outermost first: a rank with its tile, `rank*number` for a spatial one, an Einsum."""
    return " ".join(
        f"{rank} {tile}" if rank else f"{spread}*{number}" if spread else f"[{einsum}]"
        for rank, tile, spread, number, einsum in re.findall(LOOPS, text)
    )


if __name__ == "__main__":
    main()
