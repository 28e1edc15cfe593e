"""Dense values with a presence mask, and the operations on them that respect absence.

A point of a tensor is present or absent. Map operators merge presence by the operator table; a reduction passes absent
points over; what nothing present reaches is absent. Values of absent points are kept at 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attnsim.einsum.numerics import FUNCTIONS, Array, Function
from attnsim.einsum.operators import Operator

Mask = NDArray[np.bool_]
Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """A tensor: `values` and, of the same shape, which points are `present`. A constant is present everywhere."""

    values: Array
    present: Mask
    constant: bool = False


def dense(values: Array) -> Points:
    """A tensor of which every point is present."""
    return Points(values=np.asarray(values, dtype=np.float64), present=np.ones(np.shape(values), dtype=np.bool_))


def constant(value: float) -> Points:
    """A number, which is no tensor: it takes the presence of what it meets."""
    return Points(values=np.asarray(value), present=np.asarray(True), constant=True)


def absent(shape: Sequence[int]) -> Points:
    """A tensor without any present point."""
    return Points(values=np.zeros(shape), present=np.zeros(shape, dtype=np.bool_))


def apply(row: Operator, function: Function, operands: Sequence[Points]) -> Points:
    """A map operator, pointwise, with the merge rule of its row."""
    values = function(*(operand.values for operand in operands))
    if all(operand.constant for operand in operands):
        return Points(values=values, present=np.asarray(True), constant=True)
    if row.merge == "union" and not any(operand.constant for operand in operands):
        return _union(values, *operands)
    present = np.asarray(True)
    for operand in operands:
        present = present & operand.present
    if row.name == "keep":
        present = present & (operands[1].values != 0.0)
    if row.name == "select":
        chosen = np.where(operands[0].values != 0.0, operands[1].present, operands[2].present)
        present = operands[0].present & chosen
    return restrict(Points(values=values, present=np.broadcast_to(present, values.shape)), present)


def restrict(points: Points, mask: Mask) -> Points:
    """The points at which `mask` holds; the others become absent."""
    present = points.present & mask
    values = np.where(present, points.values, 0.0)
    return Points(values=values, present=np.broadcast_to(present, values.shape))


def reduce(row: Operator, function: Function, points: Points, axis: int) -> Points:
    """A reduction over one axis; absent points are passed over."""
    assert row.identity is not None
    if row.name not in FUNCTIONS:
        return _fold(function, points, axis)
    filled = np.where(points.present, points.values, row.identity)
    values = getattr(FUNCTIONS[row.name], "reduce")(filled, axis=axis)  # noqa: B009  the ufunc's own method
    present = np.asarray(points.present.any(axis=axis))
    return Points(values=np.where(present, values, 0.0), present=present)


def largest(points: Points, axis: int, count: int, *, coordinates: bool) -> Points:
    """The `count` largest present values along an axis in falling order, or their coordinates; ties in order."""
    lanes = np.moveaxis(points.values, axis, -1)
    there = np.moveaxis(points.present, axis, -1)
    order = np.argsort(np.where(there, -lanes, np.inf), axis=-1, kind="stable")[..., :count]
    values = order.astype(np.float64) if coordinates else np.take_along_axis(lanes, order, axis=-1)
    present = np.take_along_axis(there, order, axis=-1)
    missing = count - values.shape[-1]
    if missing > 0:
        pad = [(0, 0)] * (values.ndim - 1) + [(0, missing)]
        values, present = np.pad(values, pad), np.pad(present, pad)
    filled = np.where(present, values, 0.0)
    return Points(values=np.moveaxis(filled, -1, axis), present=np.moveaxis(present, -1, axis))


def gather(points: Points, positions: Sequence[Positions], valid: Mask) -> Points:
    """The points at integer positions, one array per axis, all of one shape; outside of the tensor they are absent."""
    inside = valid
    clipped = []
    for position, extent in zip(positions, points.values.shape, strict=True):
        inside = inside & (position >= 0) & (position < extent)
        clipped.append(np.clip(position, 0, extent - 1))
    picked = Points(values=points.values[tuple(clipped)], present=points.present[tuple(clipped)])
    return restrict(picked, inside)


def scatter(target: Points, positions: Sequence[Positions], points: Points) -> None:
    """Write present points into `target` at integer positions; those outside of it are dropped."""
    if not positions:  # a scalar
        target.values[...] = np.where(points.present, points.values, target.values)
        target.present[...] = target.present | points.present
        return
    shape = points.values.shape
    full = [np.broadcast_to(position, shape) for position in positions]
    inside = points.present
    for position, extent in zip(full, target.values.shape, strict=True):
        inside = inside & (position >= 0) & (position < extent)
    places = tuple(position[inside] for position in full)
    target.values[places] = points.values[inside]
    target.present[places] = True


def _fold(function: Function, points: Points, axis: int) -> Points:
    """Reduce with a user-defined operator, which need not bear its identity twice (log-sum-exp of two -inf)."""
    values, present = np.moveaxis(points.values, axis, 0), np.moveaxis(points.present, axis, 0)
    total = Points(values=values[0], present=present[0])
    for lane, there in zip(values[1:], present[1:], strict=True):
        total = _union(function(total.values, lane), total, Points(values=lane, present=there))
    return total


def _union(values: Array, left: Points, right: Points) -> Points:
    """Where only one operand is present the result is that operand."""
    only_left = np.where(right.present, values, left.values)
    merged = np.where(left.present, only_left, right.values)
    present = left.present | right.present
    return Points(values=np.where(present, merged, 0.0), present=present)
