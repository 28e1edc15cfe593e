"""Einsums that are matrix products, and their sizes.

Einsum x extents -> GemmShape. Ranks of the first operand alone are rows, of the second alone columns, of both batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from attnsim.components.operations import point_operations
from attnsim.einsum.ast import Cascade, Einsum


@dataclass(frozen=True, slots=True, kw_only=True)
class GemmShape:
    """A batch of matrix products Z[m,n] = sum of A[m,k] B[k,n]."""

    batch: int
    m: int
    n: int
    k: int


def product_shape(cascade: Cascade, einsum: Einsum, extents: Mapping[str, int]) -> GemmShape | None:
    """The matrix products that an Einsum is; None when it is no product of two tensors that feeds a sum."""
    if point_operations(einsum)[:1] != ("mac",) or len(einsum.inputs) != 2:
        return None
    first, second = (set(access.variables) for access in einsum.inputs)
    written, summed = set(einsum.output.variables), set(einsum.reduced_ranks)

    def size(variables: set[str]) -> int:
        return math.prod(extents[v.upper()] for v in variables)

    return GemmShape(
        batch=math.prod(extents[rank] for rank in cascade.batch) * size((first & second) - summed),
        m=size((first - second) & written),
        n=size((second - first) & written),
        k=size(summed),
    )
