"""Values of the operators: numpy functions for the rows of `attnsim.einsum.operators` and for user-defined
operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from attnsim.einsum.ast import Access, Apply, Cascade, Expression, UserOperator

Array = NDArray[np.float64]
Function = Callable[..., Array]

_HALF_GELU = math.sqrt(2.0 / math.pi)


def _sigmoid(x: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def _gelu(x: Array) -> Array:
    """Gaussian error linear unit in its tanh form, Hendrycks and Gimpel 2016, section 2."""
    return np.asarray(0.5 * x * (1.0 + np.tanh(_HALF_GELU * (x + 0.044715 * x**3))))


def _select(c: Array, x: Array, y: Array) -> Array:
    return np.asarray(np.where(c != 0.0, x, y))


def _truth(comparison: Callable[[Array, Array], object]) -> Function:
    return lambda x, y: np.asarray(comparison(x, y), dtype=np.float64)


FUNCTIONS: dict[str, Function] = {
    "+": np.add,
    "*": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "-": np.subtract,
    "/": np.divide,
    "neg": np.negative,
    "abs": np.abs,
    "exp": np.exp,
    "exp2": np.exp2,
    "log": np.log,
    "log2": np.log2,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1.0 / np.sqrt(x),
    "square": np.square,
    "reciprocal": lambda x: 1.0 / x,
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0.0),
    "silu": lambda x: x * _sigmoid(x),
    "gelu": _gelu,
    "sin": np.sin,
    "cos": np.cos,
    "pow": np.power,
    "lt": _truth(np.less),
    "le": _truth(np.less_equal),
    "gt": _truth(np.greater),
    "ge": _truth(np.greater_equal),
    "eq": _truth(np.equal),
    "select": _select,
    "keep": lambda x, c: _select(c, x, np.zeros(())),
}
"""Pointwise values by operator name."""


def function_table(cascade: Cascade) -> Mapping[str, Function]:
    """Functions of every operator that a cascade may use, its own included."""
    table = dict(FUNCTIONS)
    for operator in cascade.operators:
        table[operator.name] = _user_function(operator, dict(table))
    return table


def _user_function(operator: UserOperator, table: Mapping[str, Function]) -> Function:
    def apply(*operands: Array) -> Array:
        return _value(operator.expression, dict(zip(operator.parameters, operands, strict=True)), table)

    return apply


def _value(expression: Expression, operands: Mapping[str, Array], table: Mapping[str, Function]) -> Array:
    if isinstance(expression, Access):
        return operands[expression.tensor]
    if isinstance(expression, Apply):
        return table[expression.operator](*(_value(operand, operands, table) for operand in expression.operands))
    return np.asarray(float(expression.value))
