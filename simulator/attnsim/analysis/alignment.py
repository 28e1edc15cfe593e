"""Which leaf ranks of a tensor each index of an access stands for: `K[e,m]` and `K[e,m1,m0]` read the same tensor."""

from __future__ import annotations

from attnsim.analysis.ranks import leaf_ranks
from attnsim.einsum.ast import Access, Cascade, Index
from attnsim.einsum.shapes import match_indices, tensor_ranks

Group = tuple[str, ...]


def align(cascade: Cascade, access: Access) -> tuple[tuple[Index, Group], ...]:
    """Each index of the access with the leaf ranks of the tensor that it covers, one or, for a split rank, several."""
    matches = match_indices(access.indices, tensor_ranks(cascade).get(access.tensor, ()), cascade.splits)
    pairs: list[tuple[Index, Group]] = []
    for match in matches or ():
        leaves = tuple(leaf for rank in match.ranks for leaf in leaf_ranks(cascade, rank))
        if len(match.indices) == len(leaves):
            pairs += [(index, (leaf,)) for index, leaf in zip(match.indices, leaves, strict=True)]
        else:
            pairs.append((match.indices[0], leaves))
    return tuple(pairs)
