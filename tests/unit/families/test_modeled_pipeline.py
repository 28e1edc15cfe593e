"""Pipelines that fill and drain: single tiles worked out by hand, and what more tiles at work at once bring."""

from __future__ import annotations

from pathlib import Path

import pytest

from attnsim.metrics import Metrics
from attnsim.pipeline import Request, Run, simulate
from attnsim.specs.library import find

FAST_DRAM = ("memories.dram.bandwidth=1000000 GB/s",)
CLOCK_HZ = 940e6


def modeled(mapping: str = "binding", overrides: tuple[str, ...] = FAST_DRAM, **extents: int) -> Metrics:
    shape = {"B": 1, "H": 1, "P": 256, "M": 256, "E": 64, "F": 64, **extents}
    run = simulate(Request(mapping=mapping, extents=shape, overrides=overrides, fill_drain="modeled"))
    assert isinstance(run, Run)
    return run.metrics


@pytest.mark.parametrize(("e", "f"), [(64, 64), (128, 64), (16, 128)])
def test_one_tile_of_one_pass_attention_takes_its_longest_chain(e: int, f: int) -> None:
    # QK, LM, out of the array, RM, then SLN, SLD, SLNV, out of the array, RNV, AV.
    cycles = (e + 1) + 256 + 1 + (7 + 1 + f) + 256 + f + f
    assert modeled(E=e, F=f).latency_s * CLOCK_HZ == pytest.approx(cycles, abs=0.5)


def test_one_tile_of_three_pass_attention_crosses_the_arrays_once_each_way() -> None:
    # QK, out of the array, GM, SN, SD and A on one lane per query, then AV, and out of the chip.
    found = modeled("flat_rows")
    cycles = 64 + 256 + 4 * 256 + 256
    assert found.latency_s * CLOCK_HZ == pytest.approx(cycles, abs=0.5)


def test_more_tiles_in_flight_never_take_longer(tmp_path: Path) -> None:
    text = find("mapping", "binding").read_text(encoding="utf-8")
    times = []
    for tiles in (1, 2, 4, 8):
        path = tmp_path / f"{tiles}.yaml"
        path.write_text(text.replace("in_flight: 8", f"in_flight: {tiles}"), encoding="utf-8")
        times.append(modeled(str(path), P=1024, M=1024).latency_s)
    assert times == sorted(times, reverse=True)
    assert times[0] > 2 * times[-1]


def test_a_block_is_loaded_while_the_last_one_is_in_use_only_if_there_is_room_for_both() -> None:
    def time_s(capacity_bytes: int) -> float:
        overrides = (f"memories.global_buffer.capacity={capacity_bytes} byte", "memories.dram.bandwidth=1 TB/s")
        extents = {"M": 4096, "N": 256, "K": 256}
        run = simulate(Request(mapping="matmul", extents=extents, overrides=overrides, fill_drain="modeled"))
        assert isinstance(run, Run)
        return run.metrics.latency_s

    demand = 2 * 256 * 256 * 2  # a block of A and all of B
    load_s, compute_s, tiles = 256 * 256 * 2 / 1e12, 256 / CLOCK_HZ, 4096 // 256
    # A load shares the memory with the store of the tile before.
    assert time_s(demand) == pytest.approx(tiles * (2 * load_s + compute_s), rel=0.05)
    # The first block of A and all of B come before, the last tile of Z leaves after.
    assert time_s(2 * demand) == pytest.approx(tiles * compute_s + 3 * load_s, rel=0.05)
