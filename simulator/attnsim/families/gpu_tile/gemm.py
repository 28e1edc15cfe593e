"""Matrix products on a GPU: shapes x kernel x constants -> Launch, or seconds of many of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from attnsim.components.products import GemmShape
from attnsim.errors import MappingError
from attnsim.families.gpu_tile.columns import CONSTANT, Floats
from attnsim.families.gpu_tile.gemm_plan import (
    BEFORE,
    CTAS,
    DRAM_MOVED,
    L2_MOVED,
    PARTS,
    PLAN_SIZE,
    SHARE,
    SLOTS,
    TILE_M,
    TILE_N,
    WORK,
    plan_gemm,
    run_gemms,
)
from attnsim.families.gpu_tile.launch import Activity, Launch
from attnsim.specs.gpu_tile import DATA_TYPES, GpuTile
from attnsim.specs.kernel import GemmLaunch, GemmTiles, Kernel
from attnsim.specs.spec import problem_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """What a product finds in L2: `copies` of the weights used in turn (0: as many as exceed the L2), whether each has
    its own input, and how often the sequence is replayed without a pause.

    A layer of a model comes back to its weights after all other layers, so they come from DRAM.
    """

    copies: float = 1e6
    own_input: bool = False
    replays: float = 1.0


def gemm_launch(
    name: str, shape: GemmShape, *, step: str, kernel: Kernel, gpu: GpuTile, constants: Floats, reuse: Reuse
) -> Launch:
    """The launch of a product by the fastest tile and split. Raises MappingError if the GPU lacks the data type."""
    tiles, splits, facts, numbers, width = _described(kernel, gpu, reuse)
    planned = np.zeros(PLAN_SIZE)
    sizes = np.array([shape.batch, shape.m, shape.n, shape.k], np.float64)
    plan_gemm(sizes, width, tiles, splits, facts, constants, numbers, planned)
    m, n, parts = planned[TILE_M], planned[TILE_N], planned[PARTS]
    depth = -(-shape.k // parts)
    return Launch(
        step=step,
        name=name,
        works_s=np.full(1, planned[WORK]),
        repeats=int(planned[CTAS]),
        slots=int(planned[SLOTS]),
        share=planned[SHARE],
        activity=Activity(
            tensor_flops={kernel.data_types.products: 2.0 * planned[CTAS] * m * n * depth},
            fp32_ops=shape.batch * shape.m * shape.n * (parts - 1.0),
            shared_bytes=2.0 * planned[L2_MOVED],
            l2_bytes=planned[L2_MOVED],
            dram_bytes=planned[DRAM_MOVED],
            useful_flops=2.0 * shape.batch * shape.m * shape.n * shape.k,
        ),
        l2_bytes_per_s=constants[CONSTANT["l2"]] * gpu.l2.bandwidth_bytes_per_s,
        dram_bytes_per_s=constants[CONSTANT["dram"]] * gpu.dram.bandwidth_bytes_per_s,
        exposed=constants[CONSTANT["exposed"]],
        before_s=planned[BEFORE],
        einsums=(name,),
    )


def gemm_seconds(
    shapes: Floats, *, kernel: Kernel, gpu: GpuTile, constants: Floats, reuse: Reuse
) -> npt.NDArray[np.float64]:
    """Seconds of many products; shapes: rows of (batch, m, n, k)."""
    tiles, splits, facts, numbers, width = _described(kernel, gpu, reuse)
    seconds = np.zeros(len(shapes))
    run_gemms(shapes, width, tiles, splits, facts, constants, numbers, np.zeros(PLAN_SIZE), seconds)
    return seconds


def _described(
    kernel: Kernel, gpu: GpuTile, reuse: Reuse
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats, Floats, float]:
    """Tiles, splits, facts and GPU as compiled functions take them, and the bytes of an operand's element."""
    launch = kernel.gemm
    assert launch is not None
    chosen = _tiles_of(kernel, launch, gpu)
    kind = kernel.data_types.products
    rate = max((by_type.get(kind, 0) for by_type in gpu.tensor.values()), default=0)
    if not rate:
        known = sorted({name for rates in gpu.tensor.values() for name in rates})
        what = f"{gpu.name} does not multiply {kind}"
        raise MappingError(problem_at(kernel, "data_types.products", what, f"it multiplies {', '.join(known)}"))
    facts = np.array(
        [
            chosen.cluster,
            launch.step_bytes,
            launch.stages,
            chosen.outputs,
            chosen.epilogue_hidden,
            reuse.copies,
            reuse.own_input,
            reuse.replays,
        ],
        np.float64,
    )
    numbers = np.array(
        [
            gpu.sms,
            gpu.clock_hz,
            gpu.l2.capacity_bytes,
            gpu.l2.bandwidth_bytes_per_s,
            gpu.dram.bandwidth_bytes_per_s,
            rate,
            gpu.shared_memory_per_cta_bytes,
            gpu.boost_clock_hz,
        ]
    )
    return np.array(chosen.tiles, np.int64), np.array(launch.splits, np.int64), facts, numbers, DATA_TYPES[kind]


def _tiles_of(kernel: Kernel, launch: GemmLaunch, gpu: GpuTile) -> GemmTiles:
    for tiles in launch.tiles:
        if gpu.architecture in tiles.architectures:
            return tiles
    known = sorted({name for tiles in launch.tiles for name in tiles.architectures})
    what = f"{kernel.name} does not run on {gpu.name} ({gpu.architecture})"
    raise MappingError(problem_at(kernel, "launches", what, f"it runs on {', '.join(known)}"))
