"""The two products of attention, the roles of ranks in them, and the sizes and mask of a problem.

Cascade x extents -> Ranks and AttentionShape. Nothing here knows an algorithm's name: the first product is the
contraction that gives the scores, the second the one that takes the keys in (FlashAttention-2, algorithm 1, in the
terms of Einsums).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from attnsim.components.operations import point_operations
from attnsim.einsum.ast import Access, Cascade, Condition, Einsum, Index
from attnsim.einsum.shapes import tensor_ranks
from attnsim.errors import MappingError, Problem

UNLIMITED = 1 << 40
"""A window that never ends, and the reach of a query that sees every key."""
_NO_WINDOW = 1 << 30
"""Windows from here on are longer than any sequence: the cascade's way to have none."""

_REMEDY = (
    "use a mapping that runs one Einsum at a time, such as pytorch on a GPU, or a cascade that such a mapping knows"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """The roles of a cascade's ranks (lower case) in attention: `keys` with its inner part first where it is split."""

    score: Einsum
    value: Einsum
    query: str
    key: str
    rows: tuple[str, ...]
    keys: tuple[str, ...]
    qk: tuple[str, ...]
    v: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionShape:
    """A problem: query p of each of `group` heads that share keys sees the keys from p + past - window + 1 to p + past.

    `past` is UNLIMITED without a causal mask, `window` without a window.
    """

    batch: int
    kv_heads: int
    group: int
    queries: int
    keys: int
    qk_dim: int
    v_dim: int
    past: int = UNLIMITED
    window: int = UNLIMITED


def matrix_products(cascade: Cascade) -> list[Einsum]:
    """Contractions, but for those of two tensors over the same ranks: such are sums over work on the scores."""
    found = [e for e in cascade.einsums if point_operations(e)[:1] == ("mac",)]
    return [e for e in found if len({frozenset(access.variables) for access in e.inputs}) > 1]


def product_ranks(cascade: Cascade) -> Ranks:
    """Roles of the ranks; MappingError when the cascade is not two products around work on the scores."""
    products = matrix_products(cascade)
    if len(products) != 2 or cascade.sparse or any(e.populate for e in cascade.einsums):
        raise no_attention(cascade, f"it has {len(products)} products, or data-dependent points")
    score, value = products
    tensors = tensor_ranks(cascade)
    query, key = _operands(score, tensors)
    qk = tuple(score.reduced_ranks)
    keys = tuple(v for v in key.variables if v not in qk)
    rows = tuple(v for v in query.variables if v not in qk)
    if set(value.reduced_ranks) - set(keys) or not rows or not keys:
        raise no_attention(cascade, f"{value.name} does not take in the keys of {score.name}")
    whole = next((s.rank for s in cascade.splits if s.parts[-1].lower() in keys), keys[-1].upper()).lower()
    return Ranks(
        score=score,
        value=value,
        query=rows[-1],
        key=whole,
        rows=rows,
        keys=tuple(reversed(keys)),
        qk=qk,
        v=tuple(v for v in value.output.variables if v not in (*rows, *keys)),
    )


def no_attention(cascade: Cascade, why: str) -> MappingError:
    """The error for a cascade whose ranks have no roles in attention."""
    what = f"{cascade.name} is no attention that a mapping of whole heads can run: {why}"
    return MappingError(Problem(path="for.cascade", what=what, remedy=_REMEDY))


def _operands(score: Einsum, tensors: Mapping[str, tuple[str, ...]]) -> tuple[Access, Access]:
    """The query and the key of the product: the key is the operand that comes second, as in Q K^T."""
    inputs = score.inputs
    assert len(inputs) == 2, tensors
    return inputs[0], inputs[1]


def attention_shape(cascade: Cascade, ranks: Ranks, extents: Mapping[str, int]) -> AttentionShape:
    """Sizes and mask of a problem. The last batch rank counts heads, the row ranks but the queries make a group."""
    batch = [extents[rank] for rank in cascade.batch]
    upper, lower = _band(cascade, ranks, extents)
    window = upper - lower + 1
    return AttentionShape(
        batch=math.prod(batch[:-1]),
        kv_heads=batch[-1] if batch else 1,
        group=math.prod(extents[v.upper()] for v in ranks.rows if v != ranks.query),
        queries=extents[ranks.query.upper()],
        keys=extents[ranks.key.upper()],
        qk_dim=math.prod(extents[v.upper()] for v in ranks.qk),
        v_dim=math.prod(extents[v.upper()] for v in ranks.v),
        past=min(upper, UNLIMITED),
        window=window if window < _NO_WINDOW else UNLIMITED,
    )


def _band(cascade: Cascade, ranks: Ranks, extents: Mapping[str, int]) -> tuple[int, int]:
    """Largest and smallest key less query that the conditions let through."""
    constants = {name: int(extents.get(name, value or 0)) for name, value in cascade.constants}
    upper, lower = UNLIMITED, -UNLIMITED
    for condition in (c for e in cascade.einsums for c in e.conditions):
        for slope, limit in _bounds(condition, ranks, constants, cascade):
            upper = min(upper, limit) if slope > 0 else upper
            lower = max(lower, limit) if slope < 0 else lower
    return upper, lower


def _bounds(
    condition: Condition, ranks: Ranks, constants: Mapping[str, int], cascade: Cascade
) -> Iterator[tuple[int, int]]:
    """A condition as (1, highest key less query) or (-1, lowest)."""
    flip = condition.relation in (">", ">=")
    small, large = (condition.right, condition.left) if flip else (condition.left, condition.right)
    slope = _slope(small, ranks.keys[0]) - _slope(large, ranks.keys[0])
    other = _slope(small, ranks.query) - _slope(large, ranks.query)
    gap = _fixed(large, constants) - _fixed(small, constants) - (condition.relation in ("<", ">"))
    if condition.relation in ("==", "!=") or abs(slope) != 1 or other != -slope:
        raise no_attention(cascade, "its mask is not a band along the queries")
    yield slope, gap if slope > 0 else -gap


def _slope(index: Index, variable: str) -> int:
    return sum(int(factor) for name, factor in index.terms if name == variable)


def _fixed(index: Index, constants: Mapping[str, int]) -> int:
    return index.offset + sum(factor * constants[name] for name, factor in index.symbols)
