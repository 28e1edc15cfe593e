"""What repeated runs find in the L2, by reuse distance: a line stays if little else is touched between two uses of it.

Bound attention problems -> bytes from DRAM of the attention launch and of the launch that writes K and V. A run follows
a run on the same buffers. After D other bytes a line is gone with probability 1 / (1 + (C / D)^s), where C is the share
`warm` of the L2: a step for a fully associative LRU cache (Mattson et al. 1970), softened by hashing and replacement.
"""

from __future__ import annotations

from attnsim.engine.compiled import compiled
from attnsim.families.gpu_tile.columns import AT, Floats

_BATCH, _HEADS, _KV, _HQ = AT["batch"], AT["heads"], AT["kv_heads"], AT["query_heads"]
_QUERIES, _KEYS, _WINDOW, _N, _EXACT = AT["queries"], AT["keys"], AT["window"], AT["n"], AT["exact_start"]
_E, _F, _QB, _OB, _LB, _CB = (
    AT[name] for name in ("qk_dim", "v_dim", "q_bytes", "o_bytes", "load_bytes", "cache_bytes")
)
_WRITES, _COPIES, _FRESH, _PARTIALS = AT["write_ctas"], AT["copies"], AT["reads_new"], AT["partials"]
_NEW_BYTES = 2.0
"""Bytes of an element of new K and V before they are written to the cache."""
_SHARPNESS = AT["sharpness"]
_LINE_USES, _QUERY_BYTES = AT["line_uses"], AT["write_query_bytes"]


@compiled
def lost(row: Floats, distance: float, capacity: float) -> float:
    """Probability that a line has left the L2 after so many other bytes."""
    return float(1.0 / (1.0 + (capacity / max(distance, 1.0)) ** row[_SHARPNESS]))


@compiled
def _sizes(row: Floats) -> tuple[float, float, float, float]:
    """Bytes of K and V that some query sees, of new K and V as they come in and as they are cached, of Q and O."""
    width = row[_E] + row[_F]
    low = max(0.0, row[_KEYS] - row[_QUERIES] - row[_WINDOW] + 1.0)
    seen = row[_KEYS] - (low if row[_EXACT] > 0.0 else float(int(low) // int(row[_N])) * row[_N])
    tokens = row[_BATCH] * row[_KV] * row[_QUERIES] * width if row[_WRITES] > 0.0 else 0.0
    own = row[_BATCH] * row[_HQ] * row[_QUERIES] * (row[_E] * row[_QB] + row[_F] * row[_OB])
    read = row[_BATCH] * row[_KV] * seen * width * row[_LB]
    return read, tokens * (row[_LB] if row[_FRESH] > 0.0 else _NEW_BYTES), tokens * row[_CB], own


@compiled
def working_set(row: Floats) -> float:
    """Bytes that one run touches."""
    read, new, cached, own = _sizes(row)
    return float(read + own + (cached if row[_FRESH] > 0.0 else new) + _partial_bytes(row))


@compiled
def keys_from_dram(row: Floats, capacity: float) -> float:
    """Share of K and V that the attention launch reads from DRAM: what was just written is nearer than the rest."""
    read, new, cached, _ = _sizes(row)
    near = new + cached
    fresh = min(1.0, cached / read) if row[_FRESH] == 0.0 else min(1.0, new / read)
    return float(fresh * lost(row, near, capacity) + (1.0 - fresh) * lost(row, working_set(row), capacity))


@compiled
def attention_from_dram(row: Floats, capacity: float) -> float:
    """Bytes from and to DRAM of the attention launch. Heads that share K and V and run one after the other read them
    again if a head's K and V, Q and O over the whole batch do not stay; so do heads that lie in one line."""
    read, _, _, own = _sizes(row)
    again = max(row[_LINE_USES] - 1.0, 0.0) * lost(row, read / row[_KV] * row[_LINE_USES], capacity)
    moved = read * keys_from_dram(row, capacity) * (1.0 + again) + own * lost(row, working_set(row), capacity)
    if row[_HEADS] > row[_KV]:
        one = read / row[_KV]
        moved += (row[_HEADS] - row[_KV]) * one * lost(row, one + own / row[_HQ], capacity)
    return float(moved + _partial_bytes(row) * lost(row, working_set(row), capacity))


@compiled
def own_from_dram(row: Floats, capacity: float) -> float:
    """Bytes from and to DRAM of Q and O, which each run touches once."""
    _, _, _, own = _sizes(row)
    return float(own * lost(row, working_set(row), capacity))


@compiled
def combined_from_dram(row: Floats, capacity: float) -> float:
    """Bytes of partial results that the launch that combines them reads from DRAM."""
    return float(_partial_bytes(row) * lost(row, _partial_bytes(row), capacity))


@compiled
def _partial_bytes(row: Floats) -> float:
    return float(row[_BATCH] * row[_HQ] * row[_QUERIES] * row[_F] * 4.0 * row[_PARTIALS])


@compiled
def written_from_dram(row: Floats, capacity: float) -> float:
    """Bytes from and to DRAM of the launch that writes K and V, and rewrites Q where it does."""
    read, new, cached, own = _sizes(row)
    whole = working_set(row)
    queries = row[_QUERY_BYTES] * lost(row, whole, capacity)
    if row[_FRESH] > 0.0:
        return float(queries + new * lost(row, new + own, capacity) + cached * lost(row, whole, capacity))
    return float(queries + new * lost(row, whole, capacity) + cached * lost(row, read + own, capacity))


@compiled
def copy_seconds(row: Floats, capacity: float, each: float, l2_rate: float, dram_rate: float) -> float:
    """Seconds of the launches that rearrange Q before and O after, `each` and the time of their bytes."""
    if row[_COPIES] <= 0.0:
        return 0.0
    own = row[_BATCH] * row[_HQ] * row[_QUERIES] * (row[_E] * row[_QB] + row[_F] * row[_OB])
    gone = lost(row, working_set(row), capacity)
    return float(row[_COPIES] * (each + own * ((1.0 - gone) / l2_rate + gone / dram_rate)))
