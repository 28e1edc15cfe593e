"""The operator table says about each operator what its values do."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from attnsim.einsum.numerics import FUNCTIONS
from attnsim.einsum.operators import OPERATORS, POPULATE, REDUCTIONS, Operator, operation_class

SAMPLES = (-2.0, -0.5, 0.0, 0.25, 3.0)
BY_NAME = pytest.mark.parametrize("row", OPERATORS.values(), ids=OPERATORS.keys())


def test_every_operator_has_values_and_every_value_an_operator() -> None:
    assert set(FUNCTIONS) == set(OPERATORS)


@BY_NAME
def test_an_operator_takes_the_operands_that_its_row_says(row: Operator) -> None:
    operands = [np.full((2, 3), 0.5) for _ in range(row.arity)]
    assert np.shape(FUNCTIONS[row.name](*operands)) == (2, 3)
    with pytest.raises(TypeError):
        FUNCTIONS[row.name](*operands, *operands, *operands, *operands)


@BY_NAME
def test_an_operator_with_an_identity_is_associative_and_commutative(row: Operator) -> None:
    assert (row.identity is not None) == row.associative == row.commutative
    if row.identity is None:
        return
    combine = FUNCTIONS[row.name]
    for a, b, c in product(SAMPLES, repeat=3):
        assert combine(a, row.identity) == a
        assert combine(a, b) == combine(b, a)
        assert combine(combine(a, b), c) == combine(a, combine(b, c))


@BY_NAME
def test_an_operator_of_one_operand_has_no_operands_to_merge(row: Operator) -> None:
    assert row.merge == "intersection" or row.arity == 2
    assert row.flops >= 1


def test_what_may_reduce_is_what_has_an_identity() -> None:
    assert set(REDUCTIONS.values()) == {row.name for row in OPERATORS.values() if row.identity is not None}


CLASSES = {"+": "add", "-": "sub", "*": "mul", "/": "div", "max": "max", "exp": "exp", "topk": "cmp", "mine": "mine"}


@pytest.mark.parametrize("name", CLASSES)
def test_hardware_knows_an_operator_by_its_class(name: str) -> None:
    assert operation_class(name) == CLASSES[name]


# Values from the definitions, to four digits.
VALUES = {"gelu": (1.0, 0.8412), "silu": (1.0, 0.7311), "sigmoid": (0.0, 0.5), "rsqrt": (4.0, 0.5), "exp2": (3.0, 8.0)}


@pytest.mark.parametrize("name", VALUES)
def test_values_of_the_less_usual_functions(name: str) -> None:
    x, y = VALUES[name]
    assert float(FUNCTIONS[name](np.asarray(x))) == pytest.approx(y, abs=5e-5)


def test_a_populate_operator_is_no_map_operator() -> None:
    assert not set(POPULATE) & set(OPERATORS)
