"""Affine index expressions: `m1*M0 + m0 - 1` -> Index, `0 <= p - m < W` -> Conditions.

An index is a sum of terms, each at most one rank variable times integers, constants and extents. Names in upper case
and declared constants are symbols, every other name is a rank variable.
"""

from __future__ import annotations

from collections.abc import Collection

from attnsim.einsum.ast import Access, Condition, Index, Span
from attnsim.einsum.tokens import Cursor, SyntaxProblem, between, shown

MOST_DIGITS = 9
"""So that positions stay far inside 64-bit integers."""

RELATIONS = ("<=", "<", ">=", ">", "==", "!=")


def parse_access(cursor: Cursor, constants: Collection[str]) -> Access:
    """A tensor with its indices, `K[e,m1,m0]`; a name alone is a scalar."""
    name = cursor.expect_name("the name of a tensor")
    if not cursor.accept("["):
        return Access(tensor=name.text, span=name.span)
    indices: list[Index] = []
    while not (close := cursor.accept("]")):
        if indices:
            cursor.expect(",", "or `]` after an index")
        indices.append(parse_index(cursor, constants))
    return Access(tensor=name.text, indices=tuple(indices), span=between(name.span, close.span))


def parse_index(cursor: Cursor, constants: Collection[str]) -> Index:
    """One affine index; equal variables are added up, and terms come before symbols before the offset."""
    first = cursor.token.span
    terms: dict[str, int | str] = {}
    symbols: dict[str, int] = {}
    offset = 0
    sign = -1 if cursor.accept("-") else 1
    while True:
        start = cursor.token.span
        number, variable, names = _product(cursor, constants)
        number *= sign
        span = between(start, cursor.last)
        if variable is not None:
            terms[variable] = _added(terms.get(variable), coefficient(number, names), span)
        elif len(names) > 1:
            raise SyntaxProblem(span, "a position is not a product of names", "declare a constant for it")
        elif names:
            symbols[names[0]] = symbols.get(names[0], 0) + number
        else:
            offset += number
        if not (cursor.token.kind == "sign" and cursor.token.text in "+-"):
            break
        sign = -1 if cursor.take().text == "-" else 1
    return Index(
        terms=tuple((name, value) for name, value in terms.items() if value != 0),
        offset=offset,
        symbols=tuple((name, value) for name, value in symbols.items() if value != 0),
        span=between(first, cursor.last),
    )


def coefficient(number: int, names: list[str]) -> int | str:
    """A coefficient in its one written form: 3, `S`, `-S`, `2*S`, `M1*M0`."""
    if not names or number == 0:
        return number
    product = "*".join(names)
    return {1: product, -1: f"-{product}"}.get(number, f"{number}*{product}")


def parse_conditions(cursor: Cursor, constants: Collection[str]) -> tuple[Condition, ...]:
    """Conditions joined by `and` or commas; a chain `0 <= m < W` is two conditions."""
    conditions: list[Condition] = []
    while True:
        left = parse_index(cursor, constants)
        if cursor.token.text not in RELATIONS:
            remedy = f"write one of {' '.join(RELATIONS)}"
            raise SyntaxProblem(cursor.token.span, f"expected a comparison, found {shown(cursor.token)}", remedy)
        while cursor.token.text in RELATIONS:
            relation = cursor.take()
            right = parse_index(cursor, constants)
            span = between(left.span, right.span)
            conditions.append(Condition(left=left, relation=relation.text, right=right, span=span))
            left = right
        if not (cursor.accept("and") or cursor.accept(",")):
            return tuple(conditions)


def _product(cursor: Cursor, constants: Collection[str]) -> tuple[int, str | None, list[str]]:
    """One term as (integer factor, rank variable or None, names of symbols)."""
    number, variable, names = 1, None, []
    while True:
        token = cursor.take()
        if token.kind == "number" and len(token.text) > MOST_DIGITS:
            raise SyntaxProblem(token.span, "the position is too large", f"at most {MOST_DIGITS} digits")
        if token.kind == "number" and token.text.isdecimal():
            number *= int(token.text)
        elif token.kind != "name":
            what = f"expected a rank variable, a constant or a whole number, found {shown(token)}"
            raise SyntaxProblem(token.span, what)
        elif token.text in constants or token.text.isupper():
            names.append(token.text)
        elif variable is None:
            variable = token.text
        else:
            what = f"the product {variable}*{token.text} of two rank variables is not affine"
            raise SyntaxProblem(token.span, what, "use sums of variables times constants")
        if not cursor.accept("*"):
            return number, variable, names


def _added(old: int | str | None, new: int | str, span: Span) -> int | str:
    if old is None:
        return new
    if isinstance(old, int) and isinstance(new, int):
        return old + new
    raise SyntaxProblem(span, "a rank variable has two coefficients with names", "write one coefficient for it")
