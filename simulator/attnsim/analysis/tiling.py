"""Constraints on the parts of a split rank, put together into constraints on the whole: `m1*M0 + m0` is `m`.

(Sizes, constraints) -> constraints. With the parts merged, a mask between a tiled and an untiled rank has two
variables.
"""

from __future__ import annotations

from collections.abc import Mapping

from attnsim.analysis.lattice import Constraint, constraint
from attnsim.analysis.sizes import Sizes


def radix(sizes: Sizes, parts: tuple[str, ...]) -> dict[str, int]:
    """Weights of the parts of a split rank, innermost 1."""
    weights: dict[str, int] = {}
    weight = 1
    for part in reversed(parts):
        weights[part.lower()] = weight
        weight *= sizes.extents[part]
    return dict(reversed(weights.items()))


def merge_parts(
    sizes: Sizes, extents: dict[str, int], constraints: frozenset[Constraint]
) -> tuple[dict[str, int], frozenset[Constraint]]:
    """Parts of a split rank that appear only as the whole, `m1*M0 + m0`, become one variable."""
    for split in sizes.bindings.cascade.splits:
        parts = [part.lower() for part in split.parts]
        weights = radix(sizes, split.parts)
        if not set(parts) <= set(extents) or not all(_only_whole(c, weights) for c in constraints):
            continue
        whole = f"{split.rank.lower()}*"
        size = extents[parts[0]] * weights[parts[0]]
        extents = {**{v: n for v, n in extents.items() if v not in parts}, whole: size}
        constraints = frozenset(_as_whole(c, weights, whole) for c in constraints)
    return extents, constraints


def _only_whole(one: Constraint, weights: Mapping[str, int]) -> bool:
    unit = min(weights, key=lambda part: weights[part])
    return all(one.slope(part) == one.slope(unit) * weight for part, weight in weights.items())


def _as_whole(one: Constraint, weights: Mapping[str, int], whole: str) -> Constraint:
    unit = min(weights, key=lambda part: weights[part])
    terms = {variable: factor for variable, factor in one.terms if variable not in weights}
    if one.slope(unit):
        terms[whole] = one.slope(unit)
    return constraint(terms, one.constant, one.relation)


def recomposed(sizes: Sizes, constraints: frozenset[Constraint]) -> frozenset[Constraint]:
    """Each constraint in the whole split rank's variable (`m`) where it does not single out a part."""
    for split in sizes.bindings.cascade.splits:
        weights = radix(sizes, split.parts)
        constraints = frozenset(
            _as_whole(c, weights, split.rank.lower()) if _only_whole(c, weights) else c for c in constraints
        )
    return constraints
