"""The anchors: the roofline by hand, constants found again where rows follow them, and what a table knows."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from attnsim.measured.anchors import fit_three_constants, roofline_ms, three_constants_ms
from attnsim.measured.table import interpolate_ms, line_residuals

Row = Callable[..., dict[str, str | int | float]]
LENGTHS = [2**power for power in range(4, 15)]


def decode_grid(row: Row, **changes: str | int | float) -> pl.DataFrame:
    shapes = [(batch, length) for batch in (1, 2, 4, 8, 16) for length in LENGTHS]
    return pl.DataFrame(
        [row(**{"phase": "generation", "isl": 1, "batch_size": b, "step": n - 1, **changes}) for b, n in shapes]
    )


def with_power_law(rows: pl.DataFrame) -> pl.DataFrame:
    """Latencies that are straight lines in the logarithms: 1 us x batch^0.5 x keys^0.8."""
    keys = pl.col("step") + 1
    return rows.with_columns(latency_ms=1e-3 * pl.col("batch_size").cast(pl.Float64) ** 0.5 * keys**0.8)


def test_the_roofline_is_the_slower_of_computing_and_moving(row: Row) -> None:
    rows = pl.DataFrame(
        [row(isl=8192), row(phase="generation", isl=1, step=8191), row(gpu="b60"), row(attn_dtype="int4")]
    )
    # 4 x 32 x 512 FLOP x 8192 x 8193 / 2 pairs at 989.5 TFLOP/s; 4 x 8 x 8192 x 512 + 4 x 32 x 512 bytes at 3.35 TB/s
    prefill, decode, *unknown = roofline_ms(rows)
    assert prefill == pytest.approx(65536 * 8192 * 8193 / 2 / 989.5e12 * 1e3)
    assert decode == pytest.approx((134217728 + 65536) / 3.35e12 * 1e3)
    assert np.isnan(unknown).all()


def test_constants_that_rows_follow_are_found_again(row: Row) -> None:
    long = pl.DataFrame([row(batch_size=b, isl=n) for b in (1, 2, 4, 8, 16) for n in [*LENGTHS, 1536, 3072, 6144]])
    wide = pl.DataFrame(
        [row(batch_size=b, isl=n, num_heads=1, num_key_value_heads=1) for b in (64, 512) for n in LENGTHS]
    )
    rows = pl.concat([long, wide])
    compute_ms = rows.select(
        4.0 * 128 * pl.col("batch_size") * pl.col("num_heads") * pl.col("isl") * (pl.col("isl") + 1) / 2
    )
    memory = 256 * 2.0 * pl.col("batch_size") * pl.col("isl") * (pl.col("num_heads") + pl.col("num_key_value_heads"))
    moved_ms = rows.select(memory).to_series().to_numpy() / 3.35e12 * 1e3
    roof_ms = np.maximum(compute_ms.to_series().to_numpy() / 989.5e12 * 1e3 / 0.55, moved_ms / 0.35)
    rows = rows.with_columns(latency_ms=pl.Series(0.012 + roof_ms))
    ((cell, found),) = fit_three_constants(rows).items()
    assert cell == ("h100_sxm", "vllm", "context")
    assert found.floor_s == pytest.approx(12e-6, rel=0.02)
    assert found.compute_efficiency == pytest.approx(0.55, rel=0.02)
    assert found.dram_efficiency == pytest.approx(0.35, rel=0.05)
    predicted = three_constants_ms(rows, {cell: found})
    assert np.abs(predicted / rows["latency_ms"].to_numpy() - 1).max() < 0.03


def test_a_cell_that_was_not_fitted_gets_no_answer(row: Row) -> None:
    fitted = fit_three_constants(decode_grid(row))
    assert np.isnan(three_constants_ms(pl.DataFrame([row(), row(gpu="l40s")]), fitted)).all()
    assert fit_three_constants(decode_grid(row, gpu="b60")) == {}


def test_a_table_of_straight_lines_is_interpolated_and_extrapolated_exactly(row: Row) -> None:
    rows = with_power_law(decode_grid(row))
    assert interpolate_ms(rows, rows) == pytest.approx(rows["latency_ms"].to_numpy())


def test_a_row_is_never_its_own_neighbour(row: Row) -> None:
    rows = with_power_law(decode_grid(row))
    wrong = (pl.col("batch_size") == 4) & (pl.col("step") == 1023)
    outlier = rows.with_columns(latency_ms=pl.when(wrong).then(100.0).otherwise(pl.col("latency_ms")))
    asked = outlier.filter(wrong)
    assert interpolate_ms(outlier, asked) == pytest.approx(rows.filter(wrong)["latency_ms"].to_numpy())


@pytest.mark.parametrize(
    "changes",
    [
        {"head_dim": 64},
        {"kv_cache_dtype": "fp8"},
        {"kernel_source": "other"},
        {"gpu": "a100_sxm"},
        {"window_size": 128},
    ],
)
def test_a_table_has_no_answer_for_what_it_never_saw(row: Row, changes: dict[str, str | int]) -> None:
    assert np.isnan(interpolate_ms(decode_grid(row), decode_grid(row, **changes))).all()


def test_an_empty_table_has_no_answers(row: Row) -> None:
    rows = decode_grid(row)
    assert np.isnan(interpolate_ms(rows.clear(), rows)).all()


def test_a_lone_neighbour_answers_with_its_own_time(row: Row) -> None:
    known = pl.DataFrame([row(isl=64, latency_ms=0.5)])
    assert interpolate_ms(known, pl.DataFrame([row(isl=128)])) == pytest.approx([0.5])


def test_the_narrower_gap_counts_for_more(row: Row) -> None:
    """Between lengths a factor of 4 apart and batches a factor of 16 apart: weights of 4 to 1 on the logarithms."""
    near = [row(isl=isl, batch_size=4, latency_ms=1.0) for isl in (512, 2048)]
    far = [row(isl=1024, batch_size=batch, latency_ms=math.e) for batch in (1, 16)]
    (found,) = interpolate_ms(pl.DataFrame(near + far), pl.DataFrame([row(isl=1024, batch_size=4)]))
    assert math.log(found) == pytest.approx(1 / 5)


def test_a_gemm_is_interpolated_along_all_three_sizes() -> None:
    place = {"gpu": "l40s", "framework": "vllm", "version": "1", "kernel_source": "k", "gemm_dtype": "bf16"}
    sizes = (64, 128, 256)
    rows = pl.DataFrame([{**place, "m": m, "n": n, "k": k} for m in sizes for n in sizes for k in sizes])
    rows = rows.with_columns(latency_ms=1e-6 * pl.col("m") * pl.col("n").cast(pl.Float64) ** 0.5 * pl.col("k"))
    assert interpolate_ms(rows, rows) == pytest.approx(rows["latency_ms"].to_numpy())


def test_residuals_are_of_the_middle_of_three(row: Row) -> None:
    rows = with_power_law(decode_grid(row)).filter(pl.col("batch_size") == 1)
    doubled = rows.with_columns(
        latency_ms=pl.when(pl.col("step") == 255).then(2 * pl.col("latency_ms")).otherwise("latency_ms")
    )
    found = line_residuals(doubled)
    place = LENGTHS.index(256)
    assert found[place - 1 : place + 2] == pytest.approx([-math.log(2) / 2, math.log(2), -math.log(2) / 2])
    assert np.isnan(found[[0, -1]]).all()
