"""The operator table: every map, reduce and populate operator that a cascade may use, one row each.

A row says how many operands the operator takes, what it costs, how it treats absent points and, if it can reduce, its
identity. Values are in `attnsim.einsum.numerics`. Merge rules after EDGE's user-defined merge operators as FuseMax
(MICRO 2024) section III uses them: a result is present where all operands are (intersection) or where any is (union).
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One operator.

    arity: operands of a map. kind: the hardware operation that does it (`operation class`); a product that feeds a sum
    becomes a `mac` where operations are counted. flops: floating-point operations of one application, by the
    convention that +, -, *, /, a comparison and each elementary function count one.
    merge: `intersection` or `union` of the operands' presence. identity: neutral element when it reduces, else None.
    """

    name: str
    arity: int
    kind: str
    flops: int = 1
    merge: str = "intersection"
    identity: float | None = None
    associative: bool = False
    commutative: bool = False


def _fold(name: str, kind: str, identity: float, *, merge: str = "union") -> Operator:
    """A row for an operator of two operands that can also reduce."""
    return Operator(name=name, arity=2, kind=kind, merge=merge, identity=identity, associative=True, commutative=True)


def _function(name: str, kind: str, *, flops: int = 1, arity: int = 1) -> Operator:
    """A row for a pointwise function."""
    return Operator(name=name, arity=arity, kind=kind, flops=flops)


_ROWS = (
    _fold("+", "add", 0.0),
    _fold("*", "mul", 1.0, merge="intersection"),
    _fold("max", "max", -math.inf),
    _fold("min", "min", math.inf),
    _function("-", "sub", arity=2),
    _function("/", "div", arity=2),
    _function("neg", "sub"),
    _function("abs", "abs"),
    _function("exp", "exp"),
    _function("exp2", "exp"),
    _function("log", "log"),
    _function("log2", "log"),
    _function("sqrt", "sqrt"),
    _function("rsqrt", "rsqrt", flops=2),
    _function("square", "mul"),
    _function("reciprocal", "reciprocal"),
    _function("sigmoid", "sigmoid", flops=4),  # negate, exp, add, divide
    _function("tanh", "tanh"),
    _function("relu", "max"),
    _function("silu", "silu", flops=5),  # sigmoid, multiply
    _function("gelu", "gelu", flops=8),  # x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
    _function("sin", "sin"),
    _function("cos", "cos"),
    _function("pow", "pow", arity=2),
    _function("lt", "cmp", arity=2),
    _function("le", "cmp", arity=2),
    _function("gt", "cmp", arity=2),
    _function("ge", "cmp", arity=2),
    _function("eq", "cmp", arity=2),
    _function("select", "select", arity=3),  # select(c, x, y): x where c is not 0, else y
    _function("keep", "select", arity=2),  # keep(x, c): x where c is not 0, else absent
)

OPERATORS: dict[str, Operator] = {row.name: row for row in _ROWS}
"""Map operators by the name that the syntax tree uses."""

REDUCTIONS: dict[str, str] = {"sum": "+", "prod": "*", "max": "max", "min": "min"}
"""How a reduction is written in front of an expression -> operator name."""

POPULATE: dict[str, str] = {
    "topk": "the largest values along a rank, in falling order",
    "argtopk": "the coordinates of the largest values along a rank, in falling order of value",
}
"""Populate operators: they fill a new rank of the output from a rank of the expression."""


def operation_class(name: str) -> str:
    """Hardware operation of a map, reduce or populate operator; an operator that the table lacks is its own class."""
    if name in POPULATE:
        return "cmp"
    return OPERATORS[name].kind if name in OPERATORS else name
