"""Counting points under masks: the closed form equals counting one by one."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnsim.analysis.lattice import Constraint, constraint, count_points, project

RELATIONS = {
    "<": lambda value: value < 0,
    "<=": lambda value: value <= 0,
    ">": lambda value: value > 0,
    ">=": lambda value: value >= 0,
    "==": lambda value: value == 0,
    "!=": lambda value: value != 0,
}
CONDITION = st.tuples(
    st.dictionaries(st.sampled_from("mpq"), st.integers(-3, 3), min_size=1, max_size=2),
    st.integers(-9, 9),
    st.sampled_from(sorted(RELATIONS)),
)


@settings(max_examples=300)
@given(
    st.fixed_dictionaries({"m": st.integers(1, 9), "p": st.integers(1, 9), "q": st.integers(1, 4)}),
    st.lists(CONDITION, max_size=3),
)
def test_the_count_is_that_of_trying_every_point(
    extents: dict[str, int], conditions: list[tuple[dict[str, int], int, str]]
) -> None:
    names = list(extents)
    points = [dict(zip(names, values, strict=True)) for values in product(*(range(extents[name]) for name in names))]
    expected = sum(
        all(RELATIONS[how](sum(k * point[v] for v, k in terms.items()) + offset) for terms, offset, how in conditions)
        for point in points
    )
    written = frozenset(constraint(terms, offset, how) for terms, offset, how in conditions)
    assert count_points(extents, written) == expected


@pytest.mark.parametrize(
    ("masks", "points"),
    [
        ([({"m": 1, "p": -1}, 0, "<=")], lambda n: n * (n + 1) // 2),
        ([({"m": 1, "p": -1}, 0, "<")], lambda n: n * (n - 1) // 2),
        ([({"m": 1, "p": -1}, 0, "!=")], lambda n: n * (n - 1)),
        ([({"m": 1, "p": -1}, 0, "<="), ({"p": 1, "m": -1}, -1000, "<")], lambda n: 1000 * n - 1000 * 999 // 2),
    ],
)
def test_masks_of_a_million_tokens_are_counted_in_closed_form(
    masks: list[tuple[dict[str, int], int, str]], points: object
) -> None:
    tokens = 1 << 20
    written: frozenset[Constraint] = frozenset(constraint(*mask) for mask in masks)
    assert callable(points)
    assert count_points({"m": tokens, "p": tokens}, written) == points(tokens)


@settings(max_examples=200)
@given(
    st.fixed_dictionaries({"m": st.integers(1, 7), "p": st.integers(1, 7), "q": st.integers(1, 5)}),
    st.lists(CONDITION, min_size=1, max_size=3),
)
def test_a_projection_never_loses_a_point(
    extents: dict[str, int], conditions: list[tuple[dict[str, int], int, str]]
) -> None:
    written = frozenset(constraint(terms, offset, how) for terms, offset, how in conditions)
    shadow = {name: extent for name, extent in extents.items() if name != "m"}
    kept = sum(
        any(
            count_points({}, frozenset(c.at("m", m).at("p", p).at("q", q) for c in written))
            for m in range(extents["m"])
        )
        for p, q in product(range(extents["p"]), range(extents["q"]))
    )
    projected = count_points(shadow, project(written, "m", extents["m"]))
    whole = all(abs(c.slope("m")) <= 1 and c.relation != "!=" for c in written)
    assert projected == kept if whole else projected >= kept
