"""Operations of every Einsum by class, exactly, from extents and masks.

(Cascade, Sizes) -> EinsumOps for each Einsum. A map operator costs one operation at each present point of the iteration
space as written, a reduction one for each point that it takes in (the accumulator starts from the identity; FuseMax
counts so too). A product that feeds a sum is one multiply-accumulate of two FLOPs. A populate operator is counted as
one comparison a point, which is the least that it can do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from attnsim.analysis.presence import Domains, Presence, count_present
from attnsim.analysis.ranks import expression_variables
from attnsim.analysis.sizes import Sizes
from attnsim.einsum.ast import Apply, Cascade, Einsum
from attnsim.einsum.ast import operators as map_operators
from attnsim.einsum.operators import operation_class
from attnsim.einsum.user_operators import operator_table


@dataclass(frozen=True, slots=True, kw_only=True)
class EinsumOps:
    """One Einsum, all batch elements: points of the iteration space, operations by class, FLOPs, words it writes."""

    name: str
    ranks: tuple[str, ...]
    reduced: tuple[str, ...]
    points: int
    operations: Mapping[str, int]
    flops: int
    output_words: int


def count_operations(cascade: Cascade, sizes: Sizes, present: Domains) -> tuple[EinsumOps, ...]:
    """Operations of every Einsum, in the order of the text."""
    pairs = zip(cascade.einsums, present.spaces, strict=True)
    return tuple(_einsum_operations(cascade, sizes, einsum, space, present.densities) for einsum, space in pairs)


def _einsum_operations(
    cascade: Cascade, sizes: Sizes, einsum: Einsum, space: Presence, densities: Mapping[str, float]
) -> EinsumOps:
    variables = iteration_variables(einsum)
    points = sizes.batch * count_present(sizes, variables, space, densities)
    left, taken = variables, []
    for reduction in einsum.reductions:
        taken.append((reduction.operator, sizes.batch * count_present(sizes, left, space, densities)))
        left = tuple(v for v in left if v not in reduction.ranks)
    tallies = [(name, points) for name in map_operators(einsum.expression)]
    if einsum.populate:
        tallies.append((einsum.populate, points))
    operations, flops = _tally(cascade, einsum, tallies, taken)
    return EinsumOps(
        name=einsum.name,
        ranks=tuple(v.upper() for v in variables),
        reduced=tuple(v.upper() for v in variables if v not in einsum.output.variables),
        points=points,
        operations=operations,
        flops=flops,
        output_words=_output_words(sizes, einsum, left, space, densities),
    )


def iteration_variables(einsum: Einsum) -> tuple[str, ...]:
    """Variables of the points at which the expression is evaluated: those that a populate operator makes left out."""
    named = expression_variables(einsum)
    written = [v for v in einsum.output.variables if v in named or not einsum.populate]
    return tuple(dict.fromkeys((*written, *named)))


def _tally(
    cascade: Cascade, einsum: Einsum, maps: list[tuple[str, int]], reductions: list[tuple[str, int]]
) -> tuple[dict[str, int], int]:
    """Operations by class and FLOPs. The outermost product and a sum that takes it in are one `mac`."""
    table = operator_table(cascade)
    operations: dict[str, int] = {}
    flops = 0
    fused = is_multiply_accumulate(einsum)
    for name, times in [*maps[: len(maps) - fused], *reductions[fused:]]:
        kind = operation_class(name)
        operations[kind] = operations.get(kind, 0) + times
        flops += times * (table[name].flops if name in table else 1)
    if fused:
        operations = {"mac": reductions[0][1], **operations}
        flops += 2 * reductions[0][1]
    return operations, flops


def is_multiply_accumulate(einsum: Einsum) -> bool:
    """Whether the outermost map operator is a product and the first reduction a sum."""
    product = isinstance(einsum.expression, Apply) and einsum.expression.operator == "*"
    return product and bool(einsum.reductions) and einsum.reductions[0].operator == "+"


def _output_words(
    sizes: Sizes, einsum: Einsum, left: tuple[str, ...], space: Presence, densities: Mapping[str, float]
) -> int:
    """Present points of the output."""
    made = [v for v in einsum.output.variables if v not in left]
    written = tuple(v for v in left if v in einsum.output.variables)
    spread = math.prod(sizes.extents[v.upper()] for v in made)
    return sizes.batch * spread * count_present(sizes, written, space, densities)
