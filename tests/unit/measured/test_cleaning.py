"""What the rules drop, each by rows made for it, and that the counts add up."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from attnsim.measured.cleaning import Dropped, clean
from attnsim.measured.datasheets import DATASHEETS

Row = Callable[..., dict[str, str | int | float]]
DECODE = {"phase": "generation", "isl": 1, "step": 65535}
# 4 x 8 x 65536 keys x 256 x 2 bytes of K and V, 64 KiB of Q and O: 1 GiB, 20 times the L2, 320.5 us at 3.35 TB/s
LEAST_MS = (2**30 + 2**16) / 3.35e12 * 1e3


def rules(rows: pl.DataFrame) -> dict[str, int]:
    return {dropped.rule: dropped.rows for dropped in clean(rows).dropped}


def test_rows_that_can_be_timings_are_left_alone(row: Row) -> None:
    rows = pl.DataFrame([row(isl=isl) for isl in (64, 128, 256)])
    cleaned = clean(rows)
    assert cleaned.rows.equals(rows)
    assert cleaned.dropped == ()


@pytest.mark.parametrize("latency", [0.0, -1.0, float("nan"), float("inf")])
def test_a_latency_that_is_no_time_is_dropped(row: Row, latency: float) -> None:
    rows = pl.DataFrame([row(latency_ms=latency), row(isl=128)])
    cleaned = clean(rows)
    assert cleaned.dropped == (Dropped(rule="not_a_time", gpu="h100_sxm", framework="vllm", phase="context", rows=1),)
    assert cleaned.rows["isl"].to_list() == [128]


@pytest.mark.parametrize(
    ("latencies", "left", "dropped"),
    [
        ((1.0, 1.02), [1.01], {"repeated": 1}),
        ((1.0, 1.02, 1.05), [1.02], {"repeated": 2}),
        ((1.0, 1.2), [], {"unstable": 2}),
        ((1.0, 1.02, 1.2), [], {"unstable": 3}),
    ],
)
def test_a_repeated_key_becomes_its_median_or_is_dropped_when_it_does_not_repeat(
    row: Row, latencies: tuple[float, ...], left: list[float], dropped: dict[str, int]
) -> None:
    rows = pl.DataFrame([row(latency_ms=latency) for latency in latencies] + [row(isl=64, latency_ms=7.0)])
    assert clean(rows).rows["latency_ms"].to_list() == pytest.approx([*left, 7.0])
    assert rules(rows) == dropped


def test_the_same_shape_with_a_window_that_hides_nothing_is_another_key(row: Row) -> None:
    assert clean(pl.DataFrame([row(), row(window_size=8192)])).dropped == ()


@pytest.mark.parametrize(
    ("changes", "dropped"),
    [
        ({"latency_ms": LEAST_MS / 1.06}, {"faster_than_dram": 1}),
        ({"latency_ms": LEAST_MS / 1.04}, {}),
        ({"latency_ms": LEAST_MS / 1.06, "gpu": "b60"}, {}),
        ({"latency_ms": LEAST_MS / 1.06, "value_head_dim": 96}, {}),
        ({"latency_ms": 1e-3, "step": 2047}, {}),
    ],
    ids=["too fast", "within 5 %", "no datasheet", "narrower values", "fits the L2"],
)
def test_a_row_faster_than_dram_allows_is_dropped_if_its_cache_exceeds_the_l2(
    row: Row, changes: dict[str, str | int | float], dropped: dict[str, int]
) -> None:
    assert rules(pl.DataFrame([row(**{**DECODE, **changes})])) == dropped


# 4 x 32 heads x 8192 x 8193 / 2 pairs x 512 FLOP: 2.2 TFLOP, 2.22 ms at 989.5 TFLOP/s
@pytest.mark.parametrize(
    ("cache", "latency", "dropped"),
    [
        ("bf16", 2.0, {"faster_than_tensor_cores": 1}),
        ("bf16", 2.2, {}),
        ("fp8", 2.0, {}),
        ("fp8", 1.0, {"faster_than_tensor_cores": 1}),
    ],
)
def test_a_row_faster_than_the_tensor_cores_in_its_narrowest_type_is_dropped(
    row: Row, cache: str, latency: float, dropped: dict[str, int]
) -> None:
    rows = pl.DataFrame([row(isl=8192, kv_cache_dtype=cache, latency_ms=latency)])
    assert rules(rows) == dropped


def test_gemm_rows_are_judged_by_repeats_and_tensor_cores() -> None:
    place = {"gpu": "l40s", "framework": "vllm", "version": "1", "kernel_source": "k", "phase": "gemm"}
    shape = {"m": 4096, "n": 4096, "k": 4096, "gemm_dtype": "bf16"}  # 137 GFLOP: 0.38 ms at 362 TFLOP/s
    latencies = (0.4, 0.3, 0.4, 0.41)
    rows = pl.DataFrame(
        [{**place, **shape, "m": 4096 if n < 2 else 2048} | {"latency_ms": t} for n, t in enumerate(latencies)]
    )
    assert rules(rows) == {"unstable": 2, "repeated": 1}
    assert rules(rows[1:2]) == {"faster_than_tensor_cores": 1}


def test_every_rule_leaves_the_rows_in_their_order(row: Row) -> None:
    rows = pl.DataFrame([row(isl=isl) for isl in (4, 1, 3, 1, 2)])
    assert clean(rows).rows["isl"].to_list() == [4, 1, 3, 2]


@pytest.mark.parametrize("gpu", DATASHEETS)
def test_datasheets_say_what_datasheets_can_say(gpu: str) -> None:
    sheet = DATASHEETS[gpu]
    assert 1e14 < sheet.flop_per_s["bf16"] < 1e16
    assert sheet.flop_per_s.get("fp8", 2 * sheet.flop_per_s["bf16"]) == pytest.approx(
        2 * sheet.flop_per_s["bf16"], rel=0.02
    )
    assert 5e11 < sheet.dram_bytes_per_s < 1e13
