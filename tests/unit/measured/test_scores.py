"""Errors and rank correlations, against values worked out by hand and against counting pairs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnsim.measured.scores import score, scores_by, with_bins

Row = Callable[..., dict[str, str | int | float]]
MEASURED = np.array([1.0, 2.0, 4.0, 8.0, 10.0])
PREDICTED = np.array([1.08, 1.9, 4.0, 6.0, 15.0])  # errors of 8, 5, 0, 25 and 50 %


def test_errors_are_fractions_of_the_measured_latency() -> None:
    found = score(MEASURED, PREDICTED)
    assert found.mape == pytest.approx(0.176)
    assert found.median_ape == pytest.approx(0.08)
    assert found.p90_ape == pytest.approx(0.40)  # between 25 and 50 %, at 0.6 of the way
    assert (found.within_10, found.within_20) == pytest.approx((0.6, 0.6))
    assert found.bias_log == pytest.approx(math.log(1.08 * 0.95 * 0.75 * 1.5) / 5)


def test_rows_without_an_answer_are_counted_and_left_out_of_the_errors() -> None:
    found = score(np.append(MEASURED, [3.0, 5.0]), np.append(PREDICTED, [np.nan, np.inf]))
    assert (found.rows, found.unanswered) == (5, 2)
    assert found.mape == pytest.approx(0.176)


def test_without_any_answer_there_are_no_errors() -> None:
    found = score(MEASURED, np.full(5, np.nan))
    assert (found.rows, found.unanswered) == (0, 5)
    assert math.isnan(found.mape)
    assert math.isnan(found.kendall)


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=2, max_size=12, unique_by=lambda p: p[0]))
@settings(max_examples=40)
def test_kendall_is_the_balance_of_ordered_pairs_when_nothing_is_tied(pairs: list[tuple[int, int]]) -> None:
    measured = np.array([pair[0] for pair in pairs], dtype=float)
    predicted = np.array([pair[1] + 0.001 * place for place, pair in enumerate(pairs)])
    signs = [
        math.copysign(1, (measured[i] - measured[j]) * (predicted[i] - predicted[j]))
        for i, j in itertools.combinations(range(len(pairs)), 2)
    ]
    assert score(measured, predicted).kendall == pytest.approx(sum(signs) / len(signs))


def test_spearman_is_one_less_six_times_the_squared_rank_distances() -> None:
    predicted = np.array([1.0, 3.0, 2.0, 5.0, 4.0])
    assert score(MEASURED, predicted).spearman == pytest.approx(1 - 6 * 4 / (5 * 24))


def test_constant_predictions_rank_nothing() -> None:
    assert math.isnan(score(MEASURED, np.ones(5)).spearman)


def test_groups_are_scored_apart_and_sorted(row: Row) -> None:
    rows = pl.DataFrame([row(gpu=gpu, isl=isl) for gpu in ("l40s", "a100_sxm") for isl in (64, 128)])
    rows = rows.with_columns(predicted_ms=pl.Series([1.1, 1.3, 1.0, None]))
    found = scores_by(rows, ["gpu"])
    assert found.select("gpu", "rows", "unanswered").rows() == [("a100_sxm", 1, 1), ("l40s", 2, 0)]
    assert found["mape"].to_list() == pytest.approx([0.0, 0.2])


@pytest.mark.parametrize(
    ("changes", "length", "batch"),
    [
        ({"isl": 1, "batch_size": 1}, "1-63", "1"),
        ({"isl": 63, "batch_size": 2}, "1-63", "2-7"),
        ({"isl": 64, "batch_size": 8}, "64-255", "8-31"),
        ({"isl": 16384, "batch_size": 512}, "16384+", "512+"),
        ({"phase": "generation", "isl": 1, "step": 4095, "batch_size": 511}, "4096-16383", "128-511"),
    ],
)
def test_bins_start_at_their_first_value(row: Row, changes: dict[str, str | int], length: str, batch: str) -> None:
    assert with_bins(pl.DataFrame([row(**changes)])).select("length_bin", "batch_bin").row(0) == (length, batch)


def test_bins_sort_by_size_not_by_name(row: Row) -> None:
    rows = with_bins(pl.DataFrame([row(isl=isl) for isl in (16384, 64, 1024, 1)]))
    assert rows.sort("length_bin")["isl"].to_list() == [1, 64, 1024, 16384]
