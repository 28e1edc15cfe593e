"""Energy by component from action counts: actions times energy per action (the Accelergy method, no leakage)."""

from __future__ import annotations

from collections.abc import Mapping

from attnsim.specs.spatial_array import SpatialArray


def memory_energy_j(
    hardware: SpatialArray, words_read: Mapping[str, float], words_written: Mapping[str, float]
) -> dict[str, float]:
    """Joule per memory: words over words per access, times the energy of one read or write access."""
    word_bytes = hardware.word_bits / 8
    energy = {}
    for name, memory in hardware.memories.items():
        reads = words_read.get(name, 0.0) * word_bytes / memory.access_bytes
        writes = words_written.get(name, 0.0) * word_bytes / memory.access_bytes
        energy[name] = reads * memory.read_j + writes * memory.write_j
    return energy


def unit_energy_j(hardware: SpatialArray, actions: Mapping[tuple[str, str], int]) -> dict[str, float]:
    """Joule per functional unit, keyed `array.unit`."""
    return {
        f"{array}.{unit}": uses * hardware.arrays[array].units[unit].energy_j
        for (array, unit), uses in sorted(actions.items())
    }


def register_energy_j(
    hardware: SpatialArray,
    reads: Mapping[str, int],
    writes: Mapping[str, int],
    crossings: Mapping[str, int],
    *,
    one_instance: bool,
) -> dict[str, float]:
    """Joule per array's register files, keyed `array.registers`.

    Accesses of the PEs are those of all PEs, or of one PE as FuseMax's artifact counts them; a word that crosses from
    one array to another is written once and read once.
    """
    energy = {}
    for name in sorted(reads.keys() | writes.keys() | crossings.keys()):
        array = hardware.arrays[name]
        share = array.pe_count if one_instance else 1
        file = array.registers
        spent = reads.get(name, 0) * file.read_j + writes.get(name, 0) * file.write_j
        energy[f"{name}.registers"] = spent / share + crossings.get(name, 0) * (file.read_j + file.write_j)
    return energy
