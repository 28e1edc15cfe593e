"""Random cascades: what is printed reads back the same, and the values are those of a plain point-by-point reading.

The point-by-point reading below keeps tensors as dictionaries from coordinates to values, in which absent points do not
occur, and walks the iteration space in Python loops; it shares no code with the evaluator.
"""

from __future__ import annotations

import itertools
import math
import operator as infix
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnsim.einsum.ast import (
    Access,
    Apply,
    Cascade,
    Condition,
    Einsum,
    Expression,
    Index,
    Iteration,
    Literal,
    Reduce,
    Split,
    Tensor,
    accesses,
)
from attnsim.einsum.evaluate import evaluate_tensors, random_inputs
from attnsim.einsum.operators import OPERATORS
from attnsim.einsum.printer import print_cascade, print_einsum
from attnsim.specs.cascade import load_cascade, read_cascade
from attnsim.specs.library import names

RANKS = ("M", "P", "E", "N")
VARIABLES = tuple(rank.lower() for rank in RANKS)
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), max_size=20)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32) | st.integers(-5, 5).map(float)
COEFFICIENTS = st.sampled_from([1, 1, 1, 2, -1, 3, "STEP", "-STEP", "2*STEP"])
EVERY_OPERATOR = sorted(OPERATORS)
REDUCING = ("+", "*", "max", "min")


@st.composite
def indices(draw: st.DrawFn) -> Index:
    """An affine index over the variables."""
    used = draw(st.lists(st.sampled_from(VARIABLES), min_size=1, max_size=2, unique=True))
    symbols = draw(st.sampled_from([(), (), (("M", 1),), (("STEP", -2),)]))
    terms = tuple((variable, draw(COEFFICIENTS)) for variable in used)
    return Index(terms=terms, symbols=symbols, offset=draw(st.integers(-2, 2)))


@st.composite
def reads(draw: st.DrawFn, tensors: list[Tensor]) -> Access:
    """A read of a known tensor, by its own variables or at affine positions."""
    tensor = draw(st.sampled_from(tensors))
    plain = [Index(terms=((rank.lower(), 1),)) for rank in tensor.ranks]
    placed = [draw(indices().filter(lambda i: i.plain is None)) if draw(st.booleans()) else i for i in plain]
    return Access(tensor=tensor.name, indices=tuple(placed))


def expressions(tensors: list[Tensor], names_of_operators: list[str]) -> st.SearchStrategy[Expression]:
    """Trees of map operators over reads, numbers and constants."""
    leaves = reads(tensors) | st.builds(Literal, value=NUMBERS | st.sampled_from(["scale", "E"]))

    def extend(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        rows = st.sampled_from(names_of_operators)
        return rows.flatmap(
            lambda name: st.builds(
                lambda operands: Apply(operator=name, operands=tuple(operands)),
                st.lists(inner, min_size=OPERATORS[name].arity, max_size=OPERATORS[name].arity),
            )
        )

    return st.recursive(leaves, extend, max_leaves=5)


@st.composite
def einsums(draw: st.DrawFn, name: str, tensors: list[Tensor], names_of_operators: list[str]) -> Einsum:
    """An Einsum over known tensors with any subset of its variables in the output and the rest reduced."""
    expression = draw(expressions(tensors, names_of_operators).filter(accesses))
    used = list(dict.fromkeys(v for access in accesses(expression) for v in access.variables))
    kept = draw(st.lists(st.sampled_from(used), unique=True)) if used else []
    left = draw(st.permutations([variable for variable in used if variable not in kept]))
    cut = draw(st.integers(0, len(left)))
    groups = [tuple(group) for group in (left[:cut], left[cut:]) if group]
    conditions = st.builds(
        Condition,
        left=st.just(Index(terms=((used[0], 1),))) if used else st.nothing(),
        relation=st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
        right=st.builds(Index, offset=st.integers(-3, 3), symbols=st.sampled_from([(), (("STEP", 1),)])),
    )
    return Einsum(
        output=Access(tensor=name, indices=tuple(Index(terms=((variable, 1),)) for variable in kept)),
        expression=expression,
        reductions=tuple(Reduce(operator=draw(st.sampled_from(REDUCING)), ranks=group) for group in groups),
        conditions=tuple(draw(st.lists(conditions, max_size=2))) if used else (),
    )


@st.composite
def cascades(draw: st.DrawFn, names_of_operators: list[str] = EVERY_OPERATOR) -> Cascade:
    """A valid cascade; every tensor that nothing reads is an output, every input is read."""
    ranks = st.lists(st.sampled_from(RANKS), max_size=3, unique=True).map(tuple)
    inputs = [Tensor(name=f"X{i}", ranks=draw(ranks)) for i in range(draw(st.integers(1, 3)))]
    known, lines = list(inputs), []
    for i in range(draw(st.integers(1, 4))):
        lines.append(draw(einsums(f"Y{i}", known, names_of_operators)))
        known.append(Tensor(name=f"Y{i}", ranks=tuple(v.upper() for v in lines[-1].output.variables)))
    read = {access.tensor for line in lines for access in line.inputs}
    return Cascade(
        name=draw(TEXT.map(str.strip).filter(bool)),
        title=draw(TEXT),
        source=draw(TEXT.map(str.strip).filter(bool)),
        computes="",
        ranks=tuple((rank, draw(TEXT)) for rank in (*RANKS, "B")),
        batch=draw(st.sampled_from([(), ("B",)])),
        splits=draw(st.sampled_from([(), (Split(rank="M", parts=("M1", "M0")),)])),
        inputs=tuple(tensor for tensor in inputs if tensor.name in read),
        iterations=(),
        start=(),
        constants=(("scale", draw(st.none() | NUMBERS)), ("STEP", 2.0)),
        einsums=tuple(lines),
        outputs=tuple(line.name for line in lines if line.name not in read),
        same=draw(st.sampled_from([(), (("N", "P"),)])),
    )


@settings(max_examples=120)
@given(cascades())
def test_what_is_printed_reads_back_as_the_same_cascade(cascade: Cascade) -> None:
    assert read_cascade(print_cascade(cascade)) == cascade


@settings(max_examples=50)
@given(cascades())
def test_printing_twice_gives_the_same_text(cascade: Cascade) -> None:
    text = print_cascade(cascade)
    assert print_cascade(read_cascade(text)) == text


def test_shipped_cascades_read_back_as_themselves_with_their_comments() -> None:
    for name in names("cascade"):
        cascade = load_cascade(name)
        again = read_cascade(print_cascade(cascade))
        assert again == cascade
        assert [print_einsum(einsum) for einsum in again.einsums] == [
            print_einsum(einsum) for einsum in cascade.einsums
        ]


def test_iterations_stops_starts_and_operators_are_printed() -> None:
    text = "\n".join(
        (
            "name: all",
            "source: test",
            "ranks: {M: keys}",
            "inputs: X[m]",
            "sparse: {X: 0.25}",
            "operators: {lse: {expression: 'log(exp(x) + exp(y))', identity: -inf, flops: 9, merge: union}}",
            "iterate: m",
            "start: {R: -inf}",
            "stop: m >= 3",
            "einsums: |",
            "  R[m+1] = lse(R[m], X[m])",
            "  Z = R[M]",
            "outputs: Z",
        )
    )
    cascade = read_cascade(text)
    assert cascade.iterations == (
        Iteration(
            rank="m",
            stop=Condition(left=Index(terms=(("m", 1),)), relation=">=", right=Index(offset=3)),
        ),
    )
    assert read_cascade(print_cascade(cascade)) == cascade


Coordinates = tuple[int, ...]
Dictionary = dict[Coordinates, float]
SIZES = {"M": 3, "P": 2, "E": 4, "N": 2, "B": 1, "STEP": 2}
RELATIONS: dict[str, Callable[[int, int], bool]] = {
    "<": infix.lt,
    "<=": infix.le,
    ">": infix.gt,
    ">=": infix.ge,
    "==": infix.eq,
    "!=": infix.ne,
}
ADDITIVE = ("+", "max", "min")
SIMPLE: dict[str, Callable[..., float]] = {
    "+": infix.add,
    "*": infix.mul,
    "-": infix.sub,
    "max": max,
    "min": min,
    "neg": infix.neg,
    "abs": abs,
    "square": lambda x: x * x,
    "relu": lambda x: max(x, 0.0),
    "ge": lambda x, y: float(x >= y),
    "tanh": math.tanh,
}


FACTORS = {1: 1, 2: 2, -1: -1, 3: 3, "STEP": 2, "-STEP": -2, "2*STEP": 4}


def place(index: Index, at: Mapping[str, int]) -> int:
    """Value of an index at a point."""
    terms = sum(FACTORS[factor] * at[variable] for variable, factor in index.terms)
    return terms + sum(SIZES[name] * factor for name, factor in index.symbols) + index.offset


def value(expression: Expression, at: Mapping[str, int], tensors: Mapping[str, Dictionary]) -> float | None:
    """Value of an expression at a point, None where it is absent."""
    if isinstance(expression, Access):
        return tensors[expression.tensor].get(tuple(place(index, at) for index in expression.indices))
    if isinstance(expression, Literal):
        return {"scale": 0.5, "E": 4.0}[expression.value] if isinstance(expression.value, str) else expression.value
    found = [value(operand, at, tensors) for operand in expression.operands]
    there = [x for x in found if x is not None]
    tensorial = all(accesses(operand) for operand in expression.operands)
    if len(there) == len(found):
        return SIMPLE[expression.operator](*there)
    return there[0] if there and expression.operator in ADDITIVE and tensorial else None


def points(einsum: Einsum, tensors: Mapping[str, Dictionary]) -> Dictionary:
    """The result of an Einsum, one point of its iteration space after the other."""
    variables = einsum.iteration_ranks
    space: dict[Coordinates, float] = {}
    for spot in itertools.product(*(range(SIZES[v.upper()]) for v in variables)):
        at = dict(zip(variables, spot, strict=True))
        holds = all(RELATIONS[c.relation](place(c.left, at), place(c.right, at)) for c in einsum.conditions)
        found = value(einsum.expression, at, tensors) if holds else None
        if found is not None:
            space[spot] = found
    for reduction in einsum.reductions:
        left = tuple(v for v in variables if v not in reduction.ranks)
        keep = [variables.index(v) for v in left]
        reduced: Dictionary = {}
        for spot, found in space.items():
            key = tuple(spot[i] for i in keep)
            reduced[key] = SIMPLE[reduction.operator](reduced[key], found) if key in reduced else found
        variables, space = left, reduced
    order = [variables.index(v) for v in einsum.output.variables]
    return {tuple(spot[i] for i in order): found for spot, found in space.items()}


@settings(max_examples=100)
@given(cascades(sorted(SIMPLE)))
def test_values_are_those_of_a_point_by_point_reading(cascade: Cascade) -> None:
    plain = replace(cascade, batch=(), splits=(), same=())
    inputs = random_inputs(plain, SIZES, np.random.default_rng(11))
    found = evaluate_tensors(plain, SIZES, inputs, {"scale": 0.5, "STEP": 2.0})
    tensors: dict[str, Dictionary] = {
        name: {spot: float(x) for spot, x in np.ndenumerate(values)} for name, values in inputs.items()
    }
    for einsum in plain.einsums:
        tensors[einsum.name] = points(einsum, tensors)
        result = found[einsum.name]
        wanted = tensors[einsum.name]
        present = {spot: float(result.values[spot]) for spot, there in np.ndenumerate(result.present) if there}
        assert present == pytest.approx(wanted, rel=1e-9, abs=1e-9)
