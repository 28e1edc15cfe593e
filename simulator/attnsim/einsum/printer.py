"""Cascade -> the text of a cascade file, which reads back as the same cascade."""

from __future__ import annotations

import json
import math
import re

from attnsim.einsum.ast import Access, Apply, Cascade, Condition, Einsum, Expression, Index, Literal, Reduce
from attnsim.einsum.operators import REDUCTIONS

_INFIX = {"+": 1, "-": 1, "*": 2, "/": 2}
_NEGATION = 3
_WRITTEN = {operator: written for written, operator in REDUCTIONS.items()}
_SAFE = re.compile(r"[A-Za-z][A-Za-z0-9_ ./()-]*")
_READ_AS_SOMETHING_ELSE = frozenset({"true", "false", "null", "inf"})


def print_cascade(cascade: Cascade) -> str:
    """The whole cascade as YAML; comments stay beside their Einsums."""
    lines = [f"name: {_quoted(cascade.name)}"]
    lines += [f"title: {_quoted(cascade.title)}"] if cascade.title else []
    lines += [f"source: {_quoted(cascade.source)}"]
    lines += [f"computes: {_quoted(cascade.computes)}"] if cascade.computes else []
    lines += [f"ranks: {_mapping([(rank, _quoted(meaning)) for rank, meaning in cascade.ranks])}"]
    lines += [f"batch: [{', '.join(cascade.batch)}]"] if cascade.batch else []
    lines += [f"same: {_mapping(list(cascade.same))}"] if cascade.same else []
    splits = [(split.rank, f"[{', '.join(split.parts)}]") for split in cascade.splits]
    lines += [f"split: {_mapping(splits)}"] if splits else []
    inputs = [f"{t.name}[{','.join(rank.lower() for rank in t.ranks)}]" if t.ranks else t.name for t in cascade.inputs]
    lines += [f"inputs: {', '.join(inputs)}"] if inputs else []
    lines += _numbers("constants", cascade.constants) + _numbers("sparse", cascade.sparse)
    lines += _operator_lines(cascade)
    lines += [f"iterate: [{', '.join(i.rank.upper() for i in cascade.iterations)}]"] if cascade.iterations else []
    lines += _numbers("start", cascade.start)
    stops = [json.dumps(print_condition(i.stop)) for i in cascade.iterations if i.stop]
    lines += [f"stop: [{', '.join(stops)}]"] if stops else []
    lines += ["einsums: |", *(f"  {line}" for line in print_einsums(cascade))]
    lines += [f"outputs: [{', '.join(cascade.outputs)}]"]
    return "\n".join(lines) + "\n"


def print_einsums(cascade: Cascade) -> list[str]:
    """One line an Einsum, with the equals signs below each other."""
    width = max((len(print_access(einsum.output)) for einsum in cascade.einsums), default=0)
    return [print_einsum(einsum, width) for einsum in cascade.einsums]


def print_einsum(einsum: Einsum, width: int = 0) -> str:
    """One Einsum; the output is padded to `width` characters."""
    prefix = "".join(f"{_reduction(reduction)} " for reduction in _written_reductions(einsum))
    if einsum.populate:
        used = dict.fromkeys(variable for access in einsum.inputs for variable in access.variables)
        old = next(v for v in used if v not in einsum.output.variables and v not in einsum.reduced_ranks)
        new = next(v for v in einsum.output.variables if v not in used)
        prefix += f"{einsum.populate}({old} -> {new}) "
    expression = print_expression(einsum.expression)
    if prefix and expression.startswith("-"):
        expression = f"({expression})"
    where = " and ".join(print_condition(condition) for condition in einsum.conditions)
    text = f"{print_access(einsum.output):<{width}} = {prefix}{expression}"
    text += f" where {where}" if where else ""
    return f"{text}  # {einsum.comment}" if einsum.comment else text


def print_expression(expression: Expression, binding: int = 0) -> str:
    """An expression with the parentheses that its tree needs; `binding` is the strength of what stands around it."""
    if isinstance(expression, Access):
        return print_access(expression)
    if isinstance(expression, Literal):
        text = expression.value if isinstance(expression.value, str) else print_number(expression.value)
        return f"({text})" if text.startswith("-") and binding >= _NEGATION else text
    own = _INFIX.get(expression.operator)
    if own and len(expression.operands) == 2:
        left, right = expression.operands
        text = f"{print_expression(left, own)} {expression.operator} {print_expression(right, own + 1)}"
        return f"({text})" if own < binding else text
    if expression.operator == "neg" and len(expression.operands) == 1:
        return _negated(expression)
    operands = ", ".join(print_expression(operand) for operand in expression.operands)
    return f"{expression.operator}({operands})"


def print_access(access: Access) -> str:
    """`K[e,m1,m0]`, or the bare name of a scalar."""
    indices = ",".join(print_index(index) for index in access.indices)
    return f"{access.tensor}[{indices}]" if indices else access.tensor


def print_index(index: Index) -> str:
    """`m1*M0+m0`, `M1`, `p-1`; an index without terms is `0`."""
    parts = [_term(variable, factor) for variable, factor in index.terms]
    parts += [_term(name, factor) for name, factor in index.symbols]
    if index.offset or not parts:
        parts.append(str(index.offset))
    return "".join(part if part.startswith("-") or not i else f"+{part}" for i, part in enumerate(parts))


def print_condition(condition: Condition) -> str:
    """`m <= p`."""
    return f"{print_index(condition.left)} {condition.relation} {print_index(condition.right)}"


def print_number(value: float) -> str:
    """A number as short as it can be read back exactly; whole numbers without a point."""
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return repr(float(value))


def _negated(expression: Apply) -> str:
    """`-x`; a number below is bracketed so that it does not become a negative number."""
    operand = expression.operands[0]
    text = print_expression(operand, _NEGATION)
    return f"neg({text})" if isinstance(operand, Literal) and isinstance(operand.value, float) else f"-{text}"


def _term(name: str, factor: int | str) -> str:
    if isinstance(factor, str):
        sign = "-" if factor.startswith("-") else ""
        return f"{sign}{name}*{factor.removeprefix('-')}"
    if abs(factor) == 1:
        return name if factor > 0 else f"-{name}"
    return f"{factor}*{name}"


def _written_reductions(einsum: Einsum) -> list[Reduce]:
    """Reductions that must be written, last applied first: a first sum over what is left goes without saying."""
    written = list(einsum.reductions)
    if written and written[0].operator == "+" and not einsum.populate and _is_implied(einsum, written[0]):
        del written[0]
    return list(reversed(written))


def _is_implied(einsum: Einsum, reduction: Reduce) -> bool:
    used = dict.fromkeys(variable for access in einsum.inputs for variable in access.variables)
    later = {rank for other in einsum.reductions[1:] for rank in other.ranks}
    return reduction.ranks == tuple(v for v in used if v not in einsum.output.variables and v not in later)


def _reduction(reduction: Reduce) -> str:
    return f"{_WRITTEN.get(reduction.operator, reduction.operator)}({','.join(reduction.ranks)})"


def _operator_lines(cascade: Cascade) -> list[str]:
    lines = ["operators:"] if cascade.operators else []
    for operator in cascade.operators:
        fields = [f"expression: {json.dumps(print_expression(operator.expression))}"]
        fields += [f"identity: {print_number(operator.identity)}"] if operator.identity is not None else []
        fields += [f"flops: {operator.flops}", f"merge: {operator.merge}"]
        lines.append(f"  {operator.name}: {{{', '.join(fields)}}}")
    return lines


def _numbers(key: str, pairs: tuple[tuple[str, float | None], ...] | tuple[tuple[str, float], ...]) -> list[str]:
    written = [(name, "null" if value is None else print_number(value)) for name, value in pairs]
    return [f"{key}: {_mapping(written)}"] if written else []


def _mapping(pairs: list[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in pairs) + "}"


def _quoted(text: str) -> str:
    """Plain text where YAML takes it literally, else in double quotes."""
    plain = _SAFE.fullmatch(text) and text == text.strip() and text not in _READ_AS_SOMETHING_ELSE
    quoted = json.dumps(text, ensure_ascii=False)
    return text if plain else "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in quoted)
