"""Compiled functions work where numba finds no place for its cache."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numba
import pytest

from attnsim.engine import compiled as module


def without_cache(*, cache: bool = False, **options: object) -> Callable[..., object]:
    """numba.njit on a machine without a place for the cache."""
    if cache:
        raise RuntimeError("cannot cache function: no locator available")
    decorator: Callable[..., object] = numba.njit(**options)
    return decorator


def test_without_a_writable_place_functions_are_compiled_uncached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "numba", SimpleNamespace(njit=without_cache))

    def double(number: int) -> int:
        return 2 * number

    assert module.compiled(double)(21) == 42
