"""Run a cascade on numpy arrays: cascade, extents, inputs -> values and presence of every tensor.

Slow and plain, for small tensors: each Einsum is evaluated on its whole iteration space at once, except along iterative
ranks, where it is evaluated step by step. It is what the cascade means; nothing of hardware is in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from attnsim.einsum.ast import Access, Apply, Cascade, Condition, Einsum, Expression, Index
from attnsim.einsum.bindings import Bindings, bind
from attnsim.einsum.numerics import Array, Function, function_table
from attnsim.einsum.operators import Operator
from attnsim.einsum.partition import coefficient_value
from attnsim.einsum.points import (
    Mask,
    Points,
    Positions,
    absent,
    apply,
    constant,
    dense,
    gather,
    largest,
    reduce,
    restrict,
    scatter,
)
from attnsim.einsum.schedule import Loop, schedule
from attnsim.einsum.shapes import match_indices
from attnsim.einsum.user_operators import operator_table
from attnsim.errors import CascadeError, Problem

LARGEST_SPACE = 50_000_000

_RELATIONS = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}

Fixed = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One evaluation: the cascade with bound sizes, the operators, and the tensors, filled as it goes."""

    bindings: Bindings
    rows: Mapping[str, Operator]
    functions: Mapping[str, Function]
    tensors: dict[str, Points]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """The iteration space of one Einsum: an axis per variable and the positions along it, shaped to broadcast."""

    variables: tuple[str, ...]
    positions: Mapping[str, Positions]


def evaluate(
    cascade: Cascade,
    extents: Mapping[str, int],
    inputs: Mapping[str, Array],
    constants: Mapping[str, float] | None = None,
) -> dict[str, Points]:
    """Values and presence of the cascade's outputs; arguments and errors as in `evaluate_tensors`."""
    tensors = evaluate_tensors(cascade, extents, inputs, constants)
    return {name: tensors[name] for name in cascade.outputs}


def evaluate_tensors(
    cascade: Cascade,
    extents: Mapping[str, int],
    inputs: Mapping[str, Array],
    constants: Mapping[str, float] | None = None,
) -> dict[str, Points]:
    """Values and presence of every tensor of a cascade.

    extents: size by rank name and by inner part of a split rank (M0); M1 follows. inputs: arrays with the batch ranks
    first and then the ranks in declared order; zeros of inputs with a declared density are absent. constants: values
    for those that the cascade leaves open or that are to be changed; they may also stand in `extents`.
    Raises CascadeError for missing or contradicting sizes, missing inputs and wrong shapes, all at once.
    """
    bindings = bind(cascade, extents, constants or {})
    run = _Run(
        bindings=bindings,
        rows=operator_table(cascade),
        functions=function_table(cascade),
        tensors=_inputs(bindings, inputs),
    )
    start = dict(cascade.start)
    for einsum in bindings.einsums:
        run.tensors[einsum.name] = _storage(bindings, einsum, start.get(einsum.name))
    order = schedule(cascade)
    with np.errstate(all="ignore"):
        _execute(run, order, {})
    return run.tensors


def random_inputs(cascade: Cascade, extents: Mapping[str, int], rng: np.random.Generator) -> dict[str, Array]:
    """Normally distributed inputs; those with a density get that share of non-zero points."""
    bindings = bind(cascade, extents, {}, complete=False)
    density = dict(cascade.sparse)
    drawn: dict[str, Array] = {}
    for name in (tensor.name for tensor in cascade.inputs):
        shape = tuple(bindings.sizes[rank] for rank in bindings.ranks[name])
        values = rng.normal(size=shape)
        drawn[name] = values * (rng.random(size=shape) < density[name]) if name in density else values
    return drawn


def _inputs(bindings: Bindings, inputs: Mapping[str, Array]) -> dict[str, Points]:
    problems: list[Problem] = []
    tensors: dict[str, Points] = {}
    sparse = dict(bindings.cascade.sparse)
    for name in (tensor.name for tensor in bindings.cascade.inputs):
        ranks = bindings.ranks[name]
        shape = tuple(bindings.sizes[rank] for rank in ranks)
        if name not in inputs:
            problems.append(Problem(what=f"input {name} is missing", remedy=f"pass an array of shape {shape}"))
        elif np.shape(inputs[name]) != shape:
            what = f"input {name} has shape {np.shape(inputs[name])}, expected {shape}"
            problems.append(Problem(what=what, remedy=f"its ranks are {', '.join(ranks)}"))
        else:
            points = dense(inputs[name])
            tensors[name] = restrict(points, points.values != 0.0) if name in sparse else points
    if problems:
        raise CascadeError(*problems)
    return tensors


def _storage(bindings: Bindings, einsum: Einsum, start: float | None) -> Points:
    """Room for a tensor; along iterative ranks one more position per step ahead, which the start value fills."""
    extents = [bindings.sizes[rank] for rank in bindings.ranks[einsum.name]]
    offsets = [index.offset for index in einsum.output.indices]
    room = absent([extent + offset for extent, offset in zip(extents, offsets, strict=True)])
    for axis, offset in enumerate(offsets):
        if offset and start is not None:
            before = tuple(slice(0, offset) if i == axis else slice(None) for i in range(len(offsets)))
            room.values[before] = start
            room.present[before] = True
    return room


def _execute(run: _Run, order: tuple[Einsum | Loop, ...], fixed: Fixed) -> None:
    for item in order:
        if isinstance(item, Einsum):
            _write(run, run.bindings.einsum(item.name), fixed)
            continue
        for step in range(run.bindings.steps(item.variable)):
            _execute(run, item.body, {**fixed, item.variable: step})


def _write(run: _Run, einsum: Einsum, fixed: Fixed) -> None:
    """Evaluate one Einsum and store its result."""
    grid = _grid(run.bindings, einsum, fixed)
    shape = tuple(grid.positions[v].size for v in grid.variables)
    points = _value(run, einsum.expression, grid)
    points = Points(values=np.broadcast_to(points.values, shape), present=np.broadcast_to(points.present, shape))
    points = restrict(points, _mask(run.bindings, einsum, grid))
    variables = list(grid.variables)
    for reduction in einsum.reductions:
        for variable in reduction.ranks:
            row, function = run.rows[reduction.operator], run.functions[reduction.operator]
            points = reduce(row, function, points, variables.index(variable))
            variables.remove(variable)
    if einsum.populate:
        points = _populate(run, einsum, points, variables)
    left = _Grid(variables=tuple(variables), positions=_positions(run.bindings, tuple(variables), fixed))
    places = [_at(run.bindings, index, left) for index in einsum.output.indices]
    scatter(run.tensors[einsum.name], places, points)


def _populate(run: _Run, einsum: Einsum, points: Points, variables: list[str]) -> Points:
    """Fill the new rank of a populate from the one that it takes; `variables` then names the new one."""
    old = next(v for v in variables if v not in einsum.output.variables)
    new = next(v for v in einsum.output.variables if v not in variables)
    axis = variables.index(old)
    variables[axis] = new
    return largest(points, axis, run.bindings.sizes[new.upper()], coordinates=einsum.populate == "argtopk")


def _value(run: _Run, expression: Expression, grid: _Grid) -> Points:
    if isinstance(expression, Access):
        return _read(run, expression, grid)
    if isinstance(expression, Apply):
        operands = [_value(run, operand, grid) for operand in expression.operands]
        return apply(run.rows[expression.operator], run.functions[expression.operator], operands)
    return constant(run.bindings.number(expression.value))


def _read(run: _Run, access: Access, grid: _Grid) -> Points:
    """The points of a tensor under an access, over the grid."""
    bindings, points = run.bindings, run.tensors[access.tensor]
    matches = match_indices(access.indices, bindings.ranks[access.tensor], bindings.cascade.splits)
    assert matches is not None
    places: list[Positions] = []
    valid: Mask = np.asarray(True)
    for match in matches:
        found = [_at(bindings, index, grid) for index in match.indices]
        if len(found) > 1:
            sizes = bindings.part_sizes(match.ranks[0])
            valid = valid & _inside(found, sizes)
            found = [_joined(found, sizes)]
        if len(match.ranks) > 1:
            found = _parted(found[0], [bindings.sizes[part] for part in match.ranks])
        places += found
    shape = np.broadcast_shapes(*(place.shape for place in places), np.shape(valid))
    return gather(points, [np.broadcast_to(place, shape) for place in places], np.broadcast_to(valid, shape))


def _inside(positions: list[Positions], sizes: list[int]) -> Mask:
    """Where every part lies inside its own extent."""
    inside: Mask = np.asarray(True)
    for position, size in zip(positions, sizes, strict=True):
        inside = inside & (position >= 0) & (position < size)
    return inside


def _joined(positions: list[Positions], sizes: list[int]) -> Positions:
    """Mixed-radix number of the parts."""
    joined = np.asarray(0)
    for position, size in zip(positions, sizes, strict=True):
        joined = joined * size + position
    return joined


def _parted(position: Positions, sizes: list[int]) -> list[Positions]:
    """Parts of a mixed-radix number, outermost first; it keeps what is beyond the others."""
    parts: list[Positions] = []
    for size in reversed(sizes[1:]):
        parts.append(position % size)
        position = position // size
    return [position, *reversed(parts)]


def _mask(bindings: Bindings, einsum: Einsum, grid: _Grid) -> Mask:
    """Where the iteration space has points: the conditions hold and a split rank is not exceeded by its parts."""
    mask: Mask = np.asarray(True)
    for condition in einsum.conditions:
        mask = mask & _holds(bindings, condition, grid)
    for split in bindings.cascade.splits:
        parts = [part.lower() for part in split.parts]
        if all(part in grid.variables for part in parts):
            sizes = bindings.part_sizes(split.rank)
            mask = mask & (_joined([grid.positions[part] for part in parts], sizes) < bindings.sizes[split.rank])
    return mask


def _holds(bindings: Bindings, condition: Condition, grid: _Grid) -> Mask:
    left, right = _at(bindings, condition.left, grid), _at(bindings, condition.right, grid)
    return np.asarray(_RELATIONS[condition.relation](left, right), dtype=np.bool_)


def _at(bindings: Bindings, index: Index, grid: _Grid) -> Positions:
    """Positions that an index takes over the grid."""
    total: Positions = np.asarray(index.offset)
    for variable, factor in index.terms:
        total = total + coefficient_value(factor, bindings.whole) * grid.positions[variable]
    for name, factor in index.symbols:
        total = total + factor * bindings.last(name)
    return total


def _grid(bindings: Bindings, einsum: Einsum, fixed: Fixed) -> _Grid:
    used = {variable for access in einsum.inputs for variable in access.variables}
    variables = tuple(v for v in einsum.iteration_ranks if v in used or not einsum.populate)
    size = math.prod(1 if v in fixed else bindings.sizes[v.upper()] for v in variables)
    if size > LARGEST_SPACE:
        what = f"Einsum {einsum.name} has {size} points, too many to evaluate"
        raise CascadeError(Problem(what=what, remedy=f"use smaller extents, at most {LARGEST_SPACE} points an Einsum"))
    return _Grid(variables=variables, positions=_positions(bindings, variables, fixed))


def _positions(bindings: Bindings, variables: tuple[str, ...], fixed: Fixed) -> dict[str, Positions]:
    """Positions along each variable, on an axis of their own; a fixed variable and a stopped one have fewer."""
    positions: dict[str, Positions] = {}
    for axis, variable in enumerate(variables):
        along = np.asarray([fixed[variable]]) if variable in fixed else np.arange(bindings.steps(variable))
        positions[variable] = along.reshape([-1 if i == axis else 1 for i in range(len(variables))])
    return positions
