"""Which leaf ranks of a tensor each index of an access stands for: `K[e,m]` and `K[e,m1,m0]` read the same tensor."""

from __future__ import annotations

from attnsim.analysis.ranks import index_rank, leaf_ranks, tensor_groups
from attnsim.einsum.ast import Access, Cascade, Index

Group = tuple[str, ...]


def align(cascade: Cascade, access: Access) -> tuple[tuple[Index, Group], ...]:
    """Each index of the access with the leaf ranks of the tensor that it covers, one or, for a split rank, several."""
    groups = tensor_groups(cascade).get(access.tensor, ())
    leaves = tuple(leaf for group in groups for leaf in group)
    if len(access.indices) == len(groups):
        return tuple(zip(access.indices, groups, strict=True))
    if len(access.indices) == len(leaves):
        return tuple((index, (leaf,)) for index, leaf in zip(access.indices, leaves, strict=True))
    return _greedy(cascade, access, leaves)


def _greedy(cascade: Cascade, access: Access, leaves: Group) -> tuple[tuple[Index, Group], ...]:
    pairs, position = [], 0
    for index in access.indices:
        width = max(1, len(leaf_ranks(cascade, index_rank(cascade, index))))
        pairs.append((index, leaves[position : position + width] or ("",)))
        position += width
    return tuple(pairs)
