"""Accounting of a bound workload: useful time, bytes, energy, area and lower bounds, from exact counts alone."""

from __future__ import annotations

from attnsim.components.area import component_areas
from attnsim.components.energy import memory_energy_j, register_energy_j, unit_energy_j
from attnsim.families.base import Assumptions
from attnsim.families.spatial_array.bound import BoundWorkload, Counts
from attnsim.families.spatial_array.counts import count
from attnsim.metrics import Accounting
from attnsim.specs.spatial_array import SpatialArray


def account(bound: BoundWorkload, assumptions: Assumptions) -> Accounting:
    """Energy by component in joule, bytes by memory, area in m2, and lower bounds on the latency in seconds.

    With register files as the artifact counts them, units that the mapping marks as uncounted are left out too.
    """
    counts = count(bound)
    hardware = bound.hardware
    artifact = assumptions.register_files == "artifact"
    word_bytes = hardware.word_bits / 8
    moved = {
        name: (counts.words_read.get(name, 0.0) + counts.words_written.get(name, 0.0)) * word_bytes
        for name in hardware.memories
    }
    return Accounting(
        useful_s={name: cycles / hardware.clock_hz for name, cycles in counts.useful_cycles.items()},
        bytes=moved,
        energy_j=_energy(bound, counts, artifact=artifact),
        area_m2=component_areas(hardware),
        bounds_s=_bounds(hardware, counts, moved),
        useful_by_einsum_s=_useful_by_einsum(counts, hardware.clock_hz),
    )


def _useful_by_einsum(counts: Counts, clock_hz: float) -> dict[str, dict[str, float]]:
    """Seconds of useful work by array and Einsum; Einsums of one name in several steps are taken together."""
    useful: dict[str, dict[str, float]] = {}
    for array, einsum, cycles in counts.useful_parts:
        parts = useful.setdefault(array, {})
        parts[einsum] = parts.get(einsum, 0.0) + cycles / clock_hz
    return useful


def _energy(bound: BoundWorkload, counts: Counts, *, artifact: bool) -> dict[str, float]:
    hardware = bound.hardware
    energy = unit_energy_j(hardware, counts.actions)
    if artifact:
        left_out = unit_energy_j(hardware, counts.uncounted_actions)
        energy = {name: spent - left_out.get(name, 0.0) for name, spent in energy.items()}
    energy |= register_energy_j(
        hardware, counts.register_reads, counts.register_writes, counts.crossings, one_instance=artifact
    )
    return energy | memory_energy_j(hardware, counts.words_read, counts.words_written)


def _bounds(hardware: SpatialArray, counts: Counts, moved: dict[str, float]) -> dict[str, float]:
    """No schedule of this mapping is faster than any of its resources: array cycles, and bytes over bandwidth."""
    bounds = {name: cycles / hardware.clock_hz for name, cycles in counts.array_cycles.items()}
    for name, memory in hardware.memories.items():
        if memory.bandwidth_bytes_per_s is not None:
            bounds[name] = moved[name] / memory.bandwidth_bytes_per_s
    return bounds
