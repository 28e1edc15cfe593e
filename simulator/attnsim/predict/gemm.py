"""Measured matrix products to predictions: what the harness of each framework leaves in L2, and seconds in bulk."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from attnsim.families.gpu_tile.columns import Floats
from attnsim.families.gpu_tile.gemm import Reuse, gemm_seconds
from attnsim.specs.gpu_tile import GpuTile
from attnsim.specs.kernel import Kernel

# collector/<framework>/collect_gemm.py of ai-dynamo/aiconfigurator: weight copies in one graph, own inputs, 6 replays.
HARNESS: Mapping[str, Reuse] = {
    "vllm": Reuse(copies=6.0, own_input=False, replays=36.0),
    "sglang": Reuse(copies=6.0, own_input=True, replays=36.0),
    "trtllm": Reuse(copies=0.0, own_input=False, replays=18.0),
}
"""How the measured package times a product, by framework; `replays` counts products without a pause."""


def predict_gemms(rows: pl.DataFrame, kernel: Kernel, gpu: GpuTile, constants: Floats) -> npt.NDArray[np.float64]:
    """Seconds of measured products (columns framework, m, n, k) on one GPU."""
    seconds = np.full(rows.height, np.nan)
    for framework, reuse in HARNESS.items():
        mine = (rows["framework"] == framework).to_numpy()
        shapes = rows.filter(pl.Series(mine)).select("m", "n", "k").to_numpy().astype(np.float64)
        batched = np.concatenate([np.ones((len(shapes), 1)), shapes], axis=1)
        seconds[mine] = gemm_seconds(batched, kernel=kernel, gpu=gpu, constants=constants, reuse=reuse)
    return seconds
