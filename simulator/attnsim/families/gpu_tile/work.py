"""What a tile computes and loads, in cycles of the pipes of an SM, as columns of bound problems."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from attnsim.families.gpu_tile.columns import AT, Floats
from attnsim.families.gpu_tile.fused import TileWork
from attnsim.families.gpu_tile.occupancy import WARP_THREADS
from attnsim.specs.gpu_tile import DATA_TYPES, GpuTile
from attnsim.specs.kernel import AttentionLaunch, Kernel

Ints = npt.NDArray[np.int64]

HIDDEN = {"none": 1.0, "two_stage": 0.5, "ping_pong": 0.5, "both": 0.25, "specialized": 1.0}
"""Share of the softmax that products do not hide: each way to overlap hides half of what is left (docs/gpu.md)."""
_MMA_ROWS = 16
"""Rows of the smallest product that a warp multiplies with `mma` (CUDA PTX ISA, m16n8k16)."""


def fill_work(
    rows: Floats, kernel: Kernel, launch: AttentionLaunch, gpu: GpuTile, work: TileWork, chosen: Ints
) -> None:
    """Fill in the columns of tiles that say what a tile computes; chosen: the tile rule of each problem by position."""
    types = kernel.data_types
    rates = gpu.tensor.get(launch.instructions.get(gpu.architecture, "mma"), {})

    def cycles(pipes: tuple[int, int]) -> float:
        return pipes[0] / gpu.exp_per_cycle + pipes[1] / gpu.fp32_per_cycle

    hidden = np.array([HIDDEN[rule.overlap or launch.overlap] for rule in launch.tiles])[chosen]
    rows[:, AT["flop_per_cycle"]] = _rate(rows, kernel, launch, rates)
    rows[:, AT["score_cycles"]] = cycles(work.score) * hidden
    rows[:, AT["row_cycles"]] = cycles(work.tile_row) * hidden
    rows[:, AT["rescale_cycles"]] = cycles(work.tile_row_element) * hidden
    rows[:, AT["q_bytes"]] = DATA_TYPES[types.products]
    rows[:, AT["o_bytes"]] = DATA_TYPES[types.output]
    rows[:, AT["cache_bytes"]] = DATA_TYPES[types.cache]
    rows[:, AT["load_bytes"]] = DATA_TYPES[types.products if launch.reads_new else types.cache]
    rows[:, AT["operand_cycles"]] = _operand_cycles(rows, launch, gpu, chosen)
    width = rows[:, AT["qk_dim"]] + rows[:, AT["v_dim"]]
    converted = width if types.cache != types.products else np.zeros(len(rows))
    rows[:, AT["convert"]] = np.where((converted == 0) & launch.transposes_v, rows[:, AT["v_dim"]], converted)
    rows[:, AT["convert"]] += width * np.array([rule.through_lanes for rule in launch.tiles])[chosen]
    rows[:, AT["convert"]] *= np.array([rule.row_warps for rule in launch.tiles])[chosen]
    warps = np.array([rule.key_warps for rule in launch.tiles])[chosen]
    rows[:, AT["merged"]] = np.where(warps > 1, rows[:, AT["m"]] * rows[:, AT["v_tile"]] * warps, 0.0)
    rows[:, AT["spilled"]] = np.array([rule.spilled for rule in launch.tiles])[chosen]
    rows[:, AT["whole_rows"]] = launch.whole_rows
    rows[:, AT["waits"]] = 2.0 if launch.waits == "before" else launch.waits
    grouped = np.isin(rows[:, AT["group"]], launch.bulk_groups) & (rows[:, AT["m"]] > 64)
    rows[:, AT["bulk"]] = np.where(np.array([rule.bulk for rule in launch.tiles])[chosen], 2.0, grouped)


def _rate(rows: Floats, kernel: Kernel, launch: AttentionLaunch, rates: Mapping[str, float]) -> Floats:
    """FLOP per cycle of one Q K^T and one P V, for which the tile's products take as long as they do: products of other
    types, and more of them, each take their time one after the other."""
    types = kernel.data_types
    qk, v = rows[:, AT["qk_dim"]], rows[:, AT["v_dim"]]
    scores, values = (float(rates.get(kind, 0.0)) for kind in (types.scores or types.products, types.products))
    if not scores or not values:
        return np.zeros(len(rows))
    taken = launch.score_products * qk / scores + launch.value_products * v / values
    return np.asarray((qk + v) / taken)


def _operand_cycles(rows: Floats, launch: AttentionLaunch, gpu: GpuTile, chosen: Ints) -> Floats:
    """Cycles in which shared memory gives K and V of a tile to each warp that has rows of its own, 16 at least.

    `mma` takes its operands from registers, so that each warp loads what it multiplies (CUDA PTX ISA, warp-level matrix
    instructions); classes of a warpgroup read them from shared memory, once for all of its warps. Kernels that
    multiply without tensor cores hold no operands.
    """
    if launch.instructions.get(gpu.architecture) != "mma":
        return np.zeros(len(rows))
    sharing = [min(rule.threads / WARP_THREADS / rule.key_warps, max(rule.m / _MMA_ROWS, 1.0)) for rule in launch.tiles]
    warps = np.array([0.0 if rule.through_lanes else n for rule, n in zip(launch.tiles, sharing, strict=True)])[chosen]
    moved = warps * rows[:, AT["n"]] * (rows[:, AT["qk_dim"]] + rows[:, AT["v_tile"]]) * rows[:, AT["load_bytes"]]
    return np.asarray(moved / gpu.shared_bytes_per_cycle)
