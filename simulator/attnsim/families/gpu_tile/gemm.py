"""A matrix product as a grid of output tiles on the SMs.

GemmShape x tile -> Launch. Every CTA walks over k in steps; A and B are read through L2 once for each tile that needs
them and from DRAM once, or again where they exceed the L2.
"""

from __future__ import annotations

import numpy as np

from attnsim.families.gpu_tile.einsum_launch import GemmShape, StreamRates
from attnsim.families.gpu_tile.launch import Activity, Launch
from attnsim.specs.gpu_tile import DATA_TYPES, GpuTile

_TILES = ((128, 256), (256, 128), (128, 128), (128, 64), (64, 128), (64, 64), (64, 32), (16, 64))


def gemm_launch(name: str, shape: GemmShape, *, step: str, data_type: str, gpu: GpuTile, rates: StreamRates) -> Launch:
    """The fastest of the tiles that a library would choose from, by waves of equal CTAs."""
    made = [_tiled(name, shape, m, n, step=step, data_type=data_type, gpu=gpu, rates=rates) for m, n in _TILES]
    return min(made, key=lambda launch: (_estimate_s(launch, gpu), launch.ctas))


def _estimate_s(launch: Launch, gpu: GpuTile) -> float:
    waves = -(-launch.ctas // (gpu.sms * launch.slots))
    compute = waves * float(launch.works_s[0]) * max(1.0, launch.slots / launch.share)
    moved = (launch.activity.dram_bytes / launch.dram_bytes_per_s, launch.activity.l2_bytes / launch.l2_bytes_per_s)
    return max(compute, *moved)


def _tiled(
    name: str, shape: GemmShape, m: int, n: int, *, step: str, data_type: str, gpu: GpuTile, rates: StreamRates
) -> Launch:
    size = DATA_TYPES[data_type]
    rows, columns = -(-shape.m // m), -(-shape.n // n)
    ctas = shape.batch * rows * columns
    rate = max(by_type.get(data_type, 0) for by_type in gpu.tensor.values())
    flops = 2.0 * m * n * shape.k
    once = shape.batch * size * (shape.m * shape.k + shape.k * shape.n + shape.m * shape.n)
    through = shape.batch * size * (columns * shape.m * shape.k + rows * shape.k * shape.n + shape.m * shape.n)
    return Launch(
        step=step,
        name=name,
        works_s=np.full(1, flops / rate / gpu.clock_hz),
        repeats=ctas,
        slots=1,
        share=1.0,
        activity=Activity(
            tensor_flops={data_type: flops * ctas},
            l2_bytes=float(through),
            dram_bytes=float(once),
            shared_bytes=float(through),
            useful_flops=2.0 * shape.batch * shape.m * shape.n * shape.k,
        ),
        l2_bytes_per_s=rates.l2 * gpu.l2.bandwidth_bytes_per_s,
        dram_bytes_per_s=rates.dram * gpu.dram.bandwidth_bytes_per_s,
        before_s=rates.before_s,
        einsums=(name,),
    )
