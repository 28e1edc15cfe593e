"""Is a user-defined reduction one? Its identity and associativity, tried on sample values.

A reduction may be evaluated in any order and in parts, so `op(op(a, b), c)` must equal `op(a, op(b, c))`, `op(a, b)`
must equal `op(b, a)`, and the identity must change nothing.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from attnsim.einsum.ast import Cascade
from attnsim.einsum.numerics import Function, function_table
from attnsim.einsum.source import Complaints

_SAMPLES = (-1.25, -0.5, 0.0, 0.75, 2.0)


def check_algebra(cascade: Cascade, complaints: Complaints) -> None:
    """Note every reducing operator whose identity, associativity or commutativity fails on a sample."""
    table = function_table(cascade)
    for operator in cascade.operators:
        if operator.identity is None:
            continue
        key = f"operators.{operator.name}"
        combine = table[operator.name]
        with np.errstate(all="ignore"):
            failure = _failure(combine, operator.name, operator.identity)
        if failure:
            complaints.under(key, failure, "a reduction needs an associative, commutative operator and its identity")


def _failure(combine: Function, name: str, identity: float) -> str:
    """The first law that does not hold, with the values that show it; empty when all hold."""
    for a in _SAMPLES:
        if not _equal(_call(combine, a, identity), a) or not _equal(_call(combine, identity, a), a):
            return f"{identity:g} is not its identity: {name}({a:g}, {identity:g}) is {_call(combine, a, identity):g}"
    for a, b in product(_SAMPLES, repeat=2):
        if not _equal(_call(combine, a, b), _call(combine, b, a)):
            return f"it is not commutative: {name}({a:g}, {b:g}) is not {name}({b:g}, {a:g})"
    for a, b, c in product(_SAMPLES, repeat=3):
        if not _equal(_call(combine, _call(combine, a, b), c), _call(combine, a, _call(combine, b, c))):
            left, right = f"{name}({name}({a:g}, {b:g}), {c:g})", f"{name}({a:g}, {name}({b:g}, {c:g}))"
            return f"it is not associative: {left} is not {right}"
    return ""


def _call(combine: Function, a: float, b: float) -> float:
    return float(combine(np.asarray(a), np.asarray(b)))


def _equal(a: float, b: float) -> bool:
    return bool(np.isclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=False))
