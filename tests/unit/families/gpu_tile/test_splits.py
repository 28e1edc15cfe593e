"""Split rules give the numbers of the kernels that they describe."""

from __future__ import annotations

import pytest

from attnsim.families.gpu_tile.splits import dynamic_splits, efficient_splits, item_tiles


@pytest.mark.parametrize(
    ("grid", "room", "tiles", "expected"),
    [
        (8, 132, 4, 4),  # 8 x 4 = 32 of 132 slots: every further split fills the wave better
        (106, 132, 64, 1),  # 80 % of a wave is full enough
        (132, 132, 64, 1),
        # 128 splits of 8 tiles each fill most, 0.85 x 128 = 108.8; the next that give a CTA fewer tiles: 114 of 9 each.
        (1, 216, 1024, 114),
    ],
)
def test_wave_efficiency(grid: int, room: int, tiles: int, expected: int) -> None:
    assert efficient_splits(float(grid), float(room), float(tiles), 128.0, True) == expected


def test_dynamic_splits_share_the_tiles_of_a_batch_over_the_sms() -> None:
    # 4 sequences of 64 tiles, 8 heads: 2048 tiles and 10 % over 132 SMs are 18 each, so 64 tiles take 4 CTAs.
    assert dynamic_splits(1.0, 8.0, 4.0, 64.0, 132.0, 32.0) == 4
    assert dynamic_splits(1.0, 8.0, 256.0, 64.0, 132.0, 32.0) == 1


def test_work_items_are_the_shortest_chunks_that_fit_the_budget() -> None:
    # L40S, 8 key heads: 2 x 142 // 8 = 35 items; 8192 keys in chunks of 235 are 35 items.
    assert item_tiles(1.0, 1.0, 8192.0, 35.0, 128.0, 1.0) == 235
    assert item_tiles(40.0, 1.0, 8192.0, 35.0, 128.0, 1.0) == 0
