"""Are the operators that a cascade defines itself sound: names, expressions, operands, algebra?"""

from __future__ import annotations

from attnsim.einsum.ast import Apply, Cascade, Literal, UserOperator, accesses, nodes
from attnsim.einsum.operators import OPERATORS, POPULATE, REDUCTIONS
from attnsim.einsum.source import Complaints, did_you_mean
from attnsim.einsum.tokens import KEYWORDS, NAME
from attnsim.einsum.user_operators import PARAMETERS, as_row


def check_operators(cascade: Cascade, complaints: Complaints) -> None:
    """Note every problem of the user-defined operators; an operator may use those above it."""
    for position, operator in enumerate(cascade.operators):
        _check_name(operator, complaints)
        _check_parts(cascade, position, complaints)
        _check_operands(operator, complaints)
    if any(operator.identity is not None for operator in cascade.operators) and not complaints.problems:
        from attnsim.einsum.check_algebra import check_algebra  # numpy, which few cascades need here

        check_algebra(cascade, complaints)


def _check_name(operator: UserOperator, complaints: Complaints) -> None:
    key, name = f"operators.{operator.name}", operator.name
    if name in OPERATORS or name in POPULATE or name in REDUCTIONS:
        complaints.under(key, f"{name} is a built-in operator", "give yours another name")
    if not NAME.fullmatch(name) or name in KEYWORDS:
        complaints.under(key, f"{name!r} is no name for an operator", "a letter, then letters and digits")


def _check_parts(cascade: Cascade, position: int, complaints: Complaints) -> None:
    """Its expression uses numbers, its operands, built-in operators and earlier ones only."""
    operator = cascade.operators[position]
    key = f"operators.{operator.name}"
    earlier = {**OPERATORS, **{other.name: as_row(other) for other in cascade.operators[:position]}}
    later = {other.name for other in cascade.operators[position:]}
    for node in nodes(operator.expression):
        if isinstance(node, Literal) and isinstance(node.value, str):
            what = f"{node.value} is neither a number nor x, y or z"
            complaints.under(key, what, "an operator knows its operands only")
        elif isinstance(node, Apply) and node.operator not in earlier:
            remedy = "define it further up" if node.operator in later else did_you_mean(node.operator, earlier)
            complaints.under(key, f"unknown operator {node.operator!r} in its expression", remedy)
        elif isinstance(node, Apply) and earlier[node.operator].arity != len(node.operands):
            arity = earlier[node.operator].arity
            what = f"{node.operator} in its expression takes {arity}, not {len(node.operands)} operands"
            complaints.under(key, what, "give it as many as it takes")


def _check_operands(operator: UserOperator, complaints: Complaints) -> None:
    key = f"operators.{operator.name}"
    used = accesses(operator.expression)
    if not used or any(access.indices or access.tensor not in PARAMETERS for access in used):
        complaints.under(key, "its expression is not one of x, y and z", "write for example max(x, y)")
    if operator.identity is not None and len(operator.parameters) != 2:
        complaints.under(key, "an operator that reduces takes x and y", "use both, or leave identity out")
    elif operator.merge == "union" and len(operator.parameters) != 2:
        complaints.under(key, "merge: union is for operators of x and y", "leave merge out")
