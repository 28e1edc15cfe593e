"""Targets: which rows count, and when one is met."""

from __future__ import annotations

import polars as pl
import pytest

from attnsim.measured_validation.targets import verdicts


def off(rows: pl.DataFrame, factor: float) -> pl.DataFrame:
    """Rows with predictions that are the measured time times a factor, and an anchor that is twice the time."""
    return rows.with_columns(predicted_ms=pl.col("latency_ms") * factor, table_ms=pl.col("latency_ms") * 2)


@pytest.mark.parametrize(("factor", "met"), [(1.039, True), (1.041, False), (0.961, True), (0.959, False)])
def test_a_target_with_a_median_is_met_only_below_both(make_rows, factor: float, met: bool) -> None:
    (prefill,) = verdicts(off(make_rows(isl=[64, 128]), factor))
    assert (prefill.target.name, prefill.met) == ("prefill", met)


def test_lengths_from_256_are_judged_apart_and_the_anchors_on_the_same_rows(make_rows) -> None:
    rows = pl.concat([off(make_rows(isl=[64, 128]), 1.5), off(make_rows(isl=[256, 512, 1024]), 1.01)])
    prefill, long = verdicts(rows)
    assert (prefill.scores["predicted_ms"].rows, long.scores["predicted_ms"].rows) == (5, 3)
    assert long.scores["predicted_ms"].mape == pytest.approx(0.01)
    assert long.scores["table_ms"].mape == pytest.approx(1.0)


def test_cells_reported_apart_count_in_no_mean_but_the_one_beside(make_rows) -> None:
    decode = {"phase": "generation", "isl": 1, "step": [1023, 2047]}
    apart = make_rows(gpu="l40s", framework="trtllm", kernel_source="torch_flow", **decode)
    verdict, _ = verdicts(pl.concat([off(make_rows(**decode), 1.0), off(apart, 3.0)]))
    assert verdict.scores["predicted_ms"].mape == pytest.approx(0.0)
    assert verdict.with_apart.mape == pytest.approx(1.0)


def test_rows_without_an_answer_are_left_out_of_the_anchors_too(make_rows) -> None:
    rows = off(make_rows(isl=[64, 128, 256]), 1.0)
    answered = pl.when(pl.col("isl") > 64).then(pl.col("predicted_ms"))
    prefill, _ = verdicts(rows.with_columns(predicted_ms=answered))
    assert {name: scores.rows for name, scores in prefill.scores.items()} == {"predicted_ms": 2, "table_ms": 2}
