"""A cascade as written -> Cascade: parse every line, look up every name, check the whole, report all problems
together."""

from __future__ import annotations

from dataclasses import replace

from attnsim.einsum.ast import (
    Access,
    Apply,
    Cascade,
    Condition,
    Einsum,
    Expression,
    Iteration,
    Literal,
    Split,
    Tensor,
    UserOperator,
)
from attnsim.einsum.check import check_cascade
from attnsim.einsum.index_parser import parse_access, parse_conditions
from attnsim.einsum.parser import parse_einsum, parse_expression
from attnsim.einsum.partition import expand_condition
from attnsim.einsum.source import CascadeSource, Complaints, OperatorSource
from attnsim.einsum.tokens import SyntaxProblem, shown, tokenize
from attnsim.einsum.user_operators import PARAMETERS, define_operator
from attnsim.errors import CascadeError


def parse_cascade(source: CascadeSource) -> Cascade:
    """Understand a cascade; CascadeError with every problem found, each with its line and a caret."""
    complaints = Complaints(source=source)
    constants = frozenset(name for name, _ in source.constants)
    einsums, unread = _einsums(source, constants, complaints)
    inputs = _inputs(source, complaints)
    tensors = {tensor.name for tensor in inputs} | {einsum.name for einsum in einsums} | unread
    splits = tuple(Split(rank=rank, parts=parts) for rank, parts in source.split)
    iterations = _iterations(source, constants, complaints)
    cascade = Cascade(
        name=source.name,
        title=source.title,
        source=source.source,
        computes=source.computes,
        ranks=source.ranks,
        batch=source.batch,
        splits=splits,
        inputs=inputs,
        iterations=iterations,
        start=source.start,
        constants=source.constants,
        einsums=tuple(_resolved(einsum, tensors, splits) for einsum in einsums),
        outputs=source.outputs,
        operators=tuple(_operators(source, complaints)),
        sparse=source.sparse,
        same=source.same,
    )
    check_cascade(cascade, complaints, unread)
    if complaints.problems:
        raise CascadeError(*sorted(complaints.problems, key=lambda problem: problem.line))
    return cascade


def _einsums(
    source: CascadeSource, constants: frozenset[str], complaints: Complaints
) -> tuple[list[Einsum], frozenset[str]]:
    """Einsums of the text, and the names that lines which do not parse seem to define."""
    einsums: list[Einsum] = []
    unread: set[str] = set()
    for number, text in enumerate(source.einsums.splitlines(), start=source.einsums_line):
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        try:
            einsums.append(parse_einsum(text, number, constants))
        except SyntaxProblem as problem:
            complaints.at(problem.span, problem.what, problem.remedy)
            unread.add(text.strip().partition("[")[0].partition("=")[0].strip())
    return einsums, frozenset(unread)


def _inputs(source: CascadeSource, complaints: Complaints) -> tuple[Tensor, ...]:
    """Declared inputs; their indices are rank variables, `K[e,m]`."""
    tensors: list[Tensor] = []
    for text in source.inputs:
        try:
            access = _whole_access(text)
        except SyntaxProblem as problem:
            complaints.under("inputs", problem.what, "write for example K[e,m]", text, problem.span)
            continue
        ranks = [index.plain for index in access.indices]
        crooked = next((index for index in access.indices if index.plain is None), None)
        if crooked is not None:
            remedy = "declare an input with plain rank variables, K[e,m]"
            complaints.under("inputs", f"{text} has an index that is no rank variable", remedy, text, crooked.span)
        tensors.append(Tensor(name=access.tensor, ranks=tuple(rank.upper() for rank in ranks if rank)))
    return tuple(tensors)


def _whole_access(text: str) -> Access:
    cursor, _ = tokenize(text)
    access = parse_access(cursor, ())
    if cursor.token.kind != "end":
        raise SyntaxProblem(cursor.token.span, f"{shown(cursor.token)} does not belong here")
    return access


def _iterations(source: CascadeSource, constants: frozenset[str], complaints: Complaints) -> tuple[Iteration, ...]:
    """Iterative ranks with their stop conditions; a condition belongs to the variable that it mentions."""
    variables = [name.lower() for name in source.iterate]
    stops: dict[str, Condition] = {}
    for text in source.stop:
        try:
            variable, condition = _stop(text, [v for v in variables if v not in stops], constants)
            stops[variable] = condition
        except SyntaxProblem as problem:
            remedy = problem.remedy or "write for example m1 >= STEPS"
            complaints.under("stop", problem.what, remedy, text, problem.span)
    return tuple(Iteration(rank=variable, stop=stops.get(variable)) for variable in variables)


def _stop(text: str, variables: list[str], constants: frozenset[str]) -> tuple[str, Condition]:
    """A stop condition and the iterative variable that it stops."""
    cursor, _ = tokenize(text)
    condition, *more = parse_conditions(cursor, constants)
    if more or cursor.token.kind != "end":
        raise SyntaxProblem(cursor.token.span, "a stop condition is one comparison")
    mentioned = [v for v in variables if v in (*condition.left.variables, *condition.right.variables)]
    if len(mentioned) != 1:
        remedy = f"compare {' or '.join(variables) or 'an iterative rank'} with a constant or an extent"
        raise SyntaxProblem(condition.span, f"{text!r} does not say which iterative rank it stops", remedy)
    return mentioned[0], condition


def _operators(source: CascadeSource, complaints: Complaints) -> list[UserOperator]:
    """User-defined operators, in the order of the file; a later one may use an earlier one."""
    defined: list[UserOperator] = []
    for written in source.operators:
        try:
            expression = _whole_expression(written)
        except SyntaxProblem as problem:
            remedy = problem.remedy or "write an expression in x, y, z, for example max(x, y)"
            complaints.under(f"operators.{written.name}", problem.what, remedy, written.expression, problem.span)
            continue
        defined.append(define_operator(written, expression, defined))
    return defined


def _whole_expression(written: OperatorSource) -> Expression:
    cursor, _ = tokenize(written.expression)
    expression = parse_expression(cursor, ())
    if cursor.token.kind != "end":
        raise SyntaxProblem(cursor.token.span, f"{shown(cursor.token)} does not belong here")
    return resolve_names(expression, frozenset(PARAMETERS))


def _resolved(einsum: Einsum, tensors: set[str], splits: tuple[Split, ...]) -> Einsum:
    """The Einsum with scalar tensors recognized, and conditions on a split rank written in its parts."""
    present = set(einsum.iteration_ranks)
    conditions = tuple(expand_condition(condition, splits, present) for condition in einsum.conditions)
    return replace(einsum, expression=resolve_names(einsum.expression, tensors), conditions=conditions)


def resolve_names(expression: Expression, tensors: set[str] | frozenset[str]) -> Expression:
    """The expression with each bare name that is a tensor turned into an access to a scalar."""
    if isinstance(expression, Literal) and isinstance(expression.value, str) and expression.value in tensors:
        return Access(tensor=expression.value, span=expression.span)
    if isinstance(expression, Apply):
        return replace(expression, operands=tuple(resolve_names(o, tensors) for o in expression.operands))
    return expression
