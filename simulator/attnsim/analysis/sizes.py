"""Sizes of a cascade for the analysis: every extent a number, with a stated choice where the user left a tile open.

(Cascade, extents) -> Sizes. A tile size that is not given does not change operations or compulsory traffic, so the
analysis takes one and says so instead of asking.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass

from attnsim.analysis.ranks import part_ranks, rank_names
from attnsim.einsum.ast import Cascade, Condition, Index
from attnsim.einsum.bindings import Bindings, bind
from attnsim.einsum.partition import coefficient_names
from attnsim.errors import AttnSimError, Problem

TILE = 256
"""Tile extent where none is given: the side of the array of FuseMax (MICRO 2024, section VI)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """extents: by rank name, parts included. batch: product of the batch ranks' extents. assumed: what was chosen."""

    bindings: Bindings
    extents: Mapping[str, int]
    batch: int
    assumed: Mapping[str, int]


def bind_sizes(cascade: Cascade, extents: Mapping[str, int]) -> Sizes:
    """Complete the extents: batch ranks default to 1, tiles to at most 256, M1 follows from M and M0.

    Raises AttnSimError for names that are no ranks, sizes below one, and ranks without extent, all together.
    """
    problems = [*_unknown(cascade, extents), *_not_positive(extents)]
    if problems:
        raise AttnSimError(*problems)
    assumed = {rank: 1 for rank in cascade.batch if rank not in extents}
    for split in cascade.splits:
        open_parts = [part for part in split.parts[1:] if part not in extents]
        whole = extents.get(split.rank, _same_as(cascade, split.rank, extents))
        assumed.update(_tiles(whole, open_parts, extents, split.parts[1:]))
    symbols = _open_symbols(cascade, extents)
    if symbols:
        raise AttnSimError(*symbols)
    values = {name: 1.0 for name, value in cascade.constants if value is None and name not in extents}
    bindings = bind(cascade, {**extents, **assumed}, values)
    return Sizes(
        bindings=bindings,
        extents=bindings.sizes,
        batch=math.prod(bindings.sizes[rank] for rank in cascade.batch),
        assumed=assumed,
    )


def _tiles(whole: int, open_parts: list[str], extents: Mapping[str, int], parts: tuple[str, ...]) -> dict[str, int]:
    """Tiles of at most 256 in all, shared out evenly over the open parts, none beyond the rank itself."""
    given = math.prod(extents.get(part, 1) for part in parts)
    room = max(1, min(TILE, math.ceil(whole / given)))
    side = max(1, round(room ** (1 / len(open_parts)))) if open_parts else 1
    return dict.fromkeys(open_parts, side)


def _same_as(cascade: Cascade, rank: str, extents: Mapping[str, int]) -> int:
    """Extent of a rank that is the same as the given one, 1 if there is none."""
    others = [b if a == rank else a for a, b in cascade.same if rank in (a, b)]
    return next((extents[other] for other in others if other in extents), 1)


def _unknown(cascade: Cascade, extents: Mapping[str, int]) -> list[Problem]:
    known = [*rank_names(cascade), *cascade.batch, *(name for name, _ in cascade.constants)]
    known += [part for rank, _ in cascade.ranks for part in part_ranks(cascade, rank)]
    problems = []
    for name in extents:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            remedy = f"{hint}its ranks are {', '.join(dict.fromkeys(known))}"
            problems.append(Problem(path=name, what=f"{cascade.name} has no rank {name}", remedy=remedy))
    return problems


def _not_positive(extents: Mapping[str, int]) -> list[Problem]:
    return [
        Problem(path=name, what=f"extent {size} is not a positive number", remedy="give a whole number of at least 1")
        for name, size in extents.items()
        if size < 1
    ]


def _open_symbols(cascade: Cascade, extents: Mapping[str, int]) -> list[Problem]:
    """Constants without value that stand in an index or a mask, where only a number can be counted with."""
    given = {name for name, value in cascade.constants if value is not None} | set(extents)
    used: dict[str, None] = {}
    for einsum in cascade.einsums:
        indices = [index for access in (einsum.output, *einsum.inputs) for index in access.indices]
        indices += [index for condition in einsum.conditions for index in _sides(condition)]
        used.update(dict.fromkeys(name for index in indices for name in _names(index)))
    constants = {name for name, _ in cascade.constants}
    what = f"of {cascade.name} has no value"
    return [
        Problem(path=name, what=f"constant {name} {what}", remedy="give it one with the extents")
        for name in used
        if name in constants - given
    ]


def _sides(condition: Condition) -> tuple[Index, Index]:
    return condition.left, condition.right


def _names(index: Index) -> tuple[str, ...]:
    named = [name for _, coefficient in index.terms for name in coefficient_names(coefficient)]
    return (*named, *(name for name, _ in index.symbols))
