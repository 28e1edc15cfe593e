"""Tile sizes: numbers divide their rank, sizes looked up in the hardware shrink to it, padding fills what is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from attnsim.errors import MappingError
from attnsim.metrics import Metrics
from attnsim.pipeline import Request, Run, simulate
from attnsim.specs.library import find

MATMUL = find("mapping", "matmul").read_text(encoding="utf-8")


def gemm(mapping: str = "matmul", *, m: int = 512, n: int = 512) -> Metrics:
    run = simulate(Request(mapping=mapping, hardware="fusemax", extents={"M": m, "N": n, "K": 64}))
    assert isinstance(run, Run)
    return run.metrics


def own(tmp_path: Path, *edits: tuple[str, str]) -> str:
    text = MATMUL
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("m", [1, 100, 128, 255, 256])
def test_a_rank_shorter_than_the_array_leaves_rows_idle(m: int) -> None:
    found = gemm(m=m, n=256)
    assert found.bounds_s["array_2d"] == pytest.approx(64 / 940e6)
    useful_s = found.utilization["array_2d"] * found.latency_s
    assert useful_s == pytest.approx(found.bounds_s["array_2d"] * m / 256, rel=1e-6)
    assert found.energy_j["array_2d.mac"] == pytest.approx(m * 256 * 64 * 17.1645e-12)


def test_a_rank_longer_than_the_array_must_divide() -> None:
    with pytest.raises(
        MappingError, match="extent 300 of rank M is not a multiple of its tile 256; use an extent of 256 or 512"
    ):
        gemm(m=300)


def test_a_number_must_divide_even_a_shorter_rank(tmp_path: Path) -> None:
    mapping = own(tmp_path, ("M0: array_2d.rows", "M0: 256"))
    with pytest.raises(
        MappingError, match="extent 100 of rank M is not a multiple of its tile 256; use an extent of 256"
    ):
        gemm(mapping, m=100)


def test_padding_works_on_the_next_multiple(tmp_path: Path) -> None:
    padded = own(tmp_path, ("phases:", "remainder: pad\nphases:"))
    assert gemm(padded, m=300).bounds_s == gemm(m=512).bounds_s
    assert gemm(padded, m=512) == gemm(m=512)


def test_a_fitted_tile_is_the_largest_divisor_that_fits() -> None:
    def tiles(capacity: str) -> float:
        run = simulate(
            Request(
                mapping="matmul",
                hardware="fusemax",
                extents={"M": 512, "N": 12 * 256, "K": 64},
                overrides=(f"memories.global_buffer.capacity={capacity}",),
            )
        )
        assert isinstance(run, Run)
        # B is read once; A once for each block of B that fits beside it.
        return (run.metrics.bytes["dram"] / 2 - 12 * 256 * 64 - 12 * 256 * 512) / (512 * 64)

    block = 256 * 64 * 2
    assert [round(tiles(f"{blocks * block} byte")) for blocks in (2, 3, 4, 5, 6, 7, 8, 13, 14)] == [
        12, 6, 4, 3, 3, 2, 2, 1, 1,
    ]  # fmt: skip


def test_full_takes_the_whole_rank(tmp_path: Path) -> None:
    full = own(tmp_path, ("N1: fit", "N1: full"))
    assert gemm(full).bytes == gemm().bytes
