"""Which ranks a tensor has, and how the indices of an access line up with them.

An input has the ranks that it is declared with, any other tensor those of the output that writes it. A tensor with a
split rank may be read by the rank or by its parts: `K[e,m]` as `K[e,m1,m0]`, `QK[m1,m0,p]` as `QK[m,p]`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from attnsim.einsum.ast import Cascade, Einsum, Index, Split
from attnsim.einsum.partition import part_coefficients


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Indices of an access over ranks of the tensor: one over one, the parts over a rank, or a rank over its parts."""

    ranks: tuple[str, ...]
    indices: tuple[Index, ...]


def tensor_ranks(cascade: Cascade) -> Mapping[str, tuple[str, ...]]:
    """Rank names by tensor, batch ranks left out; the first definition counts where there are two."""
    ranks = {tensor.name: tensor.ranks for tensor in reversed(cascade.inputs)}
    for einsum in reversed(cascade.einsums):
        ranks.setdefault(einsum.name, output_ranks(einsum, cascade.splits))
    return ranks


def output_ranks(einsum: Einsum, splits: Sequence[Split]) -> tuple[str, ...]:
    """Rank of each output index: M1 for m1 and m1+1, M for m1*M0+m0; empty text for what an output may not have."""
    return tuple(_rank_of(index, splits) for index in einsum.output.indices)


def match_indices(indices: Sequence[Index], ranks: Sequence[str], splits: Sequence[Split]) -> tuple[Match, ...] | None:
    """Line indices up with ranks from left to right; None when there are too few or too many indices."""
    matches: list[Match] = []
    i = r = 0
    while i < len(indices) and r < len(ranks):
        wide = _by_parts(indices[i:], ranks[r], splits)
        deep = _over_parts(indices[i], ranks[r:], splits)
        matches.append(Match(ranks=tuple(ranks[r : r + deep]), indices=tuple(indices[i : i + wide])))
        i, r = i + wide, r + deep
    return tuple(matches) if i == len(indices) and r == len(ranks) else None


def _by_parts(indices: Sequence[Index], rank: str, splits: Sequence[Split]) -> int:
    """How many indices stand for `rank`: the number of its parts when they name the parts in order, else 1."""
    split = next((split for split in splits if split.rank == rank), None)
    if split is None or len(indices) < len(split.parts):
        return 1
    named = all(
        index.variables == (part.lower(),) and index.terms[0][1] == 1
        for index, part in zip(indices, split.parts, strict=False)
    )
    return len(split.parts) if named else 1


def _over_parts(index: Index, ranks: Sequence[str], splits: Sequence[Split]) -> int:
    """How many ranks `index` stands for: all parts of a split when it is the split rank's own variable, else 1."""
    for split in splits:
        if index.plain == split.rank.lower() and tuple(ranks[: len(split.parts)]) == split.parts:
            return len(split.parts)
    return 1


def _rank_of(index: Index, splits: Sequence[Split]) -> str:
    if len(index.terms) == 1 and index.terms[0][1] == 1 and not index.symbols:
        return index.terms[0][0].upper()
    whole = next((split.rank for split in splits if index.terms == part_coefficients(split)), "")
    return whole if not index.offset and not index.symbols else ""
