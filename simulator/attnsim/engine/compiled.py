"""The decorator of compiled functions: numba, cached on disk beside the package or, if that is read-only, in the home.

Where neither place can be written, the functions are compiled anew in each process. The functions only read and write
arrays that they are given, so they are compiled without numba's runtime, whose reference counts would take most of the
time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")

OPTIONS: dict[str, object] = {"error_model": "numpy", "_nrt": False, "forceinline": True}


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function compiled by numba without the interpreter, as a drop-in replacement."""
    compiler = cast("Callable[..., Callable[[Callable[P, R]], Callable[P, R]]]", numba.njit)
    try:
        return compiler(cache=True, **OPTIONS)(function)
    except RuntimeError:  # numba found no directory that it may write to
        return compiler(**OPTIONS)(function)
