"""The tiles that a row block visits are those that hold a key which some query of it sees."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from attnsim.families.gpu_tile.tiles import visited_tiles


def seen(query: int, keys: int, past: int, window: int) -> set[int]:
    return {key for key in range(keys) if query + past - window < key <= query + past}


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    first=st.integers(0, 40),
    more=st.integers(0, 20),
    keys=st.integers(1, 70),
    past=st.integers(0, 80),
    window=st.integers(1, 90),
    n=st.integers(1, 17),
)
def test_visited_and_edge_tiles_are_those_of_a_count_of_pairs(
    first: int, more: int, keys: int, past: int, window: int, n: int
) -> None:
    last = first + more
    rows = [seen(query, keys, past, window) for query in range(first, last + 1)]
    touched = {key // n for row in rows for key in row}
    count, edge, _ = visited_tiles(float(first), float(last), float(keys), float(past), float(window), float(n), False)
    if not touched:
        return  # blocks beyond every key cost nothing that matters
    assert count == max(touched) - min(touched) + 1
    whole = {
        tile
        for tile in range(min(touched), max(touched) + 1)
        if all(set(range(tile * n, tile * n + n)) <= row for row in rows)
    }
    assert edge == count - len(whole)


def test_a_window_that_starts_between_tiles_saves_one_when_tiles_begin_at_it() -> None:
    at_tiles, _, _ = visited_tiles(200.0, 200.0, 1000.0, 0.0, 128.0, 128.0, False)
    at_window, _, _ = visited_tiles(200.0, 200.0, 1000.0, 0.0, 128.0, 128.0, True)
    assert (at_tiles, at_window) == (2, 1)
