"""What an Einsum asks of a PE, and what stands in for operations that the PE lacks."""

from __future__ import annotations

import pytest

from attnsim.components.operations import (
    RECIPES,
    hardware_operations,
    missing_operations,
    point_operations,
    register_accesses,
    remedy_for,
)
from attnsim.einsum.ast import Cascade
from attnsim.einsum.operators import OPERATORS, operation_class
from attnsim.specs.cascade import read_cascade
from attnsim.specs.hardware import load_hardware

VECTOR = load_hardware("fusemax").arrays["array_1d"]  # mac add max div exp
MAC_ONLY = load_hardware("eyeriss_like").arrays["pe_array"]  # mac add

# right-hand side -> operations of one point, and those of an array with mac, add, max, div and exp
POINTS = {
    "A[k,p] * C[k,p]": ("mac", "mac"),
    "A[k,p]": ("add", "add"),
    "max(k) A[k,p]": ("max", "max"),
    "min(k) A[k,p]": ("min", "max"),
    "exp(A[k,p] - D[p])": ("sub exp add", "add exp add"),
    "square(A[k,p])": ("mul add", "mac add"),
    "D[p] + 1": ("add", "add"),
    "D[p] / 2": ("div", "div"),
    "rsqrt(D[p])": ("rsqrt", "div div"),
    "sigmoid(D[p])": ("sigmoid", "exp add div"),
    "silu(D[p])": ("silu", "exp add div"),
    "gelu(D[p])": ("gelu", "mac mac mac exp add div"),
    "tanh(D[p])": ("tanh", "mac exp add div mac"),
    "pow(D[p], 3)": ("pow", "exp mac exp"),
    "relu(D[p])": ("max", "max"),
    "soft(D[p])": ("soft", "exp add exp"),
    "D[p]": ("copy", ""),
}


def cascade(expression: str) -> Cascade:
    return read_cascade(
        "name: one\nsource: own\nranks: {P: rows, K: depth}\ninputs: A[k,p], C[k,p], D[p]\n"
        f"operators:\n  soft: {{expression: log(1 + exp(x))}}\neinsums: |\n  Z[p] = {expression}\n"
        "  Y[p] = A[k,p] * C[k,p] * soft(D[p])\noutputs: [Z, Y]\n"
    )


@pytest.mark.parametrize("expression", POINTS)
def test_operations_of_a_point_on_an_array_that_lacks_some(expression: str) -> None:
    asked, done = POINTS[expression]
    text = cascade(expression)
    einsum = text.einsums[0]
    assert point_operations(einsum) == tuple(asked.split())
    assert missing_operations(einsum, VECTOR, text.operators) == ()
    assert hardware_operations(einsum, VECTOR, text.operators) == tuple(done.split())


@pytest.mark.parametrize(
    ("expression", "missing"),
    [("exp(D[p] / 2)", ("div", "exp")), ("soft(D[p])", ("soft",)), ("max(k) A[k,p]", ("max",)), ("D[p] + 1", ())],
)
def test_what_an_array_can_neither_do_nor_make_is_missing(expression: str, missing: tuple[str, ...]) -> None:
    text = cascade(expression)
    assert missing_operations(text.einsums[0], MAC_ONLY, text.operators) == missing


def test_the_remedy_names_only_what_is_lacking() -> None:
    assert remedy_for("sigmoid", MAC_ONLY) == (
        "add `sigmoid` under ops, or exp and reciprocal of which it can be made; it has mac, add"
    )


def test_an_operation_of_the_array_itself_comes_before_any_recipe() -> None:
    array = VECTOR.model_copy(update={"ops": {**VECTOR.ops, "silu": VECTOR.ops["exp"]}})
    assert hardware_operations(cascade("silu(D[p])").einsums[0], array) == ("silu",)


def test_every_operator_of_the_language_runs_on_an_array_with_the_five_basic_operations() -> None:
    known = {operation_class(name) for name in OPERATORS} - set(VECTOR.ops)
    assert known <= set(RECIPES)


@pytest.mark.parametrize(
    ("expression", "accesses"),
    [("A[k,p] * C[k,p]", (3, 3)), ("exp(D[p])", (18, 7)), ("D[p] / 2", (2, 2)), ("D[p]", (0, 1))],
)
def test_a_unit_reads_its_operands_and_writes_its_result(expression: str, accesses: tuple[int, int]) -> None:
    einsum = cascade(expression).einsums[0]
    actions: dict[str, int] = {}
    for name in hardware_operations(einsum, VECTOR):
        for unit, uses in VECTOR.ops[name].uses.items():
            actions[unit] = actions.get(unit, 0) + uses
    assert register_accesses(einsum, actions) == accesses
