"""Mapping specs of every family: the `family` of a file says which spec class reads it, loop nests if it says none."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TypeAlias

from attnsim.errors import Problem, SpecError
from attnsim.specs.kernel import Kernel, kernel_problems
from attnsim.specs.library import find, shipped_files, suggest
from attnsim.specs.load import remembered, remembered_node, validate_node
from attnsim.specs.loop_nest import LoopNest, loop_nest_problems
from attnsim.specs.npu_schedule import Schedule, schedule_problems
from attnsim.specs.overrides import Override, apply_overrides
from attnsim.specs.yaml_nodes import Node

Mapping: TypeAlias = LoopNest | Kernel | Schedule

MAPPINGS: dict[str, type[Mapping]] = {"spatial_array": LoopNest, "gpu_tile": Kernel, "npu_pim": Schedule}
"""Spec class of the mappings of each hardware family."""


def load_mapping(name: str, overrides: Sequence[Override] = ()) -> Mapping:
    """Read a mapping by name or path, after `overrides`; raises SpecError or UnknownNameError."""
    path = find("mapping", name)

    def read() -> Mapping:
        root = apply_overrides(remembered_node(path), overrides)
        return validate_node(root, _family(root), mapping_problems)

    return remembered("mapping", path, overrides, read)


def mapping_problems(mapping: Mapping) -> list[Problem]:
    """Contradictions inside a mapping, before any cascade or hardware is looked at, by the rules of its family."""
    if isinstance(mapping, Schedule):
        return schedule_problems(mapping)
    return kernel_problems(mapping) if isinstance(mapping, Kernel) else loop_nest_problems(mapping)


@cache
def gpu_kernels() -> dict[str, Kernel]:
    """All shipped kernels of GPUs by name."""
    files = shipped_files("mapping").items()
    found = {name: load_mapping(name) for name, path in files if path.parent.name == "gpu_tile"}
    return {name: kernel for name, kernel in found.items() if isinstance(kernel, Kernel)}


def _family(root: Node) -> type[Mapping]:
    family = root.value.get("family") if isinstance(root.value, dict) else None
    if family is None:
        return LoopNest
    wanted = str(family.value)
    if wanted in MAPPINGS:
        return MAPPINGS[wanted]
    what, remedy = f"there is no hardware family {wanted!r}", suggest(wanted, tuple(MAPPINGS))
    raise SpecError(Problem(file=family.file, line=family.line, path="family", what=what, remedy=remedy))
