"""What a line of a cascade means: indices, expressions, reductions, populate, conditions."""

from __future__ import annotations

import math

import pytest

from attnsim.einsum.ast import Access, Apply, Index, Literal, Reduce, operators
from attnsim.einsum.parser import parse_einsum
from attnsim.einsum.printer import print_einsum, print_index
from attnsim.einsum.tokens import SyntaxProblem

INDICES = {
    "m": Index(terms=(("m", 1),)),
    "m1+1": Index(terms=(("m1", 1),), offset=1),
    "p - 1": Index(terms=(("p", 1),), offset=-1),
    "m1*M0 + m0": Index(terms=(("m1", "M0"), ("m0", 1))),
    "M0*m1 + m0": Index(terms=(("m1", "M0"), ("m0", 1))),
    "q*S+r-2": Index(terms=(("q", "S"), ("r", 1)), offset=-2),
    "2*q": Index(terms=(("q", 2),)),
    "M-1-m": Index(terms=(("m", -1),), offset=-1, symbols=(("M", 1),)),
    "2*S*q": Index(terms=(("q", "2*S"),)),
    "-S*q": Index(terms=(("q", "-S"),)),
    "m+m": Index(terms=(("m", 2),)),
    "M1": Index(symbols=(("M1", 1),)),
    "0": Index(),
    "m+shift": Index(terms=(("m", 1),), symbols=(("shift", 1),)),
}


@pytest.mark.parametrize("text", INDICES)
def test_an_index_is_a_sum_of_variables_extents_and_an_offset(text: str) -> None:
    index = parse_einsum(f"Z = X[{text}]", constants={"shift"}).inputs[0].indices[0]
    assert index == INDICES[text]
    assert parse_einsum(f"Z = X[{print_index(index)}]", constants={"shift"}).inputs[0].indices[0] == index


# Written form -> the form in which it is printed; the printed form has only the parentheses that the tree needs.
EXPRESSIONS = {
    "A[m] * B[m] + C[m]": "A[m] * B[m] + C[m]",
    "A[m] * (B[m] + C[m])": "A[m] * (B[m] + C[m])",
    "(A[m] * B[m]) + C[m]": "A[m] * B[m] + C[m]",
    "A[m] - (B[m] - C[m])": "A[m] - (B[m] - C[m])",
    "(A[m] - B[m]) - C[m]": "A[m] - B[m] - C[m]",
    "A[m] / (B[m] * C[m])": "A[m] / (B[m] * C[m])",
    "-A[m] * B[m]": "-A[m] * B[m]",
    "-(A[m] * B[m])": "-(A[m] * B[m])",
    "- -A[m]": "--A[m]",
    "exp(A[m]-B[m])": "exp(A[m] - B[m])",
    "max(A[m], B[m], C[m])": "max(max(A[m], B[m]), C[m])",
    "2.50 * A[m]": "2.5 * A[m]",
    "A[m] - -1e-5": "A[m] - -1e-05",
    "scale*A[m]": "scale * A[m]",
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_operators_bind_as_in_arithmetic(text: str) -> None:
    assert print_einsum(parse_einsum(f"Z[m] = {text}")) == f"Z[m] = {EXPRESSIONS[text]}"


def test_the_tree_of_a_softmax_numerator_has_the_subtraction_inside() -> None:
    einsum = parse_einsum("SN[m,p] = exp(QK[m,p] - GM[p])")
    assert operators(einsum.expression) == ("-", "exp")
    assert [access.tensor for access in einsum.inputs] == ["QK", "GM"]
    assert einsum.iteration_ranks == ("m", "p")


REDUCTIONS = {
    "Z[m,p] = Q[e,p] * K[e,m]": (Reduce(operator="+", ranks=("e",)),),
    "Z[p] = max(m) S[m,p]": (Reduce(operator="max", ranks=("m",)),),
    "Z = prod(m,p) S[m,p]": (Reduce(operator="*", ranks=("m", "p")),),
    "Z = max(p) sum(m) S[m,p]": (Reduce(operator="+", ranks=("m",)), Reduce(operator="max", ranks=("p",))),
    "Z = max(m) Q[e,p] * K[e,m]": (Reduce(operator="+", ranks=("e", "p")), Reduce(operator="max", ranks=("m",))),
    "Z[m] = max(A[m], B[m])": (),
    "Z[p] = lse(m) (S[m,p] + 1)": (Reduce(operator="lse", ranks=("m",)),),
}


@pytest.mark.parametrize("text", REDUCTIONS)
def test_what_the_output_lacks_is_summed_first_and_named_reductions_apply_from_the_right(text: str) -> None:
    einsum = parse_einsum(text)
    assert einsum.reductions == REDUCTIONS[text]
    assert parse_einsum(print_einsum(einsum)) == einsum


def test_a_populate_fills_a_new_rank_from_one_that_goes_away() -> None:
    einsum = parse_einsum("T[j,p] = topk(m -> j) S[m,p]")
    assert (einsum.populate, einsum.reductions) == ("topk", ())
    assert print_einsum(einsum) == "T[j,p] = topk(m -> j) S[m,p]"


def test_a_chain_of_comparisons_is_several_conditions() -> None:
    einsum = parse_einsum("Z[m,p] = X[m,p] where 0 <= p-m < W and m != 3  # a band")
    assert [condition.relation for condition in einsum.conditions] == ["<=", "<", "!="]
    assert einsum.comment == "a band"
    assert print_einsum(einsum) == "Z[m,p] = X[m,p] where 0 <= p-m and p-m < W and m != 3  # a band"


def test_numbers_are_literals_and_bare_names_wait_to_be_looked_up() -> None:
    assert parse_einsum("Z = -inf").expression == Literal(value=-math.inf)
    assert parse_einsum("Z = -2").expression == Literal(value=-2.0)
    assert parse_einsum("Z = X").expression == Literal(value="X")
    assert parse_einsum("Z = -X[m]").expression == Apply(
        operator="neg", operands=(Access(tensor="X", indices=(INDICES["m"],)),)
    )


def test_every_node_knows_its_columns() -> None:
    einsum = parse_einsum("Z[m] = exp(X[m+1])", line=7)
    span = einsum.inputs[0].indices[0].span
    assert (span.line, span.column, span.end) == (7, 14, 17)


BROKEN = {
    "Z[m] = X[m] Y[m]": ("`Y` does not belong here", 13),
    "Z[m] = X[m] +": ("found the end of the line", 14),
    "Z[m = X[m]": ("expected `,` or `]`", 5),
    "Z[m] = X[m*p]": ("not affine", 12),
    "Z[m] = X[M0*M1]": ("not a product of names", 10),
    "Z[m] = (X[m]": ("expected `)`", 13),
    "Z[m] : X[m]": ("the character ':'", 6),
    "Z[m] = X[m] where m": ("expected a comparison", 20),
    "Z[j] = sort(m -> j) X[m]": ("no populate operator 'sort'", 8),
    "Z[m] = topk(m -> j) X[m]": ("topk takes m from the expression", 21),
    "Z[k] = topk(m -> j) X[m]": ("topk brings j into the output", 1),
    "hello world": ("expected `=`", 7),
    "Z = X[m] = Y[m]": ("`=` does not belong here", 10),
    "Z = where": ("expected a tensor", 5),
    "Z[m] = X[m-12345678901]": ("the position is too large", 12),
    f"Z[m] = {'-' * 5000}X[m]": ("the line is too long from here on", 303),
    f"Z[m] = {'(' * 5000}X[m]": ("the line is too long from here on", 303),
    f"Z[m] = X[m] * 1{'0' * 30}": ("the line is too long from here on", 15),
}


@pytest.mark.parametrize("text", BROKEN)
def test_what_does_not_parse_is_named_with_its_column(text: str) -> None:
    what, column = BROKEN[text]
    with pytest.raises(SyntaxProblem, match=what.replace("(", "\\(").replace(")", "\\)")) as caught:
        parse_einsum(text)
    assert caught.value.span.column == column
