"""Every shipped cascade gives the values of the formula that it claims to compute, at regular and at awkward sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from attnsim.einsum.ast import Cascade
from attnsim.einsum.evaluate import evaluate, random_inputs
from attnsim.einsum.formulas import FORMULAS, expected
from attnsim.einsum.printer import print_cascade
from attnsim.specs.cascade import load_cascade
from attnsim.specs.library import names

SHIPPED = names("cascade")
REGULAR = {"B": 2, "H": 2, "G": 2, "P": 4, "M": 8, "E": 4, "F": 4, "D": 8, "S": 8, "N": 4, "K": 4}
REGULAR |= {"J": 2, "C": 2, "Q": 4, "R": 2, "M0": 4, "P0": 2}
# What differs from REGULAR; every rank has at least one odd size, one of 1 and one that its tile does not divide.
SIZES = {
    "tiles divide": {},
    "all odd, with remainders": {"B": 1, "H": 3, "P": 5, "M": 7, "E": 3, "F": 5, "D": 7, "M0": 3, "P0": 3},
    "one tile that is too large": {"P": 3, "M": 5, "M0": 8, "P0": 8, "J": 9, "R": 5},
    "tiles of one": {"P": 3, "M": 5, "M0": 1, "P0": 1, "J": 1},
    "one of everything": dict.fromkeys(REGULAR, 1),
    "one query": {"P": 1, "M": 11, "M0": 4},
    "one key": {"P": 1, "M": 1, "M0": 3},
    "a remainder of one": {"P": 7, "M": 9, "P0": 3},
}
WINDOWS = (1, 3, 100)


def bound(cascade: Cascade, change: dict[str, int], window: int = 3) -> dict[str, int]:
    """Sizes of the cascade's ranks; ranks that are the same get one size, a constant window its value."""
    sizes = {**REGULAR, "W": 9, **change}
    if "W" in dict(cascade.constants):
        sizes["W"] = window
    for rank, other in cascade.same:
        sizes[rank] = sizes[other]
    return sizes


def compare(cascade: Cascade, sizes: dict[str, int]) -> None:
    inputs = random_inputs(cascade, sizes, np.random.default_rng(20240601))
    wanted = expected(cascade, sizes, inputs)
    found = evaluate(cascade, sizes, inputs)
    for name in cascade.outputs:
        np.testing.assert_allclose(found[name].values, wanted[name], rtol=1e-9, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("change", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("name", SHIPPED)
def test_values_are_those_of_the_formula(name: str, change: dict[str, int]) -> None:
    cascade = load_cascade(name)
    compare(cascade, bound(cascade, change))


@pytest.mark.parametrize("window", WINDOWS)
def test_a_window_of_any_width_is_cut_at_the_first_key(window: int) -> None:
    cascade = load_cascade("sliding_window_attention")
    compare(cascade, bound(cascade, {"P": 6, "M": 6}, window))


@pytest.mark.parametrize(("stride", "pad"), [(1, 0), (1, 2), (3, 1), (4, 0)])
def test_a_convolution_pads_with_absent_points(stride: int, pad: int) -> None:
    cascade = load_cascade("conv1d")
    compare(cascade, bound(cascade, {"STRIDE": stride, "PAD": pad, "W": 7, "Q": 5, "R": 3}))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_cascade_names_a_known_formula_and_its_own_file(name: str) -> None:
    cascade = load_cascade(name)
    assert cascade.computes in FORMULAS, f"{name}: add `computes:` and a formula to attnsim.einsum.formulas"
    assert cascade.name == name
    assert cascade.title


@pytest.mark.parametrize("name", SHIPPED)
def test_the_printed_form_of_a_shipped_cascade_is_known(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"cascades/{name}.yaml", print_cascade(load_cascade(name)))


def test_no_printed_form_is_left_over() -> None:
    folder = Path(__file__).parents[2] / "golden" / "cascades"
    assert {path.stem for path in folder.glob("*.yaml")} == set(SHIPPED)


def test_every_formula_is_used_by_a_shipped_cascade() -> None:
    assert {load_cascade(name).computes for name in SHIPPED} == set(FORMULAS)
