"""Spatial-array specs: what `hwspecs/spatial_array/<name>.yaml` may say, as frozen typed nouns in SI units.

A spatial-array accelerator is a set of PE arrays (2D or 1D) with operations, functional units and register files, and a
chain of memories from the innermost buffer to the backing store. After the component classes of Accelergy and Timeloop.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, PositiveFloat, PositiveInt, Tag

from attnsim.errors import Problem
from attnsim.specs.library import suggest
from attnsim.specs.quantity import Bits, Bytes, BytesPerSecond, Hertz, Joule, SquareMetre
from attnsim.specs.spec import FileSpec, Source, Spec, Text, problem_at


class Unit(Spec):
    """A functional unit of a PE: energy of one action and the area of one unit."""

    energy_j: Joule = Field(alias="energy")
    area_m2: SquareMetre | None = Field(alias="area", default=None)
    source: Source | None = None


class Operation(Spec):
    """What one result of an operator costs a PE: cycles that it is busy, and actions by functional unit."""

    cycles: PositiveFloat = 1
    uses: dict[str, PositiveInt] = Field(default_factory=dict)
    source: Source | None = None


class RegisterFile(Spec):
    """The register file of one PE: depth in words, energy of one word access, area of the whole file."""

    depth: PositiveInt
    word_bits: Bits = Field(alias="word", default=16)
    read_j: Joule = Field(alias="read")
    write_j: Joule = Field(alias="write")
    area_m2: SquareMetre | None = Field(alias="area", default=None)
    source: Source | None = None


class Array(Spec):
    """A PE array; `shape` is [rows, columns] or [lanes]."""

    shape: list[PositiveInt] = Field(min_length=1, max_length=2)
    ops: dict[str, Operation]
    units: dict[str, Unit]
    registers: RegisterFile
    source: Source | None = None

    @property
    def pe_count(self) -> int:
        """Number of PEs in the array."""
        return self.shape[0] * (self.shape[1] if len(self.shape) == 2 else 1)


class EnergyByCapacity(Spec):
    """An energy that grows with the capacity of its memory: `value` at the capacity `at`, by its power `exponent`."""

    value_j: Joule = Field(alias="value")
    at_bytes: Bytes = Field(alias="at")
    exponent: float = Field(ge=0, le=2)
    source: Source | None = None


class AreaByCapacity(Spec):
    """An area that grows with the capacity of its memory: `value` at the capacity `at`, by its power `exponent`."""

    value_m2: SquareMetre = Field(alias="value")
    at_bytes: Bytes = Field(alias="at")
    exponent: float = Field(ge=0, le=2)
    source: Source | None = None


def _form(value: object) -> str:
    return "by_capacity" if isinstance(value, dict | Spec) else "fixed"


_Energy = Annotated[
    Annotated[Joule, Tag("fixed")] | Annotated[EnergyByCapacity, Tag("by_capacity")], Discriminator(_form)
]
_Area = Annotated[
    Annotated[SquareMetre, Tag("fixed")] | Annotated[AreaByCapacity, Tag("by_capacity")], Discriminator(_form)
]


class Memory(Spec):
    """One level of the memory hierarchy; a level without capacity is unbounded, one without bandwidth never limits.

    Energies of an access and the area are values, or grow with the capacity, so that a design with another capacity
    has others.
    """

    capacity_bytes: Bytes | None = Field(alias="capacity", default=None)
    bandwidth_bytes_per_s: BytesPerSecond | None = Field(alias="bandwidth", default=None)
    access_bytes: Bytes = Field(alias="access")
    read: _Energy
    write: _Energy
    area: _Area | None = None
    source: Source | None = None

    @property
    def read_j(self) -> float:
        """Energy of reading `access_bytes`."""
        return self._sized(self.read)

    @property
    def write_j(self) -> float:
        """Energy of writing `access_bytes`."""
        return self._sized(self.write)

    @property
    def area_m2(self) -> float | None:
        """Area of the whole memory, None if it is unknown."""
        return None if self.area is None else self._sized(self.area)

    def _sized(self, given: float | EnergyByCapacity | AreaByCapacity) -> float:
        if not isinstance(given, EnergyByCapacity | AreaByCapacity):
            return given
        value = given.value_j if isinstance(given, EnergyByCapacity) else given.value_m2
        share = (self.capacity_bytes or given.at_bytes) / given.at_bytes
        return value if share == 1 else value * share**given.exponent


class SpatialArray(FileSpec):
    """A spatial-array accelerator. `memories` run from the innermost buffer to the backing store, which comes last."""

    name: Text
    family: Literal["spatial_array"]
    title: str = ""
    source: Source = Field(examples=["paper, year, section"], description="where the numbers come from")
    notes: str = ""
    clock_hz: Hertz = Field(alias="clock")
    word_bits: Bits = Field(alias="word", default=16)
    arrays: dict[str, Array] = Field(min_length=1)
    memories: dict[str, Memory] = Field(min_length=1)
    price_usd_per_hour: PositiveFloat | None = None
    default_mapping: str | None = None


def spatial_array_problems(hardware: SpatialArray) -> list[Problem]:
    """Contradictions inside a spatial array: operations that use functional units which their array does not have."""
    return [
        problem_at(
            hardware,
            f"arrays.{name}.ops.{operator}.uses.{unit}",
            f"{name} has no unit {unit!r}",
            suggest(unit, tuple(array.units)),
        )
        for name, array in hardware.arrays.items()
        for operator, operation in array.ops.items()
        for unit in operation.uses
        if unit not in array.units
    ]
