"""How many tiles of keys each row block of an attention grid visits, and how many of them lie on the mask's edge."""

from __future__ import annotations

from attnsim.engine.compiled import compiled


@compiled
def ceil_div(whole: float, part: float) -> float:
    """Whole numbers of parts, the last one maybe not full; both are whole numbers kept as floats."""
    return float((int(whole) + int(part) - 1) // int(part))


@compiled
def visited_tiles(
    first: float, last: float, keys: float, past: float, window: float, n: float, exact_start: bool
) -> tuple[float, float, float]:
    """(tiles visited, those on an edge, tiles before the window) of a block with queries `first` to `last`.

    Query p sees the keys from p + past - window + 1 to p + past. A tile is on an edge if some query of the block does
    not see all of it. exact_start: tiles begin at the first key that is seen, not at a multiple of n.
    """
    high = min(keys, last + past + 1.0)
    low = max(0.0, first + past - window + 1.0)
    if high <= low:
        return 0.0, 0.0, 0.0
    start = 0.0 if exact_start else float(int(low) // int(n))
    origin = low if exact_start else 0.0
    end = ceil_div(high - origin, n)
    whole = min(float(int(max(min(keys, first + past + 1.0) - origin, 0.0)) // int(n)), end)
    edge = end - max(whole, start)
    inside = last + past - window + 1.0
    if inside > origin and inside > 0.0:
        edge += max(min(ceil_div(inside - origin, n), max(whole, start)) - start, 0.0)
    return end - start, min(edge, end - start), start
