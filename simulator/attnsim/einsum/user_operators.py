"""User-defined operators: their row for the operator table, from the expression that defines them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attnsim.einsum.ast import Cascade, Expression, UserOperator, accesses, operators
from attnsim.einsum.operators import OPERATORS, Operator
from attnsim.einsum.source import OperatorSource

PARAMETERS = ("x", "y", "z")


def define_operator(written: OperatorSource, expression: Expression, earlier: Iterable[UserOperator]) -> UserOperator:
    """The operator that an expression in x, y, z defines.

    Costs the FLOPs of the operators in the expression unless the author counts them. Present where any operand is if it
    has an identity (it can then reduce), else where all are, unless the author says otherwise.
    """
    table = {**OPERATORS, **{operator.name: as_row(operator) for operator in earlier}}
    flops = sum(table[name].flops for name in operators(expression) if name in table)
    used = {access.tensor for access in accesses(expression)}
    last = max((i for i, parameter in enumerate(PARAMETERS) if parameter in used), default=0)
    return UserOperator(
        name=written.name,
        parameters=PARAMETERS[: last + 1],
        expression=expression,
        identity=written.identity,
        flops=flops if written.flops is None else written.flops,
        merge=written.merge or ("intersection" if written.identity is None else "union"),
    )


def as_row(operator: UserOperator) -> Operator:
    """The operator as a row of the operator table; hardware knows it by its own name."""
    reduces = operator.identity is not None
    return Operator(
        name=operator.name,
        arity=len(operator.parameters),
        kind=operator.name,
        flops=operator.flops,
        merge=operator.merge,
        identity=operator.identity,
        associative=reduces,
        commutative=reduces,
    )


def operator_table(cascade: Cascade) -> Mapping[str, Operator]:
    """Every operator that a cascade may use: the built-in table and its own."""
    return {**OPERATORS, **{operator.name: as_row(operator) for operator in cascade.operators}}
