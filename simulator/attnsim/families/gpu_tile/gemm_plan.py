"""A matrix product as a grid of output tiles: the tile and split of k that a library would choose, compiled.

GemmShape x candidates x constants -> numbers of the launch. Libraries choose close to the fastest of their kernels; the
model takes the fastest. A step of k takes a CTA as long as its products or as its operands take to reach shared memory,
and alone no less than their latency over the steps in flight. docs/gpu.md has the equations.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from attnsim.engine.compiled import compiled
from attnsim.families.gpu_tile.columns import CONSTANT, Floats

Ints = npt.NDArray[np.int64]

_LAUNCH, _TENSOR, _OPERAND, _LATENCY = (CONSTANT[name] for name in ("launch", "tensor", "operand", "latency"))
_DRAM, _L2, _EXPOSED, _SPLIT = (CONSTANT[name] for name in ("dram", "l2", "exposed", "combine"))
_WARM, _EPILOGUE, _SAG, _AFTER = (CONSTANT[name] for name in ("warm", "epilogue", "sag", "sag_after"))
_CTA = CONSTANT["cta"]

# Positions in the description of a GPU.
SMS, CLOCK_HZ, L2_BYTES, L2_RATE, DRAM_RATE, FLOP_PER_CYCLE, SHARED_BYTES, BOOST_HZ = range(8)
# Positions in the facts of a kernel.
CLUSTER, STEP_BYTES, STAGES, OUTPUTS, UNDER_MAIN, COPIES, OWN_INPUT, REPLAYS = range(8)
# Positions in what `plan_gemm` writes.
SECONDS, TILE_M, TILE_N, PARTS, CTAS, SLOTS, WORK, SHARE, L2_MOVED, DRAM_MOVED, BEFORE = range(11)
PLAN_SIZE = 11
_LEAST_K = 128.0
_COPIES_TO_EXCEED_L2 = 5.0


@compiled
def _up(value: float, unit: float) -> float:
    return math.ceil(value / unit) * unit


@compiled
def plan_gemm(
    shape: Floats,
    width: float,
    tiles: Ints,
    splits: Ints,
    facts: Floats,
    constants: Floats,
    gpu: Floats,
    planned: Floats,
) -> None:
    """Plan the product of `shape` (batch, m, n, k) with operands of `width` bytes; planned receives the numbers above.

    SECONDS is the whole launch. WORK is in seconds of a CTA that is alone; SHARE is how many an SM runs at that speed.
    """
    planned[SECONDS] = math.inf
    for index in range(len(tiles)):
        m, n = float(tiles[index, 0]), float(tiles[index, 1])
        if (m > 64.0 and m >= 2.0 * shape[1]) or (n > 64.0 and n >= 2.0 * shape[2]):
            continue
        held = max(1.0, min(4.0, float(int(facts[OUTPUTS] // (m * n)))))
        stages = min(facts[STAGES], gpu[SHARED_BYTES] / held / ((m + n) * facts[STEP_BYTES]))
        if stages >= 2.0:
            _try_splits(shape, width, m, n, held, stages, splits, facts, constants, gpu, planned)


@compiled
def _try_splits(
    shape: Floats,
    width: float,
    m: float,
    n: float,
    held: float,
    stages: float,
    splits: Ints,
    facts: Floats,
    constants: Floats,
    gpu: Floats,
    planned: Floats,
) -> None:
    """Try a tile with every split of k; keep the fastest so far."""
    cluster = facts[CLUSTER]
    rows, columns = _up(shape[1], m * cluster) / m, _up(shape[2], n * cluster) / n
    tiles, room = shape[0] * rows * columns, gpu[SMS] * held
    step_k = facts[STEP_BYTES] / width
    products = 2.0 * max(m, 16.0) * max(n, 8.0) * step_k / (gpu[FLOP_PER_CYCLE] * constants[_TENSOR])
    filled = (m + n) / cluster * facts[STEP_BYTES] / constants[_OPERAND]
    step, alone = max(products, filled), constants[_LATENCY] / stages
    deep = _dram_bytes(shape, width, math.sqrt(room * m * n), facts, constants, gpu)
    for index in range(len(splits)):
        parts = float(splits[index])
        if parts > 1.0 and (shape[3] < parts * _LEAST_K or tiles * (parts - 1.0) >= 4.0 * room):
            break
        steps = math.ceil(shape[3] / (step_k * parts))
        ctas = tiles * parts
        main, end = steps * max(alone, step), constants[_EPILOGUE] * m * n
        crowded = steps * max(alone, held * step) + held * end
        if facts[UNDER_MAIN] > 0.0 and ctas > room:
            crowded -= min(steps * max(alone, held * step), held * end)
        work = constants[_CTA] + (main + end) / gpu[BOOST_HZ]
        share = min(held, held * work / max(work, constants[_CTA] + crowded / gpu[BOOST_HZ]))
        compute = waves_seconds(ctas, work, share, held, gpu[SMS])
        hot = facts[REPLAYS] * compute
        compute *= 1.0 + constants[_SAG] * hot / (hot + constants[_AFTER])
        partial = 8.0 * parts * shape[0] * shape[1] * shape[2] if parts > 1.0 else 0.0
        written = shape[0] * shape[1] * shape[2] * 2.0
        through = ctas * (m + n) / cluster * steps * facts[STEP_BYTES] + written + partial
        moved = max(deep / (gpu[DRAM_RATE] * constants[_DRAM]), through / (gpu[L2_RATE] * constants[_L2]))
        before = constants[_LAUNCH] + (constants[_SPLIT] if parts > 1.0 else 0.0)
        exposed = constants[_EXPOSED]
        seconds = before + max(exposed * moved + compute, moved + exposed * compute)
        if seconds < planned[SECONDS]:
            planned[SECONDS], planned[TILE_M], planned[TILE_N], planned[PARTS] = seconds, m, n, parts
            planned[CTAS], planned[SLOTS], planned[SHARE] = ctas, held, share
            planned[WORK] = work * (1.0 + constants[_SAG] * hot / (hot + constants[_AFTER]))
            planned[L2_MOVED], planned[DRAM_MOVED], planned[BEFORE] = through, deep, before


@compiled
def waves_seconds(ctas: float, work: float, share: float, held: float, sms: float) -> float:
    """Seconds of equal CTAs in waves, the last of which is spread over the SMs (as `engine.grid_kernel`)."""
    full = float(int(ctas - 1.0) // int(sms * held))
    rest = ctas - full * sms * held
    return full * work * max(1.0, held / share) + work * max(1.0, math.ceil(rest / sms) / share)


@compiled
def _dram_bytes(shape: Floats, width: float, side: float, facts: Floats, constants: Floats, gpu: Floats) -> float:
    """Bytes from and to DRAM: what the L2 does not hold from the run before, and an operand again for every `side`
    outputs of the other one where it exceeds the L2."""
    weights, inputs = shape[0] * shape[2] * shape[3] * width, shape[0] * shape[1] * shape[3] * width
    written = shape[0] * shape[1] * shape[2] * 2.0
    copies = facts[COPIES]
    if copies <= 0.0:
        copies = max(1.0, min(_COPIES_TO_EXCEED_L2, math.ceil(gpu[L2_BYTES] / weights)))
    usable = constants[_WARM] * gpu[L2_BYTES]
    own = facts[OWN_INPUT] > 0.0
    circulating = copies * weights + (copies if own else 1.0) * inputs + written
    weights_miss = min(1.0, max(0.0, circulating / usable - 1.0))
    inputs_miss = min(1.0, max(0.0, (circulating if own else weights + inputs + written) / usable - 1.0))
    weights_again = max(0.0, shape[1] / side - 1.0) if weights > usable else 0.0
    inputs_again = max(0.0, shape[2] / side - 1.0) if inputs > usable else 0.0
    return float(
        min(
            weights * (weights_miss + weights_again) + inputs * inputs_miss,
            inputs * (inputs_miss + inputs_again) + weights * weights_miss,
        )
        + written * inputs_miss
    )


@compiled
def run_gemms(
    shapes: Floats,
    width: float,
    tiles: Ints,
    splits: Ints,
    facts: Floats,
    constants: Floats,
    gpu: Floats,
    planned: Floats,
    seconds: npt.NDArray[np.float64],
) -> None:
    """Seconds of many products; shapes: rows of (batch, m, n, k)."""
    for index in range(len(shapes)):
        plan_gemm(shapes[index], width, tiles, splits, facts, constants, gpu, planned)
        seconds[index] = planned[SECONDS]
