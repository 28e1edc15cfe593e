"""Grids of shapes and interpolation between them, for any size."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from attnsim.serving import costs as module
from attnsim.serving.costs import Costs
from attnsim.serving.grid import EXACT, bracket, grid_size
from attnsim.serving.iteration import Round
from attnsim.serving.machine import Shape

sizes = st.one_of(st.floats(1, 100), st.floats(1, 1e7))
octaves = st.sampled_from([1, 2, 4, 8])


@given(size=sizes, per_octave=octaves)
@example(size=9.7, per_octave=4)  # 2^(13/4) = 9.51 is rounded to 10
def test_a_size_lies_between_the_two_grid_sizes_around_it(size: float, per_octave: int) -> None:
    low, high, share = bracket(size, per_octave)
    assert 1 <= low <= size < high
    assert 0 <= share < 1
    assert share == pytest.approx((size - low) / (high - low), abs=1e-12)


@given(step=st.integers(0, 80), per_octave=octaves)
def test_a_size_of_the_grid_is_met_exactly(step: int, per_octave: int) -> None:
    size = grid_size(step, per_octave)
    low, high, share = bracket(size, per_octave)
    assert (low, share) == (size, 0)
    assert high > size
    assert bracket(high, per_octave)[0] == high


@given(size=sizes, per_octave=octaves)
def test_no_size_of_the_grid_lies_inside_a_bracket(size: float, per_octave: int) -> None:
    low, high, _ = bracket(size, per_octave)
    grid = {grid_size(step, per_octave) for step in range(24 * per_octave + 2)} | set(range(1, EXACT + 1))
    assert not any(low < own < high for own in grid)


@given(decode=st.integers(1, 500), keys=st.integers(1, 3000), prefill=st.integers(0, 700), seen=st.integers(1, 3000))
def test_what_is_linear_in_each_size_is_interpolated_exactly(decode: int, keys: int, prefill: int, seen: int) -> None:
    machine = SimpleNamespace(
        system=SimpleNamespace(batches=1),
        template=lambda number: number,
        work=lambda shape: SimpleNamespace(kinds=shape, joule=None),
    )
    wanted = linear(Shape(decode=decode, keys=keys, prefill=prefill, prefill_keys=seen if prefill else 0))
    with patch.object(module, "measure_round", lambda _, shape: Round(period_ps=linear(shape), busy_ps={})):
        found = Costs(machine).period_ps(decode, decode * keys, prefill, prefill * seen)
    assert found == pytest.approx(wanted, abs=1)


def linear(shape: Shape) -> int:
    """In each size with the others kept."""
    prompts = (11 + 3 * shape.prefill) * (1 + 5 * shape.prefill_keys) if shape.prefill else 0
    return (100 + 7 * shape.decode) * (50 + shape.keys) + prompts
