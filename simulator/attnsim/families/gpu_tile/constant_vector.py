"""Constants of a kernel as one vector, in the order of the table of constants."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from attnsim.families.gpu_tile.columns import Floats
from attnsim.specs.constants import CONSTANTS
from attnsim.specs.kernel import Kernel


def default_values(kernel: Kernel) -> Floats:
    """Defaults of all constants under the values that are the kernel's own."""
    return np.array([kernel.constants.fixed.get(name, row.default) for name, row in CONSTANTS.items()])


def with_constants(values: Floats, constants: Mapping[str, float]) -> Floats:
    """The vector with some constants replaced."""
    made = values.copy()
    for position, name in enumerate(CONSTANTS):
        made[position] = constants.get(name, made[position])
    return made
