"""Chip area of a spatial array: PEs (functional units and register file) and memories, in square metres."""

from __future__ import annotations

from attnsim.specs.hardware import SpatialArray


def component_areas(hardware: SpatialArray) -> dict[str, float]:
    """Area in m2 by array and memory name; the sum is the chip (interconnect and control are not in the specs)."""
    areas = {
        name: array.pe_count * (array.registers.area_m2 + sum(unit.area_m2 for unit in array.units.values()))
        for name, array in hardware.arrays.items()
    }
    return areas | {name: memory.area_m2 for name, memory in hardware.memories.items() if memory.area_m2}
