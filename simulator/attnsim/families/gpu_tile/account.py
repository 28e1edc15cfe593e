"""Accounting on a GPU: useful time of the tensor cores, bytes, energy by component, and lower bounds."""

from __future__ import annotations

from collections.abc import Iterable

from attnsim.families.gpu_tile.launch import BoundWorkload, Launch
from attnsim.families.gpu_tile.summing import LINK
from attnsim.metrics import Accounting
from attnsim.specs.gpu_tile import GpuTile, tensor_peak_flop_per_s


def account(bound: BoundWorkload) -> Accounting:
    """Energy above idle in joule, bytes by level, useful seconds of tensor cores, lower bounds at data-sheet rates.

    `tensor` counts only FLOPs of the products asked for; what tiles compute beyond a mask or a ragged end is waste.
    `link` counts the bytes that the GPU sends; their energy is not known and left out.
    """
    gpu, launches = bound.hardware, bound.launches
    moved = {
        "l2": sum(launch.activity.l2_bytes for launch in launches),
        "dram": sum(launch.activity.dram_bytes for launch in launches),
    }
    bounds = {
        "tensor": sum(_useful_s(launch, gpu) for launch in launches),
        "exp": sum(launch.activity.mufu_ops for launch in launches)
        / (gpu.exp_per_cycle * gpu.sms * gpu.boost_clock_hz),
        "dram": moved["dram"] / gpu.dram.bandwidth_bytes_per_s,
    }
    if bound.sums:
        moved[LINK] = sum(one.wire_bytes for one in bound.sums.values())
        bounds[LINK] = sum(one.wire_bytes / one.bandwidth_bytes_per_s for one in bound.sums.values())
    return Accounting(
        useful_s={"tensor": bounds["tensor"]},
        bytes=moved,
        energy_j=energy_j(launches, gpu),
        area_m2={"die": gpu.die_area_m2},
        bounds_s=bounds,
        useful_flops=sum(launch.activity.useful_flops for launch in launches),
        static_w=gpu.power.idle_w,
        power_limit_w=gpu.power.board_w,
    )


def _useful_s(launch: Launch, gpu: GpuTile) -> float:
    """Seconds that the useful FLOPs of a launch take at the highest clock on the best instructions."""
    total = sum(launch.activity.tensor_flops.values())
    if not total:
        return 0.0
    boost = gpu.boost_clock_hz / gpu.clock_hz
    spent = sum(
        flops / ((tensor_peak_flop_per_s(gpu, kind) or float("inf")) * boost)
        for kind, flops in launch.activity.tensor_flops.items()
    )
    return spent * launch.activity.useful_flops / total


def energy_j(launches: Iterable[Launch], gpu: GpuTile) -> dict[str, float]:
    """Joule above idle by component: counts of the launches times the energy of one action."""
    energy = gpu.energy
    spent = {"tensor": 0.0, "fp32": 0.0, "exp": 0.0, "shared": 0.0, "l2": 0.0, "dram": 0.0}
    for launch in launches:
        done = launch.activity
        spent["tensor"] += sum(flops * energy.tensor_j[kind] for kind, flops in done.tensor_flops.items())
        spent["fp32"] += done.fp32_ops * energy.fp32_j
        spent["exp"] += done.mufu_ops * energy.exp_j
        spent["shared"] += done.shared_bytes * energy.shared_j_per_byte
        spent["l2"] += done.l2_bytes * energy.l2_j_per_byte
        spent["dram"] += done.dram_bytes * energy.dram_j_per_byte
    return spent
