"""What a search for mappings of a spatial array starts from: which array can compute which Einsum, and which Einsums
must share a phase.

(Step, hardware, assumption on compound operations) -> `Setting` with cycles and joules of a point by Einsum and array.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from attnsim.components.operations import hardware_operations, missing_operations, register_accesses
from attnsim.einsum.ast import Cascade, Einsum
from attnsim.errors import AttnSimError, MappingError, Problem
from attnsim.families.spatial_array.legality import lacking_problems
from attnsim.specs.loop_nest import LoopNest
from attnsim.specs.spatial_array import Array, SpatialArray
from attnsim.workload import Step

Segment = tuple[int, int]
"""Units from the first (included) to the last (excluded) that share a phase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointCost:
    """What one iteration point of an Einsum costs a PE of an array: cycles that it is held, joules of units and
    registers."""

    cycles: float
    energy_j: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all candidates have in common. able: Einsum -> array -> cost of a point; memory: where blocks are kept.

    units: Einsums in the order of the cascade; those between the first and the last that touch a running state are one
    unit, because the state is known only inside the loop of its iterative rank. tied: rank -> the rank that has the
    same coordinates and whose size it takes.
    """

    step: Step
    hardware: SpatialArray
    assumed: LoopNest
    able: Mapping[str, Mapping[str, PointCost]]
    memory: str
    units: tuple[tuple[Einsum, ...], ...]
    tied: Mapping[str, str]
    ranks: Mapping[str, tuple[str, ...]]
    sizes: dict[tuple[str, int], tuple[int, ...]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def cascade(self) -> Cascade:
        """The cascade that is mapped."""
        return self.step.cascade

    def einsums(self, segment: Segment) -> tuple[Einsum, ...]:
        """The Einsums of a run of units."""
        return tuple(einsum for unit in self.units[slice(*segment)] for einsum in unit)

    @property
    def capacity_bytes(self) -> float:
        """Bytes of the memory that keeps blocks; infinite if it is not bounded."""
        return self.hardware.memories[self.memory].capacity_bytes or float("inf")


def setting_of(step: Step, hardware: SpatialArray, assumed: LoopNest) -> Setting:
    """The setting of a step; `assumed` gives compound operations, filling and energy of registers.

    Raises MappingError for operations that no array has, AttnSimError for hardware without a memory on the chip.
    """
    able: dict[str, dict[str, PointCost]] = {}
    lacking: dict[tuple[str, str], list[str]] = {}
    for einsum in step.cascade.einsums:
        missing = {n: missing_operations(einsum, a, step.cascade.operators) for n, a in hardware.arrays.items()}
        able[einsum.name] = {
            name: _point_cost(einsum, array, step.cascade, assumed)
            for name, array in hardware.arrays.items()
            if not missing[name]
        }
        nearest = min(missing, key=lambda name: len(missing[name]))
        for operation in missing[nearest]:
            lacking.setdefault((nearest, operation), []).append(einsum.name)
    if lacking:
        raise MappingError(*lacking_problems(lacking, step.cascade, hardware))
    pairs = (*step.cascade.same, *((b, a) for a, b in step.cascade.same))
    return Setting(
        step=step,
        hardware=hardware,
        assumed=assumed,
        able=able,
        memory=_keeping_memory(hardware),
        units=_units(step.cascade),
        tied={rank: other for rank, other in pairs if rank not in step.extents and not _is_part(rank, step.cascade)},
        ranks={einsum.name: einsum.iteration_ranks for einsum in step.cascade.einsums},
    )


def _is_part(rank: str, cascade: Cascade) -> bool:
    return any(rank in split.parts for split in cascade.splits)


def _units(cascade: Cascade) -> tuple[tuple[Einsum, ...], ...]:
    einsums = cascade.einsums
    states = {name for name, _ in cascade.start}
    running = {iteration.rank for iteration in cascade.iterations}
    touched = [i for i, einsum in enumerate(einsums) if _touches_state(einsum, states, running)]
    if not touched:
        return tuple((einsum,) for einsum in einsums)
    first, last = touched[0], touched[-1]
    before = tuple((einsum,) for einsum in einsums[:first])
    return (*before, einsums[first : last + 1], *((einsum,) for einsum in einsums[last + 1 :]))


def _touches_state(einsum: Einsum, states: set[str], running: set[str]) -> bool:
    accesses = (einsum.output, *einsum.inputs)
    return any(access.tensor in states and set(access.variables) & running for access in accesses)


def _point_cost(einsum: Einsum, array: Array, cascade: Cascade, assumed: LoopNest) -> PointCost:
    operations = hardware_operations(einsum, array, cascade.operators)
    cycles = [array.ops[name].cycles for name in operations] or [1]
    actions: dict[str, int] = {}
    for unit, uses in ((u, n) for name in operations for u, n in array.ops[name].uses.items()):
        actions[unit] = actions.get(unit, 0) + uses
    reads, writes = register_accesses(einsum, actions)
    share = 1 / array.pe_count if assumed.register_file_energy == "artifact" else 1.0
    registers = share * (reads * array.registers.read_j + writes * array.registers.write_j)
    return PointCost(
        cycles=max(cycles) if assumed.compound_ops == "pipelined" else sum(cycles),
        energy_j=registers + sum(uses * array.units[unit].energy_j for unit, uses in actions.items()),
    )


def _keeping_memory(hardware: SpatialArray) -> str:
    """The largest memory on the chip, the outermost of equals."""
    on_chip = list(hardware.memories)[:-1]
    if not on_chip:
        what = f"{hardware.name} has no memory on the chip"
        remedy = "there is nothing to search: name a mapping, or leave it out"
        raise AttnSimError(Problem(path="memories", what=what, remedy=remedy))
    return max(reversed(on_chip), key=lambda name: hardware.memories[name].capacity_bytes or float("inf"))
