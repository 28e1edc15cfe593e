"""What is wrong with a cascade is said in words, all of it at once, with the line and a caret under the place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from attnsim.einsum.ast import Cascade
from attnsim.errors import CascadeError
from attnsim.specs.cascade import read_cascade

FRAME = """\
name: example
source: test
ranks: {{M: keys, P: queries, E: dim, J: kept}}
inputs: {inputs}
{keys}
einsums: |
{einsums}
outputs: {outputs}
"""


def cascade(einsums: str, *, inputs: str = "Q[e,p], K[e,m]", outputs: str = "[Z]", keys: str = "batch: []") -> Cascade:
    lines = "\n".join(f"  {line}" for line in einsums.splitlines())
    return read_cascade(FRAME.format(einsums=lines, inputs=inputs, outputs=outputs, keys=keys), "example.yaml")


def problems(einsums: str, **change: str) -> list[str]:
    with pytest.raises(CascadeError) as caught:
        cascade(einsums, **change)
    return [f"{problem.what}; {problem.remedy}" for problem in caught.value.problems]


QK = "Z[m,p] = Q[e,p] * K[e,m]"
ONE_LINE = {
    "Z[m,p] = Q[e,p] * KK[e,m]": "unknown tensor KK; did you mean K?",
    "Z[m,p] = Q[e,p] * K[e,n] * K[e,m]": "unknown rank N of the variable n; known: m, p, e, j",
    "Z[m,p] = Q[e,p] * K[m,e]": "the indices of K are in another order; it is K[e,m]",
    "Z[m,p] = Q[e,p] * K[e,p] * K[e,m]": "rank mismatch: K has rank M here, not P",
    "Z[m,p] = Q[e,p] * K[e] * K[e,m]": "K has 2 ranks but is read with 1 index; it is K[e,m]",
    "Z[j,p] = Q[e,p] * K[e,m]": "j is in the output but not in the expression",
    "Z[m,p] = Q[e,p] * expp(K[e,m])": "unknown operator expp; did you mean exp",
    "Z[m,p] = Q[e,p] * exp(K[e,m], 1)": "exp takes 1 operand, not 2",
    "Z[m,p] = max(Q[e,p]) * K[e,m]": "max takes 2 operands, not 1; a reduction is written in front",
    "Z[m,p] = avg(e) Q[e,p] * K[e,m]": "unknown reduction avg; known: sum, prod, max, min",
    "Z[m,p] = exp(e) Q[e,p] * K[e,m]": "exp cannot reduce",
    "Z[m,p] = max(m) Q[e,p] * K[e,m]": "m is reduced but is also in the output",
    "Z[m,p] = max(j) Q[e,p] * K[e,m]": "j is reduced but is not in the expression",
    "Z[m,p] = max(e) sum(e) Q[e,p] * K[e,m]": "e is reduced twice",
    "Z[m,p] = Q[e,p] * K[e,m] * alpha": "alpha is neither a tensor nor a constant",
    "Z[m,p] = Q[e,p] * K[e,m] * m": "m is a rank variable, not a value",
    "Z[m,p] = Q[e,p] * K[e,m+SHIFT] * K[e,m]": "SHIFT is neither an extent nor a constant",
    "Z[m,p] = Q[e,p] * K[e,m] where j <= p": "the condition uses j, which is not in the Einsum",
    "Z[m,m] = Q[e,p] * K[e,m]": "m stands twice in the output",
    "Z[m+1,p] = Q[e,p] * K[e,m]": "the output moves along M, which is not iterative; declare `iterate: M`",
    "Z[2*m,p] = Q[e,p] * K[e,m]": "an output is not written at such a position",
    "Z[m,p] = Z[m,p] + Q[e,p] * K[e,m]": "Z needs itself: a circle",
}


@pytest.mark.parametrize("line", ONE_LINE)
def test_a_wrong_line_is_explained(line: str) -> None:
    found = problems(line)
    assert any(problem.startswith(ONE_LINE[line]) for problem in found), found


SEVERAL_LINES = {
    f"{QK}\n{QK}": "Z is computed twice, first in line 7",
    f"{QK}\nX[p] = Q[e,p]": "X is computed but never used",
    "A[m,p] = B[m,p] * Q[e,p]\nB[m,p] = A[m,p] * K[e,m]\nZ[p] = A[m,p]": "A, B need each other: a circle",
    f"{QK}\nQ[e,p] = K[e,m] * Z[m,p]": "Q is an input and is also computed",
}


@pytest.mark.parametrize("lines", SEVERAL_LINES)
def test_lines_that_do_not_fit_together_are_explained(lines: str) -> None:
    found = problems(lines)
    assert any(problem.startswith(SEVERAL_LINES[lines]) for problem in found), found


DECLARATIONS: dict[str, tuple[dict[str, str], str]] = {
    "unused input": ({"inputs": "Q[e,p], K[e,m], V[m]"}, "input V is never read"),
    "input twice": ({"inputs": "Q[e,p], K[e,m], K[e,m]"}, "input K is declared twice"),
    "input of unknown rank": ({"inputs": "Q[e,p], K[e,m], V[x]"}, "unknown rank X"),
    "input at a position": ({"inputs": "Q[e,p], K[e,m+1]"}, "K[e,m+1] has an index that is no rank variable"),
    "undefined output": ({"outputs": "[Z, Y]"}, "output Y is computed by no Einsum"),
    "output twice": ({"outputs": "[Z, Z]"}, "output Z is listed twice"),
    "no output": ({"outputs": "[]"}, "there is no output"),
    "unknown batch rank": ({"keys": "batch: [B]"}, "unknown rank B"),
    "batch rank in use": ({"keys": "batch: [P]"}, "p belongs to the batch rank P; leave p out"),
    "split of an unknown rank": ({"keys": "split: {N: [N1, N0]}"}, "unknown rank N"),
    "split into one part": ({"keys": "split: {M: [M1]}"}, "M is split into fewer than two parts"),
    "part that is a rank": ({"keys": "split: {M: [M1, E]}"}, "E is declared twice"),
    "constant that is a rank": ({"keys": "constants: {M: 3}"}, "the constant M is also a rank"),
    "constant that is a variable": ({"keys": "constants: {m: 3}"}, "the constant m is also a rank variable"),
    "constant that is a tensor": ({"keys": "constants: {K: 3}"}, "the constant K is also a tensor"),
    "density of no input": ({"keys": "sparse: {Z: 0.5}"}, "Z has a density but is no input"),
    "density of zero": ({"keys": "sparse: {K: 0}"}, "the density 0.0 of K is out of range"),
    "unknown iterative rank": ({"keys": "iterate: X"}, "unknown rank X"),
    "unused iterative rank": ({"keys": "iterate: J"}, "the iterative rank j is never used"),
    "start of nothing": ({"keys": "start: {X: 0}"}, "X has a start but no Einsum"),
    "start of no state": ({"keys": "start: {Z: 0}"}, "Z has a start but is never written one step ahead"),
    "built-in operator": ({"keys": "operators: {exp: {expression: x}}"}, "exp is a built-in operator"),
    "operator of unknown parts": ({"keys": "operators: {f: {expression: g(x)}}"}, "unknown operator 'g'"),
    "operator of an extent": ({"keys": "operators: {f: {expression: x + M}}"}, "M is neither a number nor x, y or z"),
    "operator of a tensor": ({"keys": "operators: {f: {expression: 'x + Q[m]'}}"}, "its expression is not one of x"),
    "operator of itself": ({"keys": "operators: {f: {expression: f(x)}}"}, "unknown operator 'f' in its expression"),
    "operator of too much": ({"keys": "operators: {f: {expression: 'exp(x, y)'}}"}, "exp in its expression takes 1"),
    "operator that does not parse": ({"keys": "operators: {f: {expression: x *}}"}, "expected a tensor"),
    "operator of nothing": ({"keys": "operators: {f: {expression: '2'}}"}, "its expression is not one of x, y and z"),
    "wrong identity": ({"keys": "operators: {f: {expression: 'max(x, y)', identity: 0}}"}, "0 is not its identity"),
    "not associative": (
        {"keys": "operators: {f: {expression: x + y + x * x * y * y, identity: 0}}"},
        "it is not associative",
    ),
    "not commutative": (
        {"keys": "operators: {f: {expression: 'select(eq(x, 0), y, x)', identity: 0}}"},
        "it is not commutative",
    ),
    "reduction of one operand": (
        {"keys": "operators: {f: {expression: x, identity: 0}}"},
        "an operator that reduces takes x and y",
    ),
}


@pytest.mark.parametrize("case", DECLARATIONS)
def test_a_wrong_declaration_is_explained(case: str) -> None:
    change, what = DECLARATIONS[case]
    found = problems(QK, **change)
    assert any(problem.startswith(what) for problem in found), found


STATE = "S[m] = Q[e,p] * K[e,m]\nX[m+1] = X[m] + S[m]\nZ = X[M]"
STOPS = {
    "start: {X: 0}\nstop: m < M": "the stop of m says when to go on, not when to stop",
    "start: {X: 0}\nstop: m >= 0": "m stops before its first step",
    "start: {X: 0}\nstop: p >= 3": "'p >= 3' does not say which iterative rank it stops",
    "start: {X: 0}\nstop: m >= p": "the stop of m compares it with another variable",
    "start: {X: 0}\nstop: m >= STEPS": "STEPS is neither an extent nor a constant",
    "start: {X: 0}\nstop: m >= 3 and m > 4": "a stop condition is one comparison",
    "batch: []": "X is read before it is first written; add `start: {X: 0}`",
}


@pytest.mark.parametrize("keys", STOPS)
def test_a_wrong_iteration_is_explained(keys: str) -> None:
    found = problems(STATE, keys=f"iterate: M\n{keys}")
    assert any(problem.startswith(STOPS[keys]) for problem in found), found


def test_a_circle_inside_one_step_is_one_even_along_an_iterative_rank() -> None:
    lines = "X[m+1,p] = X[m,p] + Y[m,p]\nY[m,p] = X[m+1,p] * Q[e,p] * K[e,m]\nZ[p] = X[M,p]"
    assert problems(lines, keys="iterate: M\nstart: {X: 0}")[0].startswith("X, Y need each other: a circle")


def test_a_state_is_not_read_before_it_exists() -> None:
    lines = "S[m] = Q[e,p] * K[e,m]\nX[m] = X[m+1] + S[m]\nZ = X[m]"
    assert problems(lines, keys="iterate: M")[0].startswith("X needs itself: a circle")


def test_all_problems_come_together_in_the_order_of_the_file(golden: Callable[[str, str], None]) -> None:
    lines = "\n".join(
        (
            "QK[m,p] = Q[e,p] * KK[e,m]   # a name",
            "GM[p] = max(m] QK[m,p]",
            "SN[m,p] = expo(QK[m,p] - GM[p])",
            "Z[p,x] = SN[m] / SUM[p]",
        )
    )
    with pytest.raises(CascadeError) as caught:
        cascade(lines, outputs="[Z, Y]", keys="batch: [B]")
    golden("cascades/problems.txt", f"{caught.value}\n")


def test_a_long_line_is_cut_around_its_problem() -> None:
    with pytest.raises(CascadeError) as caught:
        cascade(f"Z[m,p] = Q[e,p] * K[e,m] + {'Q[e,p] + ' * 30}WRONG[m]")
    line, caret = caught.value.problems[0].snippet.splitlines()
    assert line[caret.index("^") :].startswith("WRONG[m]")
    assert len(line) < 130


def test_a_name_that_a_broken_line_defines_is_not_reported_again() -> None:
    assert len(problems("S[m,p] = Q[e,p] ** K[e,m]\nZ[p] = max(m) S[m,p]")) == 1
