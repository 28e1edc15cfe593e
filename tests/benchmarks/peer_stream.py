"""Stream (Symons et al., IEEE Transactions on Computers 2024) on an attention head: how long it takes, what it finds.

Run by `bench_mapping.py` with the Python of an environment that has the package stream-dse of its repository, and six,
which attnsim does not need. From JSON (`started`, seconds since the epoch; `tokens`, `width`, `head`; `calls`) to JSON,
the last line on standard output. The hardware is its fusemax, the solver SCIP.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import onnx
import stream
from onnx import TensorProto, helper
from stream.api import configure_logging, optimize_allocation_co_generic

HARDWARE = "stream/inputs/examples/hardware/fusemax.yaml"


def main() -> None:
    """Map as often as asked, and tell how long each took."""
    asked = json.loads(sys.argv[1])
    configure_logging(level=logging.CRITICAL)
    os.chdir(Path(stream.__file__).parents[1])
    found: dict[str, Any] = {"version": stream.__version__}
    for _ in range(asked["calls"]):
        found |= mapped(head(asked["tokens"], asked["width"], asked["head"]))
        found.setdefault("cold_s", time.time() - asked["started"])
    print("\n" + json.dumps(found))  # noqa: T201


def head(tokens: int, width: int, inner: int) -> onnx.ModelProto:
    """The three projections of the states X, the scores, their softmax and the weighted values, in bfloat16."""
    weights = ("WQ", "WK", "WV")
    nodes = [helper.make_node("MatMul", ["X", weight], [weight[1]]) for weight in weights]
    nodes += [
        helper.make_node("Transpose", ["K"], ["KT"], perm=[1, 0]),
        helper.make_node("MatMul", ["Q", "KT"], ["QK"]),
        helper.make_node("Softmax", ["QK"], ["A"], axis=-1),
        helper.make_node("MatMul", ["A", "V"], ["AV"]),
    ]
    inputs = [_tensor("X", tokens, width), *(_tensor(weight, width, inner) for weight in weights)]
    graph = helper.make_graph(nodes, "head", inputs, [_tensor("AV", tokens, inner)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])


def _tensor(name: str, rows: int, columns: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.BFLOAT16, [rows, columns])


def mapped(model: onnx.ModelProto) -> dict[str, Any]:
    """One search: seconds it took, and cycles."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "head.onnx"
        onnx.save(model, str(file))
        began = time.perf_counter()
        found = optimize_allocation_co_generic(
            hardware=HARDWARE, workload=str(file), experiment_id="head", output_path=folder, backend="ortools_gscip"
        )
        return {"warm_s": time.perf_counter() - began, "cycles": float(found.get("total_latency"))}


if __name__ == "__main__":
    main()
