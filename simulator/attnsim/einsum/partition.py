"""Arithmetic of partitioned ranks and affine indices: `m = m1*M0 + m0`, coefficients with names, extents of parts.

A split rank is the mixed-radix number of its parts, outer to inner. Its outermost part has as many steps as needed to
cover the rank, so the last tile may reach beyond it; points beyond are absent.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from attnsim.einsum.ast import Cascade, Condition, Index, Split
from attnsim.errors import CascadeError, Problem


def part_coefficients(split: Split) -> tuple[tuple[str, int | str], ...]:
    """Terms of a split rank in its parts' variables: (m1, "M0"), (m0, 1) for M = [M1, M0]."""
    terms: list[tuple[str, int | str]] = []
    for position, part in enumerate(split.parts):
        inner = split.parts[position + 1 :]
        terms.append((part.lower(), "*".join(inner) if inner else 1))
    return tuple(terms)


def expand_index(index: Index, splits: Sequence[Split], present: Collection[str]) -> Index:
    """The index with a variable `m` that is not present written as m1*M0 + m0, if its parts are."""
    terms: list[tuple[str, int | str]] = []
    by_variable = {split.rank.lower(): split for split in splits}
    for variable, factor in index.terms:
        split = by_variable.get(variable)
        if split is None or variable in present or not all(part.lower() in present for part in split.parts):
            terms.append((variable, factor))
        else:
            terms += [(part, _times(factor, inner)) for part, inner in part_coefficients(split)]
    return replace(index, terms=tuple(terms))


def expand_condition(condition: Condition, splits: Sequence[Split], present: Collection[str]) -> Condition:
    """`expand_index` on both sides of a condition."""
    left = expand_index(condition.left, splits, present)
    right = expand_index(condition.right, splits, present)
    return replace(condition, left=left, right=right)


def coefficient_value(coefficient: int | str, sizes: Mapping[str, int]) -> int:
    """Value of a coefficient such as 3, `S`, `-S` or `2*M0` for bound constants and extents; KeyError if one is
    unbound."""
    if isinstance(coefficient, int):
        return coefficient
    sign = -1 if coefficient.startswith("-") else 1
    factors = coefficient.removeprefix("-").split("*")
    return sign * math.prod(int(factor) if factor.isdecimal() else sizes[factor] for factor in factors)


def coefficient_names(coefficient: int | str) -> tuple[str, ...]:
    """Constants and extents that a coefficient depends on."""
    if isinstance(coefficient, int):
        return ()
    return tuple(factor for factor in coefficient.removeprefix("-").split("*") if not factor.isdecimal())


def index_names(index: Index) -> tuple[str, ...]:
    """Constants and extents in an index."""
    coefficients = tuple(name for _, factor in index.terms for name in coefficient_names(factor))
    return (*(name for name, _ in index.symbols), *coefficients)


def bind_extents(cascade: Cascade, extents: Mapping[str, int]) -> dict[str, int]:
    """Extent of every rank and rank part: given ones, M1 = ceil(M / M0) for splits, M = P for ranks that are the same.

    Raises CascadeError that lists the ranks without extent, sizes below one and contradictions.
    """
    bound = dict(extents)
    for rank, other in (*cascade.same, *((second, first) for first, second in cascade.same)):
        if rank not in bound and other in bound:
            bound[rank] = bound[other]
    problems = [
        _complaint(f"{rank} is {bound[rank]} but {other} is {bound[other]}", "give both one size")
        for rank, other in cascade.same
        if bound.get(rank) != bound.get(other)
    ]
    outer = {split.parts[0] for split in cascade.splits}
    needed = [rank for rank, _ in cascade.ranks] + [p for split in cascade.splits for p in split.parts[1:]]
    for rank in (rank for rank in dict.fromkeys(needed) if rank not in outer):
        if rank not in bound:
            problems.append(_complaint(f"rank {rank} of {cascade.name} has no extent", f"give {rank} a size"))
        elif bound[rank] < 1:
            what = f"the extent {bound[rank]} of rank {rank} is not a positive number"
            problems.append(_complaint(what, f"give {rank} a size of at least 1"))
    if problems:
        raise CascadeError(*problems)
    for split in cascade.splits:
        bound[split.parts[0]] = math.ceil(bound[split.rank] / math.prod(bound[part] for part in split.parts[1:]))
    return bound


def _times(outer: int | str, inner: int | str) -> int | str:
    """Product of two coefficients in the written form."""
    if isinstance(outer, int) and isinstance(inner, int):
        return outer * inner
    if outer == 1 or inner == 1:
        return inner if outer == 1 else outer
    if outer == -1:
        return f"-{inner}"
    sign = "-" if str(outer).startswith("-") else ""
    return f"{sign}{str(outer).removeprefix('-')}*{inner}"


def _complaint(what: str, remedy: str) -> Problem:
    return Problem(what=what, remedy=remedy)
