"""Chip area of a spatial array: PEs (functional units and register file) and memories, in square metres."""

from __future__ import annotations

from attnsim.specs.spatial_array import Array, SpatialArray


def component_areas(hardware: SpatialArray) -> dict[str, float | None]:
    """Area in m2 by array and memory name, None where the spec leaves an area out.

    The sum is the chip without interconnect and control, which are not in the specs; a backing store without area is no
    part of it.
    """
    areas = {name: _array_area(array) for name, array in hardware.arrays.items()}
    backing = list(hardware.memories)[-1]
    return areas | {
        name: memory.area_m2
        for name, memory in hardware.memories.items()
        if name != backing or memory.area_m2 is not None
    }


def _array_area(array: Array) -> float | None:
    """Area of all PEs of an array; None when a unit or the register file has none."""
    parts = [array.registers.area_m2, *(unit.area_m2 for unit in array.units.values())]
    known = [part for part in parts if part is not None]
    return array.pe_count * sum(known) if len(known) == len(parts) else None
