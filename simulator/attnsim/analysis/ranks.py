"""Which ranks a cascade and its tensors have: split ranks, their parts, and the leaf rank at each tensor position."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from attnsim.einsum.ast import Cascade, Einsum, Index, Split
from attnsim.einsum.shapes import tensor_ranks


def leaf_ranks(cascade: Cascade, rank: str) -> tuple[str, ...]:
    """The unsplit parts that a rank consists of, outer first; the rank itself if it is not split."""
    for split in cascade.splits:
        if split.rank == rank:
            return tuple(leaf for part in split.parts for leaf in leaf_ranks(cascade, part))
    return (rank,)


def part_ranks(cascade: Cascade, rank: str) -> tuple[str, ...]:
    """Every part of a split rank, the parts of its parts included; nothing for a rank that is not split."""
    for split in cascade.splits:
        if split.rank == rank:
            return tuple(name for part in split.parts for name in (part, *part_ranks(cascade, part)))
    return ()


def rank_names(cascade: Cascade) -> tuple[str, ...]:
    """Every rank but the batch ranks, each split rank followed by its parts."""
    names: dict[str, None] = {}
    for rank, _ in cascade.ranks:
        if rank not in cascade.batch:
            names.update(dict.fromkeys((rank, *part_ranks(cascade, rank))))
    for einsum in cascade.einsums:
        names.update(dict.fromkeys(v.upper() for v in einsum.iteration_ranks if v.upper() not in cascade.batch))
    return tuple(names)


def recomposed_rank(cascade: Cascade, index: Index) -> str | None:
    """The split rank that an index such as `m1*M0 + m0` puts together again, or None."""
    present = {variable.upper() for variable in index.variables}
    if len(present) < 2:
        return None
    for split in cascade.splits:
        if present in (set(split.parts), set(leaf_ranks(cascade, split.rank))):
            return split.rank
    return None


def leaf_positions(cascade: Cascade) -> dict[str, tuple[str, ...]]:
    """Leaf rank at each position of every tensor."""
    return {
        name: tuple(leaf for rank in ranks for leaf in leaf_ranks(cascade, rank))
        for name, ranks in tensor_ranks(cascade).items()
    }


def expression_variables(einsum: Einsum) -> tuple[str, ...]:
    """Rank variables that the expression or the masks name, each once."""
    named = [v for access in einsum.inputs for v in access.variables]
    named += [v for c in einsum.conditions for index in (c.left, c.right) for v in index.variables]
    return tuple(dict.fromkeys(named))


def iterative_ranks(cascade: Cascade) -> frozenset[str]:
    """Names of the ranks along which the cascade iterates."""
    return frozenset(iteration.rank.upper() for iteration in cascade.iterations)


def with_tilings(cascade: Cascade) -> Cascade:
    """The cascade with a split declared for each input rank that is only tiled in an index, `x[q*S + s]`."""
    for tensor in cascade.inputs:
        for rank, parts in _tilings(cascade, tensor.name, tensor.ranks):
            cascade = _split(cascade, rank, parts)
    return cascade


def _tilings(cascade: Cascade, tensor: str, ranks: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, str]]]:
    read = (access for einsum in cascade.einsums for access in einsum.inputs if access.tensor == tensor)
    for access in (access for access in read if len(access.indices) == len(ranks)):
        pairs = zip(access.indices, ranks, strict=True)
        yield from ((rank, parts) for index, rank in pairs if (parts := _tiles(index)))


def _tiles(index: Index) -> tuple[str, str] | None:
    """The ranks (Q, S) of an index `q*S + s`, whose tiles do not overlap; None for any other index."""
    if len(index.terms) != 2 or index.offset or index.symbols:
        return None
    (outer, stride), (inner, step) = sorted(index.terms, key=lambda term: term[1] == 1)
    return (outer.upper(), inner.upper()) if step == 1 and stride == inner.upper() else None


def _split(cascade: Cascade, rank: str, parts: tuple[str, str]) -> Cascade:
    taken = {name for split in cascade.splits for name in (split.rank, *split.parts)}
    if taken & {rank, *parts}:
        return cascade
    return replace(cascade, splits=(*cascade.splits, Split(rank=rank, parts=parts)))
