"""Kernel specs: mappings for GPUs, what `workloads/mappings/gpu_tile/<name>.yaml` may say."""

from __future__ import annotations

from typing import Literal

from attnsim.errors import Problem
from attnsim.specs.mapping_file import MappingFile
from attnsim.specs.spec import problem_at


class Kernel(MappingFile):
    """A kernel of a GPU."""

    family: Literal["gpu_tile"]


def kernel_problems(kernel: Kernel) -> list[Problem]:
    """Contradictions inside a kernel, before any cascade or hardware is looked at."""
    return [] if kernel.name else [problem_at(kernel, "name", "is empty")]
