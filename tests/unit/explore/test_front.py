"""Fronts against comparing all pairs, hypervolumes against counting points drawn by chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnsim.explore.front import Floats, Front, hypervolume


@st.composite
def designs(draw: st.DrawFn) -> tuple[tuple[int, ...], Floats]:
    """Directions of one to four objectives, and designs with few different values, so that many are equal."""
    signs = draw(st.lists(st.sampled_from((1, -1)), min_size=1, max_size=4))
    rows = draw(st.lists(st.tuples(*[st.integers(0, 3) for _ in signs]), max_size=24))
    return tuple(signs), np.array(rows, np.float64).reshape(len(rows), len(signs))


def unbeaten(signs: tuple[int, ...], values: Floats) -> set[tuple[float, ...]]:
    """Objectives that no other design's beat, by comparing all pairs."""
    costs = values * np.array(signs)
    kept = [
        one for one in costs if not any((other <= one).all() and (other < one).any() for other in costs if len(costs))
    ]
    return {tuple(float(v) for v in one * np.array(signs)) for one in kept}


@given(designs(), st.randoms(use_true_random=False), st.integers(1, 7))
def test_a_front_is_what_no_other_design_beats_whatever_the_order(
    given_designs: tuple[tuple[int, ...], Floats], random: object, block: int
) -> None:
    signs, values = given_designs
    numbers = np.arange(len(values), dtype=np.int64)
    random.shuffle(numbers)  # type: ignore[attr-defined]
    front = Front(signs)
    for first in range(0, len(numbers), block):
        some = numbers[first : first + block]
        front.add(some, values[some])
    found = [tuple(float(v) for v in row) for row in front.values]
    assert len(found) == len(set(found))
    assert set(found) == unbeaten(signs, values)
    assert np.array_equal(front.values, values[front.numbers])
    assert list(front.numbers) == sorted(front.numbers)


def test_of_equal_designs_the_smallest_number_of_a_block_stays_and_the_first_block() -> None:
    front = Front((1, -1))
    front.add(np.array([7, 3, 5]), np.array([[1.0, 2.0]] * 3))
    front.add(np.array([1]), np.array([[1.0, 2.0]]))
    assert front.numbers.tolist() == [3]


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_hypervolume_is_the_share_of_points_that_some_design_beats(objectives: int) -> None:
    random = np.random.default_rng(objectives)
    costs = random.random((12, objectives))
    points = random.random((200_000, objectives))
    share = np.zeros(len(points), np.bool_)
    for cost in costs:
        share |= (cost <= points).all(axis=1)
    assert hypervolume(costs, np.ones(objectives)) == pytest.approx(share.mean(), abs=0.005)


def test_hypervolume_of_boxes_by_hand() -> None:
    costs = np.array([[1.0, 3.0], [2.0, 1.0], [9.0, 0.0]])
    assert hypervolume(costs, np.array([4.0, 4.0])) == 3 * 1 + 2 * 3 - 2 * 1 + 0
    assert hypervolume(np.zeros((0, 2)), np.array([1.0, 1.0])) == 0
