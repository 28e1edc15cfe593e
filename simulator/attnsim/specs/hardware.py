"""Hardware specs: what `hwspecs/<family>/<name>.yaml` may say, as frozen typed nouns in SI units.

A spatial-array accelerator is a set of PE arrays (2D or 1D) with operations, functional units and register files, and a
chain of memories from the innermost buffer to the backing store. After the component classes of Accelergy and Timeloop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from attnsim.errors import Problem, SpecError
from attnsim.specs.library import find, suggest
from attnsim.specs.load import read_node, validate_node
from attnsim.specs.overrides import Override, apply_overrides
from attnsim.specs.quantity import Bits, Bytes, BytesPerSecond, Hertz, Joule, SquareMetre
from attnsim.specs.spec import FileSpec, Source, Spec, Text, problem_at
from attnsim.specs.yaml_nodes import Node


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


class Memory(Spec):
    """One level of the memory hierarchy; a level without capacity is unbounded, one without bandwidth never limits."""

    capacity_bytes: Bytes | None = Field(alias="capacity", default=None)
    bandwidth_bytes_per_s: BytesPerSecond | None = Field(alias="bandwidth", default=None)
    access_bytes: Bytes = Field(alias="access")
    read_j: Joule = Field(alias="read")
    write_j: Joule = Field(alias="write")
    area_m2: SquareMetre | None = Field(alias="area", default=None)
    source: Source | None = None


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
    default_mapping: str | None = None


Hardware = SpatialArray

FAMILIES: dict[str, type[Hardware]] = {"spatial_array": SpatialArray}
"""Spec class of each hardware family."""


def load_hardware(name: str, overrides: Sequence[Override] = ()) -> Hardware:
    """Read a hardware by name or path, after `overrides`; raises SpecError or UnknownNameError."""
    root = apply_overrides(read_node(find("hardware", name)), overrides)
    return validate_node(root, _family(root), hardware_problems)


def hardware_problems(hardware: Hardware) -> list[Problem]:
    """Contradictions inside a hardware: operations that use functional units which their array does not have."""
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


def _family(root: Node) -> type[Hardware]:
    """Spec class that the file's `family` asks for; a file that names none is read as the only family there is."""
    family = root.value.get("family") if isinstance(root.value, dict) else None
    if family is None and len(FAMILIES) == 1:
        return next(iter(FAMILIES.values()))
    wanted = str(family.value) if family else ""
    if wanted in FAMILIES:
        return FAMILIES[wanted]
    place = family or root
    what = f"there is no hardware family {wanted!r}" if family else "'family' is missing"
    remedy = suggest(wanted, tuple(FAMILIES))
    raise SpecError(Problem(file=place.file, line=place.line, path="family", what=what, remedy=remedy))
