"""Extents of the canonical small instance: 3 where fibers matter, 1 where a rank only ever appears as itself.

(Cascade, rank under study) -> extent by rank name. The rank under study, iterative ranks and ranks tied together (by a
mask, or because one tensor is read along both) need extent 3, the least at which a neighbour, a prefix and all are
three different things. Any other rank can be collapsed to one point: its coordinate is passed on unchanged or summed
over entirely, so a dependency path exists between two points exactly if it exists between their images.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise

from attnsim.analysis.alignment import align
from attnsim.analysis.ranks import iterative_ranks, leaf_ranks, part_ranks, rank_names, recomposed_rank
from attnsim.einsum.ast import Cascade, Index

_SPAN = 3
_SCAN_SPAN = 4  # along an iterative rank and under a mask, where fibers may differ by an end
_TILES_IN_BAND = 4  # a band holds some tiles
_TILES_AROUND = 2  # the same where only the inside of a tile matters
_MANY_PARTS = 3  # from this many parts on, a part has extent 2, to keep the instance small


def canonical_extents(cascade: Cascade, rank: str, stretch: frozenset[str] = frozenset()) -> dict[str, int]:
    """Extent by rank name. Ranks in `stretch` are one longer than need be, to see what grows with them."""
    names = rank_names(cascade)
    classes = tied_ranks(cascade)
    active = {rank, *iterative_ranks(cascade)}
    active |= {name for group in classes if len(group) > 1 for name in group}
    active |= {part for name in tuple(active) for part in part_ranks(cascade, name)}
    active |= {part for name in names if _family(cascade, name) & active for part in _family(cascade, name)}
    masked = _masked_ranks(cascade, classes)
    sizes = {name: (_span(cascade, name, masked, rank) + (name in stretch) if name in active else 1) for name in names}
    for group in classes:
        common = max(_whole(cascade, sizes, name) for name in group)
        sizes.update({name: common for name in group if not part_ranks(cascade, name)})
    return {name: _whole(cascade, sizes, name) for name in names}


def tied_ranks(cascade: Cascade) -> tuple[frozenset[str], ...]:
    """Classes of ranks that must have comparable extents: one tensor is read along them, or a mask compares them."""
    classes: list[set[str]] = [{name} for name in rank_names(cascade)]
    for first, second in _ties(cascade):
        joined = [group for group in classes if first in group or second in group]
        classes = [group for group in classes if group not in joined]
        classes.append({first, second}.union(*joined))
    return tuple(frozenset(group) for group in classes)


def _ties(cascade: Cascade) -> Iterator[tuple[str, str]]:
    yield from cascade.same
    for access in (access for einsum in cascade.einsums for access in einsum.inputs):
        for index, group in align(cascade, access):
            yield from _tie(cascade, index, group)
    for condition in (condition for einsum in cascade.einsums for condition in einsum.conditions):
        yield from pairwise([*_compared(cascade, condition.left), *_compared(cascade, condition.right)])


def _tie(cascade: Cascade, index: Index, group: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if len(index.terms) > 1 and recomposed_rank(cascade, index) is None:
        yield from ((variable.upper(), group[0]) for variable in index.variables if group[0])
    if len(index.terms) != 1:
        return
    rank = index.terms[0][0].upper()
    leaves = leaf_ranks(cascade, rank)
    if leaves == group or not all(group):
        return
    yield from ((rank, leaf) for leaf in group if len(group) == 1)
    whole = next((s.rank for s in cascade.splits if leaf_ranks(cascade, s.rank) == group), None)
    if whole:
        yield rank, whole


def _compared(cascade: Cascade, index: Index) -> tuple[str, ...]:
    """Ranks that one side of a mask names. The parts of a split rank stand for the whole, also beside other ranks: a
    band `p - m1*M0 - m0` compares P with M, not with a tile of it."""
    named = frozenset(variable.upper() for variable in index.variables)
    for split in sorted(cascade.splits, key=lambda split: -len(leaf_ranks(cascade, split.rank))):
        wholes = (frozenset(leaf_ranks(cascade, split.rank)), frozenset(split.parts))
        parts = next((parts for parts in wholes if parts <= named), frozenset[str]())
        named = named - parts | {split.rank} if parts else named
    return tuple(sorted(named))


def _family(cascade: Cascade, name: str) -> set[str]:
    for split in cascade.splits:
        parts = part_ranks(cascade, split.rank)
        if name in parts:
            return set(parts)
    return {name}


def _span(cascade: Cascade, name: str, masked: frozenset[str], studied: str) -> int:
    wholes = [split.rank for split in cascade.splits if name in part_ranks(cascade, split.rank)]
    parts = max((leaf_ranks(cascade, whole) for whole in wholes), key=len, default=(name,))
    if masked & {name, *wholes} and _has_bands(cascade):
        return _banded_span(name, parts, studied)
    ends = name in masked | iterative_ranks(cascade) or (name == parts[0] and bool(masked & set(wholes)))
    if len(parts) >= _MANY_PARTS:
        return _SCAN_SPAN if ends and name == parts[0] else _SPAN - 1
    return _SCAN_SPAN if ends else _SPAN


def _banded_span(name: str, parts: tuple[str, ...], studied: str) -> int:
    """Extent under a band: tiles of two, or of three if it is their inside that matters; and more of them than a band
    has on both sides of the diagonal."""
    if parts == (name,):
        return (2 * _TILES_IN_BAND + 1) * (_SPAN - 1)
    inside = parts[1:] == (studied,)
    if name == parts[0]:
        return 2 * (_TILES_AROUND if inside else _TILES_IN_BAND) + 1
    return _SPAN if inside else _SPAN - 1


def band_steps(cascade: Cascade, rank: str, extents: Mapping[str, int]) -> int:
    """What any number in a mask but -1, 0 and 1 stands for in the small instance, in steps of the ranks compared."""
    masked = _masked_ranks(cascade, tied_ranks(cascade))
    banded = [leaf_ranks(cascade, s.rank) for s in cascade.splits if masked & {s.rank, *part_ranks(cascade, s.rank)}]
    tiles = (math.prod(extents[leaf] for leaf in parts[1:]) for parts in banded)
    inside = any(parts[1:] == (rank,) for parts in banded)
    return (_TILES_AROUND if inside else _TILES_IN_BAND) * max(tiles, default=_SPAN - 1)


def _masked_ranks(cascade: Cascade, classes: tuple[frozenset[str], ...]) -> frozenset[str]:
    """Ranks that a mask compares, and those tied to them."""
    sides = (side for e in cascade.einsums for condition in e.conditions for side in (condition.left, condition.right))
    named = {rank for side in sides for rank in _compared(cascade, side)}
    return frozenset(name for group in classes if group & named for name in group)


def _has_bands(cascade: Cascade) -> bool:
    """Whether a mask holds a number other than -1, 0 and 1, as the band `p - m < 128` does."""
    sides = (side for e in cascade.einsums for condition in e.conditions for side in (condition.left, condition.right))
    return any(abs(side.offset) > 1 or side.symbols for side in sides)


def _whole(cascade: Cascade, sizes: dict[str, int], name: str) -> int:
    leaves = leaf_ranks(cascade, name)
    return math.prod(sizes[leaf] for leaf in leaves) if leaves != (name,) else sizes[name]
