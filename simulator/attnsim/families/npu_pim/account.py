"""Accounting of a bound workload: utilization, bytes, energy by component, area and lower bounds."""

from __future__ import annotations

from attnsim.components.pim import banks_in_turn
from attnsim.families.npu_pim.bound import BoundWorkload, Heads
from attnsim.families.npu_pim.counts import Counts, count
from attnsim.families.npu_pim.resources import ARRAYS, DRAM, PIM
from attnsim.metrics import Accounting
from attnsim.specs.npu_pim import DramEnergy, NpuPim


def account(bound: BoundWorkload) -> Accounting:
    """Exact counts, and what follows from them alone."""
    device, counts = bound.device, count(bound)
    energy = {**_npu_energy(device, counts), **_dram_energy(device, counts)}
    return Accounting(
        useful_s={},
        bytes={"dram": counts.read_bytes + counts.written_bytes, **_bank_bytes(counts)},
        energy_j=energy,
        area_m2=_area_m2(device),
        bounds_s=_bounds(bound, counts),
        useful_flops=2 * (counts.array_macs + counts.bank_macs),
        static_w=_background_w(bound),
    )


def _area_m2(device: NpuPim) -> dict[str, float | None]:
    """The processor; the dies of the DRAM and what PIM adds to them, where their area is given."""
    found = {"die": device.die_area_m2}
    dram = device.memory.area_m2
    if dram is None:
        return found
    found["dram"] = dram
    if device.pim is not None and device.pim.area_share:
        found["pim"] = dram * device.pim.area_share
    return found


def _bank_bytes(counts: Counts) -> dict[str, float]:
    return {"banks": counts.bank_bytes} if counts.bank_bytes else {}


def _npu_energy(device: NpuPim, counts: Counts) -> dict[str, float]:
    if device.energy is None:
        return {}
    moved = 2 * (counts.read_bytes + counts.written_bytes)
    return {
        "arrays": counts.array_macs * device.energy.mac_j,
        "vectors": counts.vector_operations * device.energy.vector_j,
        "scratchpad": moved * device.energy.scratchpad_j_per_byte,
    }


def _dram_energy(device: NpuPim, counts: Counts) -> dict[str, float]:
    spent = device.memory.energy
    if spent is None:
        return {}
    memory = device.memory
    ordinary = counts.read_bytes + counts.written_bytes
    opened_s = ordinary / memory.bandwidth_bytes_per_s * memory.channels * memory.ranks
    found = {
        "dram": counts.read_bytes / memory.burst_bytes * spent.read_j
        + counts.written_bytes / memory.burst_bytes * spent.write_j
        + ordinary / memory.row_bytes * spent.activate_j
        + opened_s * (spent.active_w - spent.idle_w)
    }
    return found | ({"banks": _bank_energy_j(device, spent, counts)} if counts.tiles else {})


def _bank_energy_j(device: NpuPim, spent: DramEnergy, counts: Counts) -> float:
    return (
        counts.activates * spent.activate_j
        + counts.steps * spent.compute_j
        + counts.fills * spent.broadcast_j
        + counts.reads * spent.read_j
        + counts.open_s * device.memory.ranks * (spent.active_w - spent.idle_w)
    )


def _background_w(bound: BoundWorkload) -> float:
    """What the ranks draw with no row open, twice where PIM has row buffers of its own, and refresh."""
    memory = bound.device.memory
    if memory.energy is None:
        return 0.0
    buffers = any(isinstance(work, Heads) and work.pim and work.pim.row_buffers > 1 for work in bound.work)
    drawn = memory.energy.idle_w * (2 if buffers else 1)
    return memory.channels * memory.ranks * (drawn + memory.energy.refresh_j / memory.timing.refi_s)


def _bounds(bound: BoundWorkload, counts: Counts) -> dict[str, float]:
    """Least times of the arrays, the DRAM and the banks for this work."""
    device = bound.device
    arrays = device.arrays.count * device.arrays.rows * device.arrays.columns * device.clock_hz
    bounds = {
        ARRAYS: counts.array_macs / arrays,
        DRAM: (counts.read_bytes + counts.written_bytes) / device.memory.bandwidth_bytes_per_s,
    }
    pim = device.pim
    if pim is not None and counts.bank_macs:
        units = device.memory.banks_per_channel * device.memory.channels / banks_in_turn(device.memory, pim)
        width = pim.multipliers * device.word_bytes * units
        bounds[PIM] = counts.bank_bytes / (width / pim.step_s)
    return bounds
