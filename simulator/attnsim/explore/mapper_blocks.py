"""Words of blocks at many sizes: what `space.tensor_words` says, without building a space for each.

(Space of a form, access, loop) -> `Block` once, then (`Block`, sizes) -> words for each tile.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from attnsim.einsum.ast import Access, Index
from attnsim.einsum.partition import coefficient_value
from attnsim.families.spatial_array.space import Space

Sizes = Mapping[str, int]
"""Rank part -> its trips if it is a loop, else its extent in a tile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What decides the words of a block. parts: their product; hulls: indices of several terms, each a coefficient and
    the parts whose product is the extent of its variable."""

    parts: tuple[str, ...]
    hulls: tuple[tuple[tuple[int | str, tuple[str, ...]], ...], ...]


def block_of(space: Space, access: Access, order: Sequence[str], loop: str | None) -> Block:
    """The block of a tensor below a loop; inside no loop that of a tile."""
    inner = set(order[order.index(loop) + 1 :]) if loop is not None else set()
    parts: list[str] = [part for part in order if part in inner and part in space.batch]
    hulls = []
    for index in access.indices:
        if access.tensor in space.states and (set(index.variables) & space.states[access.tensor] or not index.terms):
            continue
        terms = tuple((factor, _extent(space, variable, inner)) for variable, factor in index.terms)
        if _is_plain(index):
            parts += terms[0][1]
        elif terms:
            hulls.append(terms)
    return Block(parts=tuple(parts), hulls=tuple(hulls))


def _is_plain(index: Index) -> bool:
    """Whether the index takes each value of one variable."""
    return len(index.terms) == 1 and index.terms[0][1] in (1, -1)


def _extent(space: Space, variable: str, inner: set[str]) -> tuple[str, ...]:
    return tuple(part for part in space.parts[variable] if part in space.tile or part in inner)


def block_words(block: Block, sizes: Sizes, symbols: Mapping[str, int]) -> int:
    """Words of a block; `symbols`: extents and constants that coefficients name."""
    words = math.prod([sizes[part] for part in block.parts])
    for terms in block.hulls:
        words *= 1 + sum(
            abs(_factor(factor, sizes, symbols)) * (math.prod([sizes[part] for part in parts]) - 1)
            for factor, parts in terms
        )
    return words


def _factor(factor: int | str, sizes: Sizes, symbols: Mapping[str, int]) -> int:
    if isinstance(factor, int):
        return factor
    return coefficient_value(factor, {**symbols, **{name: size for name, size in sizes.items() if name in symbols}})
