"""Does each Einsum fit the declarations: tensors, ranks, operators, indices, conditions?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from attnsim.einsum.ast import Access, Apply, Cascade, Condition, Einsum, Expression, Index, Literal, Reduce, nodes
from attnsim.einsum.check_declarations import rank_names
from attnsim.einsum.operators import REDUCTIONS, Operator
from attnsim.einsum.partition import index_names
from attnsim.einsum.shapes import match_indices, output_ranks, tensor_ranks
from attnsim.einsum.source import Complaints, did_you_mean
from attnsim.einsum.user_operators import operator_table


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """What the lines of a cascade may refer to, and where to complain."""

    cascade: Cascade
    ranks: tuple[str, ...]
    tensors: Mapping[str, tuple[str, ...]]
    operators: Mapping[str, Operator]
    unread: frozenset[str]
    complaints: Complaints

    @property
    def symbols(self) -> tuple[str, ...]:
        """Names that stand for a number in an index: extents and constants."""
        return (*self.ranks, *(name for name, _ in self.cascade.constants))


def check_einsums(cascade: Cascade, complaints: Complaints, unread: frozenset[str]) -> None:
    """Note every problem of every line by itself."""
    scope = _Scope(
        cascade=cascade,
        ranks=rank_names(cascade),
        tensors=tensor_ranks(cascade),
        operators=operator_table(cascade),
        unread=unread,
        complaints=complaints,
    )
    for einsum in cascade.einsums:
        for access in (einsum.output, *einsum.inputs):
            _check_variables(scope, access.indices)
        for condition in einsum.conditions:
            _check_condition(scope, einsum, condition)
        for access in einsum.inputs:
            _check_read(scope, access)
        for node in nodes(einsum.expression):
            _check_node(scope, node)
        for reduction in einsum.reductions:
            _check_reduction(scope, einsum, reduction)
        _check_output(scope, einsum)


def _check_variables(scope: _Scope, indices: tuple[Index, ...]) -> None:
    """Every variable belongs to a rank that is declared and not implicit, every other name is a number."""
    for index, variable in [(i, variable) for i in indices for variable in i.variables]:
        rank = variable.upper()
        if rank not in scope.ranks:
            remedy = did_you_mean(variable, [name.lower() for name in scope.ranks])
            scope.complaints.at(index.span, f"unknown rank {rank} of the variable {variable}", remedy)
        elif rank in scope.cascade.batch:
            remedy = f"leave {variable} out: every tensor has it"
            scope.complaints.at(index.span, f"{variable} belongs to the batch rank {rank}", remedy)
    for index, name in [(i, name) for i in indices for name in index_names(i)]:
        if name not in scope.symbols:
            remedy = did_you_mean(name, scope.symbols)
            scope.complaints.at(index.span, f"{name} is neither an extent nor a constant", remedy)
        elif not float(dict(scope.cascade.constants).get(name) or 0).is_integer():
            what = f"the constant {name} counts positions here but is no whole number"
            scope.complaints.at(index.span, what, "use a whole number, or use it in the expression only")


def _check_condition(scope: _Scope, einsum: Einsum, condition: Condition) -> None:
    _check_variables(scope, (condition.left, condition.right))
    present = einsum.iteration_ranks
    for variable in dict.fromkeys(condition.left.variables + condition.right.variables):
        if variable not in present and variable.upper() in scope.ranks:
            remedy = f"this Einsum has {', '.join(present) or 'no rank variables'}"
            scope.complaints.at(condition.span, f"the condition uses {variable}, which is not in the Einsum", remedy)


def _check_read(scope: _Scope, access: Access) -> None:
    """The tensor exists and its indices fit its ranks."""
    if access.tensor in scope.unread:
        return
    if access.tensor not in scope.tensors:
        remedy = did_you_mean(access.tensor, scope.tensors)
        scope.complaints.at(access.span, f"unknown tensor {access.tensor}", remedy)
        return
    ranks = scope.tensors[access.tensor]
    matches = match_indices(access.indices, ranks, scope.cascade.splits)
    shape = f"{access.tensor}[{','.join(rank.lower() for rank in ranks)}]" if ranks else access.tensor
    if matches is None:
        what = (
            f"{access.tensor} has {_count(len(ranks), 'rank')} but is read with {_count(len(access.indices), 'index')}"
        )
        scope.complaints.at(access.span, what, f"it is {shape}")
        return
    plain = [index.plain.upper() for index in access.indices if index.plain]
    if plain != list(ranks) and sorted(plain) == sorted(ranks):
        scope.complaints.at(access.span, f"the indices of {access.tensor} are in another order", f"it is {shape}")
        return
    for match in matches:
        index, rank = match.indices[0], match.ranks[0]
        lined_up = len(match.indices) > 1 or len(match.ranks) > 1
        if index.plain and not lined_up and index.plain.upper() in scope.ranks and not _agree(scope, index.plain, rank):
            what = f"rank mismatch: {access.tensor} has rank {rank} here, not {index.plain.upper()}"
            remedy = f"it is {shape}; if both ranks are the same, declare `same: {{{index.plain.upper()}: {rank}}}`"
            scope.complaints.at(index.span, what, remedy)


def _agree(scope: _Scope, variable: str, rank: str) -> bool:
    """Whether a variable may walk a rank: its own, or one declared to be the same."""
    own = variable.upper()
    chain = {own}
    for first, second in (*scope.cascade.same, *scope.cascade.same):
        if first in chain or second in chain:
            chain |= {first, second}
    return rank in chain


def _check_node(scope: _Scope, node: Expression) -> None:
    """An operator exists and has its number of operands; a bare name is a number."""
    if isinstance(node, Literal) and isinstance(node.value, str) and node.value not in scope.symbols:
        if node.value in scope.unread:
            return
        known = [*scope.tensors, *scope.symbols]
        what = f"{node.value} is neither a tensor nor a constant"
        remedy = did_you_mean(node.value, known)
        if node.value.upper() in scope.ranks:
            what, remedy = f"{node.value} is a rank variable, not a value", "pass positions in as an input tensor"
        scope.complaints.at(node.span, what, remedy)
    if not isinstance(node, Apply):
        return
    row = scope.operators.get(node.operator)
    if row is None:
        name = replace(node.span, end=node.span.column + len(node.operator))
        named = [row.name for row in scope.operators.values() if row.name.isidentifier()]
        scope.complaints.at(name, f"unknown operator {node.operator}", did_you_mean(node.operator, named))
    elif row.arity != len(node.operands):
        what = f"{node.operator} takes {_count(row.arity, 'operand')}, not {len(node.operands)}"
        remedy = f"a reduction is written in front: {node.operator}(m) X[m]" if row.identity is not None else ""
        scope.complaints.at(node.span, what, remedy)


def _check_reduction(scope: _Scope, einsum: Einsum, reduction: Reduce) -> None:
    row = scope.operators.get(reduction.operator)
    written = [*REDUCTIONS, *(o.name for o in scope.cascade.operators if o.identity is not None)]
    if row is None:
        what = f"unknown reduction {reduction.operator}"
        scope.complaints.at(reduction.span, what, did_you_mean(reduction.operator, written))
    elif row.identity is None or not row.associative:
        what = f"{reduction.operator} cannot reduce: it has no identity"
        scope.complaints.at(reduction.span, what, did_you_mean(reduction.operator, written))
    used = {variable for access in einsum.inputs for variable in access.variables}
    for rank in reduction.ranks:
        if rank in einsum.output.variables:
            scope.complaints.at(reduction.span, f"{rank} is reduced but is also in the output", "take it out of one")
        elif rank not in used:
            remedy = did_you_mean(rank, sorted(used))
            scope.complaints.at(reduction.span, f"{rank} is reduced but is not in the expression", remedy)
    repeated = einsum.reduced_ranks
    for rank in (rank for rank in reduction.ranks if repeated.count(rank) > 1):
        scope.complaints.at(reduction.span, f"{rank} is reduced twice", "reduce it once")


def _check_output(scope: _Scope, einsum: Einsum) -> None:
    used = {variable for access in einsum.inputs for variable in access.variables}
    iterative = {iteration.rank for iteration in scope.cascade.iterations}
    fresh = [v for v in einsum.output.variables if v not in used and v.upper() in scope.ranks]
    if not einsum.populate:
        for index in (i for i in einsum.output.indices if set(i.variables) & set(fresh)):
            what = f"{', '.join(v for v in index.variables if v in fresh)} is in the output but not in the expression"
            scope.complaints.at(index.span, what, "use it in the expression, or fill it with topk(m -> j)")
    for rank, index in zip(output_ranks(einsum, scope.cascade.splits), einsum.output.indices, strict=True):
        if not rank:
            remedy = "write a rank variable, an iterative one plus a whole number, or all parts of a split rank"
            scope.complaints.at(index.span, "an output is not written at such a position", remedy)
        elif index.offset and not set(index.variables) & iterative:
            remedy = f"declare `iterate: {rank}`, or shift where it is read"
            scope.complaints.at(index.span, f"the output moves along {rank}, which is not iterative", remedy)
        elif index.offset < 0:
            remedy = f"write {einsum.name}[{index.variables[0]}] and read {einsum.name}[{index.variables[0]}-1]"
            scope.complaints.at(index.span, "an iteration does not write backwards", remedy)
    plain = [v for index in einsum.output.indices for v in index.variables]
    for variable in dict.fromkeys(v for v in plain if plain.count(v) > 1):
        scope.complaints.at(einsum.output.span, f"{variable} stands twice in the output", "use another rank")


def _count(number: int, noun: str) -> str:
    plural = "indices" if noun == "index" else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"
