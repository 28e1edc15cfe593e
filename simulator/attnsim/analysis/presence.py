"""Which points of a tensor and of an iteration space are present: masks are passed on from tensor to tensor.

(Cascade, Sizes) -> Presence of each tensor and Einsum as linear constraints on rank variables and a density. A mask
on the scores `S[m,p] ... where m <= p` also halves every Einsum that reads S, if its operators need all operands
(`intersection` in the operator table). Upper bounds of the points: an operator that takes either operand (`+`, `max`)
is taken as present where its operands agree on the mask, else everywhere, and so is what depends on values (`keep`, a
state). Densities of unlike sparse inputs multiply.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from attnsim.analysis.alignment import align
from attnsim.analysis.lattice import Constraint, constraint, count_points, project
from attnsim.analysis.ranks import leaf_ranks
from attnsim.analysis.sizes import Sizes
from attnsim.analysis.tiling import merge_parts, radix, recomposed
from attnsim.einsum.ast import Access, Apply, Cascade, Condition, Einsum, Expression, Index
from attnsim.einsum.partition import coefficient_value
from attnsim.einsum.shapes import tensor_ranks
from attnsim.einsum.user_operators import operator_table

Sparse = tuple[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Constraints on rank variables, and the sparse inputs whose zeros are absent besides, each with its variables."""

    constraints: frozenset[Constraint] = frozenset()
    sparse: frozenset[Sparse] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Domains:
    """Presence of every Einsum's iteration space and of every tensor, the latter in the variables of `names`."""

    spaces: tuple[Presence, ...]
    tensors: Mapping[str, Presence]
    densities: Mapping[str, float]


def domains(cascade: Cascade, sizes: Sizes) -> Domains:
    """Follow the masks through the cascade, in text order; a state read before it is written counts as present."""
    ranks = tensor_ranks(cascade)
    tensors = {name: _given(name, ranks[name]) for name, _ in cascade.sparse}
    spaces = []
    for einsum in cascade.einsums:
        presence = _space(cascade, sizes, einsum, tensors)
        spaces.append(presence)
        tensors[einsum.name] = _output(sizes, einsum, presence)
    return Domains(spaces=tuple(spaces), tensors=tensors, densities=dict(cascade.sparse))


def _projected(sizes: Sizes, constraints: frozenset[Constraint], kept: set[str]) -> frozenset[Constraint]:
    """What is left of the constraints when the variables that are not kept may take any value."""
    gone = sorted({variable for one in constraints for variable, _ in one.terms} - kept)
    for variable in gone:
        constraints = project(constraints, variable, _steps(sizes, variable))
    return frozenset(one for one in constraints if not _always(sizes, one))


def _always(sizes: Sizes, one: Constraint) -> bool:
    """Whether every point of the box satisfies an inequality."""
    highest = sum(max(0, factor * (_steps(sizes, variable) - 1)) for variable, factor in one.terms)
    return one.relation == "<=" and highest + one.constant <= 0


def _given(name: str, ranks: tuple[str, ...]) -> Presence:
    """A sparse input, in the variables of its ranks."""
    return Presence(sparse=frozenset({(name, frozenset(rank.lower() for rank in ranks))}))


def count_present(sizes: Sizes, variables: tuple[str, ...], presence: Presence, densities: Mapping[str, float]) -> int:
    """Points of the variables' box that are present, times the densities, rounded; constraints on others are
    dropped."""
    extents = {variable: _steps(sizes, variable) for variable in variables}
    merged, reduced = merge_parts(sizes, extents, _projected(sizes, presence.constraints, set(variables)))
    share = 1.0
    for name, along in sorted(presence.sparse, key=repr):
        share *= densities[name] if along <= set(variables) else 1.0
    points = count_points(merged, reduced)
    return points if share == 1.0 else round(points * share)


def longest_fiber(sizes: Sizes, presence: Presence, rank: str) -> int:
    """Present points of the longest fiber along a rank, looked for at five places of the ranks that masks tie it to.

    Exact for causal masks and bands, whose fibers are longest at an end or anywhere but near one.
    """
    variable = rank.lower()
    masks = [c for c in presence.constraints if c.slope(variable)]
    others = {name for c in masks for name, _ in c.terms if name != variable}
    return max(
        count_points({variable: sizes.extents[rank]}, frozenset(_fixed(sizes, c, others, quarter) for c in masks))
        for quarter in range(5)
    )


def _fixed(sizes: Sizes, one: Constraint, others: set[str], quarter: int) -> Constraint:
    for name in sorted(others):
        one = one.at(name, (sizes.extents[name.upper()] - 1) * quarter // 4)
    return one


def _steps(sizes: Sizes, variable: str) -> int:
    return sizes.bindings.steps(variable)


def _space(cascade: Cascade, sizes: Sizes, einsum: Einsum, tensors: Mapping[str, Presence]) -> Presence:
    inherited = _expression(cascade, sizes, einsum.expression, tensors) or Presence()
    own = frozenset(_mask(sizes, condition) for condition in einsum.conditions)
    present = {v for access in (*einsum.inputs, einsum.output) for v in access.variables}
    edges = frozenset(_edges(cascade, sizes, present))
    return Presence(constraints=inherited.constraints | own | edges, sparse=inherited.sparse)


def _output(sizes: Sizes, einsum: Einsum, presence: Presence) -> Presence:
    """What the output inherits, parts of a rank put together where possible; nothing if written at an offset."""
    if any(index.terms and index.plain is None for index in einsum.output.indices):
        return Presence()
    kept = set(einsum.output.variables)
    constraints = _projected(sizes, presence.constraints, kept)
    sparse = frozenset((name, along) for name, along in presence.sparse if along <= kept)
    return Presence(constraints=recomposed(sizes, constraints), sparse=sparse)


def _expression(
    cascade: Cascade, sizes: Sizes, expression: Expression, tensors: Mapping[str, Presence]
) -> Presence | None:
    """Where an expression is present; None for a number, which takes the presence of what it meets."""
    if isinstance(expression, Access):
        return _read(cascade, sizes, expression, tensors.get(expression.tensor, Presence()))
    if not isinstance(expression, Apply):
        return None
    operands = [_expression(cascade, sizes, operand, tensors) for operand in expression.operands]
    known = [operand for operand in operands if operand is not None]
    if not known:
        return None
    row = operator_table(cascade).get(expression.operator)
    if row is not None and row.merge == "union" and len(known) == len(operands):
        common = frozenset.intersection(*(operand.constraints for operand in known))
        return Presence(constraints=common, sparse=frozenset.intersection(*(operand.sparse for operand in known)))
    every = frozenset[Constraint]().union(*(operand.constraints for operand in known))
    return Presence(constraints=every, sparse=frozenset[Sparse]().union(*(operand.sparse for operand in known)))


def _read(cascade: Cascade, sizes: Sizes, access: Access, presence: Presence) -> Presence:
    """A tensor's presence in the variables of the Einsum that reads it; what cannot be said in them is dropped.

    A position outside the tensor, as at the edges of a convolution, is absent.
    """
    forms = _forms(cascade, sizes, access)
    moved = (_moved(one, forms) for one in presence.constraints)
    inside = (c for index, group in align(cascade, access) for c in _inside(cascade, sizes, index, group))
    states = {name for name, _ in cascade.start}
    constraints = {one for one in moved if one is not None} | (set() if access.tensor in states else set(inside))
    sparse = frozenset(
        (name, frozenset(v for rank in along for v in forms[rank][0]))
        for name, along in presence.sparse
        if along <= set(forms)
    )
    return Presence(constraints=frozenset(constraints), sparse=sparse)


def _inside(cascade: Cascade, sizes: Sizes, index: Index, group: tuple[str, ...]) -> Iterator[Constraint]:
    """Constraints that keep an index inside the tensor, for an index that may leave it."""
    if index.plain is not None or not index.terms:
        return
    terms, offset = _linear(sizes, index)
    extent = sizes.extents[group[0] if len(group) == 1 else _whole(cascade, group)]
    reach = [factor * (_steps(sizes, variable) - 1) for variable, factor in terms.items()]
    if offset + sum(step for step in reach if step < 0) < 0:
        yield constraint(terms, offset, ">=")
    if offset + sum(step for step in reach if step > 0) >= extent:
        yield constraint(terms, offset - extent, "<")


def _forms(cascade: Cascade, sizes: Sizes, access: Access) -> dict[str, tuple[dict[str, int], int]]:
    """Linear form of the reader's variables at each leaf position and at each whole split rank, by variable name."""
    forms: dict[str, tuple[dict[str, int], int]] = {}
    for index, group in align(cascade, access):
        name = group[0] if len(group) == 1 else _whole(cascade, group)
        if index.terms:
            forms[name.lower()] = _linear(sizes, index)
    for split in cascade.splits:
        weights = radix(sizes, split.parts)
        if set(weights) <= set(forms):
            forms[split.rank.lower()] = _weighted(forms, weights)
    return forms


def _weighted(
    forms: Mapping[str, tuple[dict[str, int], int]], weights: Mapping[str, int]
) -> tuple[dict[str, int], int]:
    terms: dict[str, int] = {}
    for part, weight in weights.items():
        for name, slope in forms[part][0].items():
            terms[name] = terms.get(name, 0) + weight * slope
    return terms, sum(weight * forms[part][1] for part, weight in weights.items())


def _whole(cascade: Cascade, group: tuple[str, ...]) -> str:
    return next((s.rank for s in cascade.splits if leaf_ranks(cascade, s.rank) == group), group[0])


def _moved(one: Constraint, forms: Mapping[str, tuple[dict[str, int], int]]) -> Constraint | None:
    if any(variable not in forms for variable, _ in one.terms):
        return None
    terms: dict[str, int] = {}
    constant = one.constant
    for variable, factor in one.terms:
        inner, offset = forms[variable]
        constant += factor * offset
        for name, slope in inner.items():
            terms[name] = terms.get(name, 0) + factor * slope
    return constraint(terms, constant, one.relation)


def _mask(sizes: Sizes, condition: Condition) -> Constraint:
    left, left_constant = _linear(sizes, condition.left)
    right, right_constant = _linear(sizes, condition.right)
    terms = {name: left.get(name, 0) - right.get(name, 0) for name in (*left, *right)}
    return constraint(terms, left_constant - right_constant, condition.relation)


def _linear(sizes: Sizes, index: Index) -> tuple[dict[str, int], int]:
    whole = sizes.bindings.whole
    terms: dict[str, int] = {}
    for variable, coefficient in index.terms:
        terms[variable] = terms.get(variable, 0) + coefficient_value(coefficient, whole)
    return terms, index.offset + sum(count * whole[name] for name, count in index.symbols)


def _edges(cascade: Cascade, sizes: Sizes, present: set[str]) -> list[Constraint]:
    """`m1*M0 + m0 <= M - 1` for each split rank of which all parts are present and the last tile is not full."""
    edges = []
    for split in cascade.splits:
        parts = [part.lower() for part in split.parts]
        form = radix(sizes, split.parts)
        full = sizes.extents[split.parts[0]] * form[parts[0]]
        if set(parts) <= present and full != sizes.extents[split.rank]:
            edges.append(constraint(form, 1 - sizes.extents[split.rank], "<="))
    return edges
