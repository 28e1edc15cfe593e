"""The decorator of compiled functions: numba, cached on disk beside the package or, if that is read-only, in the home.

Where neither place can be written, the functions are compiled anew in each process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function compiled by numba without the interpreter, as a drop-in replacement."""
    try:
        return cast("Callable[P, R]", numba.njit(cache=True)(function))
    except RuntimeError:  # numba found no directory that it may write to
        return cast("Callable[P, R]", numba.njit(function))
