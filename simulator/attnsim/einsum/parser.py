"""One line of a cascade -> Einsum: `A[m,p] = max(k) X[k,m] * Y[k,p] where m <= p  # comment`.

A recursive-descent parser. Names are not looked up here: a bare name is a `Literal` until `attnsim.einsum.build`
knows which tensors exist.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from attnsim.einsum.ast import Access, Apply, Einsum, Expression, Literal, Reduce, accesses
from attnsim.einsum.index_parser import parse_access, parse_conditions
from attnsim.einsum.operators import POPULATE, REDUCTIONS
from attnsim.einsum.tokens import Cursor, SyntaxProblem, Token, between, shown, tokenize

_FOLDING = ("max", "min")
_CLAUSES = ("where", "and")


def parse_einsum(text: str, line: int = 0, constants: Collection[str] = ()) -> Einsum:
    """Parse one Einsum; SyntaxProblem at the first thing that cannot be read.

    Ranks of the expression that are neither in the output nor reduced by name are summed, before any named reduction.
    """
    cursor, comment = tokenize(text, line)
    output = parse_access(cursor, constants)
    cursor.expect("=", "after the output")
    reductions, populate = _prefixes(cursor)
    expression = parse_expression(cursor, constants)
    conditions = parse_conditions(cursor, constants) if cursor.accept("where") else ()
    if cursor.token.kind != "end":
        raise SyntaxProblem(cursor.token.span, f"{shown(cursor.token)} does not belong here", _leftover(cursor.token))
    if populate:
        _check_populate(populate, output, expression)
    named = {rank for reduction in reductions for rank in reduction.ranks}
    kept = {*output.variables, *named, *(populate or ())[1:]}
    inner = dict.fromkeys(v for access in accesses(expression) for v in access.variables if v not in kept)
    if inner:
        reductions = (Reduce(operator="+", ranks=tuple(inner), span=output.span), *reductions)
    return Einsum(
        output=output,
        expression=expression,
        reductions=reductions,
        conditions=conditions,
        populate=populate[0] if populate else None,
        comment=comment,
        span=between(output.span, cursor.token.span),
    )


def parse_expression(cursor: Cursor, constants: Collection[str]) -> Expression:
    """A sum of products of factors, left to right."""
    left = _product(cursor, constants)
    while cursor.token.text in ("+", "-"):
        sign = cursor.take().text
        right = _product(cursor, constants)
        left = Apply(operator=sign, operands=(left, right), span=between(left.span, right.span))
    return left


def _product(cursor: Cursor, constants: Collection[str]) -> Expression:
    left = _factor(cursor, constants)
    while cursor.token.text in ("*", "/"):
        sign = cursor.take().text
        right = _factor(cursor, constants)
        left = Apply(operator=sign, operands=(left, right), span=between(left.span, right.span))
    return left


def _factor(cursor: Cursor, constants: Collection[str]) -> Expression:
    token = cursor.token
    if token.kind == "number":
        return Literal(value=float(cursor.take().text), span=token.span)
    if cursor.accept("-"):
        operand = _factor(cursor, constants)
        span = between(token.span, operand.span)
        if isinstance(operand, Literal) and isinstance(operand.value, float) and operand.value >= 0:
            return Literal(value=-operand.value, span=span)
        return Apply(operator="neg", operands=(operand,), span=span)
    if cursor.accept("("):
        inner = parse_expression(cursor, constants)
        cursor.expect(")", "after the expression")
        return inner
    if token.kind != "name" or token.text in _CLAUSES:
        raise SyntaxProblem(token.span, f"expected a tensor, a number or an operator's name, found {shown(token)}")
    if cursor.peek().text == "(":
        return _call(cursor, constants)
    if cursor.peek().text == "[":
        return parse_access(cursor, constants)
    cursor.take()
    return Literal(value=math.inf if token.text == "inf" else token.text, span=token.span)


def _call(cursor: Cursor, constants: Collection[str]) -> Expression:
    """`exp(x)`, `max(x, y)`; max and min of more operands fold from the left."""
    name = cursor.take()
    cursor.expect("(", f"after {name.text}")
    operands = [parse_expression(cursor, constants)]
    while cursor.accept(","):
        operands.append(parse_expression(cursor, constants))
    span = between(name.span, cursor.expect(")", f"after the operands of {name.text}").span)
    while name.text in _FOLDING and len(operands) > 2:
        operands[:2] = [Apply(operator=name.text, operands=tuple(operands[:2]), span=span)]
    return Apply(operator=name.text, operands=tuple(operands), span=span)


def _prefixes(cursor: Cursor) -> tuple[tuple[Reduce, ...], tuple[str, str, str] | None]:
    """Reductions in front of the expression in order of application, and (operator, from, to) of a populate."""
    written: list[Reduce] = []
    populate: tuple[str, str, str] | None = None
    while populate is None and _is_prefix(cursor):
        name = cursor.take()
        cursor.expect("(", f"after {name.text}")
        ranks = [cursor.expect_name("a rank variable").text]
        if cursor.accept("->"):
            populate = (_populate_name(name), ranks[0], cursor.expect_name("the rank variable to fill").text)
        while cursor.accept(","):
            ranks.append(cursor.expect_name("a rank variable").text)
        close = cursor.expect(")", f"after the ranks of {name.text}")
        if populate is None:
            operator = REDUCTIONS.get(name.text, name.text)
            written.append(Reduce(operator=operator, ranks=tuple(ranks), span=between(name.span, close.span)))
    return tuple(reversed(written)), populate


def _check_populate(populate: tuple[str, str, str], output: Access, expression: Expression) -> None:
    """A populate takes a rank variable of the expression away and brings a new one into the output."""
    name, old, new = populate
    used = [variable for access in accesses(expression) for variable in access.variables]
    if old not in used or old in output.variables:
        what = f"{name} takes {old} from the expression, which must have it, and not the output"
        raise SyntaxProblem(expression.span, what, f"write for example T[{new}] = {name}({old} -> {new}) X[{old}]")
    if new not in output.variables or new in used:
        what = f"{name} brings {new} into the output, which must have it, and not the expression"
        raise SyntaxProblem(output.span, what, f"write for example T[{new}] = {name}({old} -> {new}) X[{old}]")


def _is_prefix(cursor: Cursor) -> bool:
    """Whether `name(a, b)` follows and then an expression begins: a reduction, not a call."""
    ahead = 1
    if cursor.token.kind != "name" or cursor.peek(ahead).text != "(":
        return False
    while cursor.peek(ahead).text in ("(", ",", "->") and cursor.peek(ahead + 1).kind == "name":
        ahead += 2
    after = cursor.peek(ahead + 1)
    if cursor.peek(ahead).text != ")" or after.text in _CLAUSES:
        return False
    return after.kind in ("name", "number") or after.text == "(" or cursor.peek(ahead - 2).text == "->"


def _populate_name(name: Token) -> str:
    if name.text not in POPULATE:
        known = ", ".join(POPULATE)
        raise SyntaxProblem(name.span, f"there is no populate operator {name.text!r}", f"known: {known}")
    return name.text


def _leftover(token: Token) -> str:
    if token.text in ("(", "[") or token.kind in ("name", "number"):
        return "write an operator such as * between two factors"
    if token.text == "=":
        return "one Einsum per line, with one ="
    return "check the brackets before it"
