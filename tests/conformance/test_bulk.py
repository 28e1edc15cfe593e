"""The bulk path, a single run and its task graph tell one time for one problem."""

from __future__ import annotations

import polars as pl
import pytest

from attnsim.pipeline import Request, Run, simulate
from attnsim.predict import predict_rows
from attnsim.specs.calibration import calibrated_gpus
from attnsim.specs.hardware import load_gpu
from attnsim.specs.kernel import Kernel
from attnsim.specs.mapping import gpu_kernels

FUSED = [
    name
    for name, kernel in gpu_kernels().items()
    if kernel.attention is not None and "flash_attention" in (kernel.target.cascade, *kernel.target.also)
]
HOSTS = ("h100_sxm", "a100_sxm", "l40s", "b200_sxm", "rtx4090")
# batch, query heads, key heads, queries, keys, window: prefill with a ragged end, decode, and a window.
SHAPES = {
    "prefill": (2, 8, 2, 700, 700, 0),
    "decode": (4, 8, 2, 1, 3000, 0),
    "window": (1, 4, 4, 1500, 1500, 256),
}


def host_of(kernel: Kernel) -> str:
    """A GPU that the kernel runs on: one that it is calibrated on, if there is one."""
    assert kernel.attention is not None
    known = (*calibrated_gpus(kernel.name), *HOSTS)
    return next(name for name in known if load_gpu(name).architecture in kernel.attention.instructions)


def request(kernel: Kernel, gpu: str, shape: tuple[int, ...], engine: str = "fast") -> Request:
    batch, heads, kv_heads, queries, keys, window = shape
    extents = {"B": batch, "H": kv_heads, "G": heads // kv_heads, "P": queries, "M": keys, "E": 128, "F": 128}
    extents |= {"PAST": keys - queries, "W": window or 1 << 30}
    return Request(cascade="flash_attention", hardware=gpu, mapping=kernel.name, extents=extents, engine=engine)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("name", FUSED)
def test_a_row_of_a_table_takes_as_long_as_a_run(name: str, shape: tuple[int, ...]) -> None:
    kernel = gpu_kernels()[name]
    gpu = host_of(kernel)
    batch, heads, kv_heads, queries, keys, window = shape
    row = {"gpu": gpu, "kernel": name, "batch_size": batch, "num_heads": heads, "num_key_value_heads": kv_heads}
    row |= {"isl": queries, "step": keys - queries, "head_dim": 128, "value_head_dim": 128, "window_size": window}
    prediction = predict_rows(pl.DataFrame([row | {"phase": "context" if queries > 1 else "generation"}]), ticks=False)
    result = simulate(request(kernel, gpu, shape))
    assert isinstance(result, Run), result
    # A run counts whole picoseconds, launch by launch.
    assert prediction.ms[0] == pytest.approx(result.metrics.latency_s * 1e3, rel=1e-6)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_reference_engine_runs_every_cta_of_a_kernel_to_the_same_end(shape: tuple[int, ...]) -> None:
    kernel = gpu_kernels()["vllm_fa3_prefill"]
    fast, reference = (simulate(request(kernel, "h100_sxm", shape, engine)) for engine in ("fast", "reference"))
    assert isinstance(fast, Run)
    assert isinstance(reference, Run)
    assert fast.metrics.latency_s == pytest.approx(reference.metrics.latency_s, rel=1e-3)
