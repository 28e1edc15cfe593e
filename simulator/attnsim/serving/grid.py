"""Grids of shapes: which two of the simulated sizes a size lies between, and how far."""

from __future__ import annotations

import math
from functools import lru_cache

EXACT = 8
"""Sizes up to here are all on every grid."""


def bracket(size: float, per_octave: int) -> tuple[int, int, float]:
    """(lower, upper, share): grid sizes around a size of at least 1, and its place between them from 0 to 1.

    The grid has all whole numbers up to `EXACT`, and `per_octave` sizes for each doubling above; the upper size is
    never the lower one.
    """
    if size < EXACT:
        low = max(1, int(size))
        return low, low + 1, max(0.0, size - low)
    step = int(math.log2(size) * per_octave + 1e-9)
    low, high = grid_size(step, per_octave), grid_size(step + 1, per_octave)
    if high <= size:
        low, high = high, grid_size(step + 2, per_octave)
    elif low > size:
        low, high = grid_size(step - 1, per_octave), low
    return low, high, (size - low) / (high - low)


@lru_cache(maxsize=4096)
def grid_size(step: int, per_octave: int) -> int:
    """The size of a step of the grid, `per_octave` steps a doubling from 1."""
    return round(2 ** (step / per_octave))
