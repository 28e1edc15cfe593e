"""Hardware specs of every family: the `family` of a file says which spec class reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from attnsim.errors import Problem, SpecError
from attnsim.specs.gpu_tile import GpuTile, gpu_problems
from attnsim.specs.library import find, suggest
from attnsim.specs.load import remembered, remembered_node, validate_node
from attnsim.specs.npu_pim import NpuPim, npu_pim_problems
from attnsim.specs.overrides import Override, apply_overrides
from attnsim.specs.spatial_array import SpatialArray, spatial_array_problems
from attnsim.specs.spec import problem_at
from attnsim.specs.yaml_nodes import Node

Hardware: TypeAlias = SpatialArray | GpuTile | NpuPim

FAMILIES: dict[str, type[Hardware]] = {"spatial_array": SpatialArray, "gpu_tile": GpuTile, "npu_pim": NpuPim}
"""Spec class of each hardware family."""


def load_hardware(name: str, overrides: Sequence[Override] = ()) -> Hardware:
    """Read a hardware by name or path, after `overrides`; raises SpecError or UnknownNameError."""
    return remembered("hardware", find("hardware", name), overrides, lambda: read_hardware(name, overrides))


def read_hardware(name: str, overrides: Sequence[Override]) -> Hardware:
    """`load_hardware` without remembering the hardware, only its file: for many overrides that are used once."""
    root = apply_overrides(remembered_node(find("hardware", name)), overrides)
    return validate_node(root, _family(root), hardware_problems)


def load_gpu(name: str) -> GpuTile:
    """Read a GPU by name or path; raises SpecError for other hardware, and what `load_hardware` raises."""
    hardware = load_hardware(name)
    if not isinstance(hardware, GpuTile):
        remedy = "name a GPU of `attnsim list hardware`"
        raise SpecError(problem_at(hardware, "family", f"{hardware.name} is no GPU", remedy))
    return hardware


def hardware_problems(hardware: Hardware) -> list[Problem]:
    """Contradictions inside a hardware, by the rules of its family."""
    if isinstance(hardware, NpuPim):
        return npu_pim_problems(hardware)
    return gpu_problems(hardware) if isinstance(hardware, GpuTile) else spatial_array_problems(hardware)


def _family(root: Node) -> type[Hardware]:
    """Spec class that the file's `family` asks for."""
    family = root.value.get("family") if isinstance(root.value, dict) else None
    wanted = str(family.value) if family else ""
    if wanted in FAMILIES:
        return FAMILIES[wanted]
    place = family or root
    what = f"there is no hardware family {wanted!r}" if family else "'family' is missing"
    remedy = suggest(wanted, tuple(FAMILIES)) if family else f"add `family:`, one of {', '.join(FAMILIES)}"
    raise SpecError(Problem(file=place.file, line=place.line, path="family", what=what, remedy=remedy))
