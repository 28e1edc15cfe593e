"""Windows: a block of an affine index is the whole span that its windows cover."""

from __future__ import annotations

from pathlib import Path

import pytest

from attnsim.pipeline import Request, Run, simulate

MAPPING = """
name: rows
for: {cascade: conv1d, hardware: fusemax}
phases:
  - name: rows
    split: {Q: [Q1, Q0]}
    tile: {Q0: TILE}
    order: [B, Q1]
    place: {array_2d: [Y]}
    spatial: {Y: [K, Q0]}
    keep: {global_buffer: {X: Q1, G: B}}
"""
CHANNELS, OUTPUTS, FILTERS = 8, 64, 4


@pytest.mark.parametrize("tile", [1, 4, 16, 64])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("window", [1, 3, 5])
def test_neighbouring_blocks_share_what_their_windows_overlap_in(
    tile: int, stride: int, window: int, tmp_path: Path
) -> None:
    path = tmp_path / "rows.yaml"
    path.write_text(MAPPING.replace("TILE", str(tile)), encoding="utf-8")
    extents = {"B": 2, "C": CHANNELS, "W": 200, "K": FILTERS, "Q": OUTPUTS, "R": window, "STRIDE": stride}
    run = simulate(Request(mapping=str(path), extents=extents))
    assert isinstance(run, Run)
    covered = len({q * stride + r for q in range(tile) for r in range(window)})
    span = (tile - 1) * stride + window
    inputs = 2 * (OUTPUTS // tile) * CHANNELS * span
    weights, outputs = FILTERS * CHANNELS * window, 2 * FILTERS * OUTPUTS
    assert span >= covered
    assert run.metrics.bytes["dram"] == 2 * (inputs + 1 * weights + outputs)
