"""The worst rows, and what the model holds responsible."""

from __future__ import annotations

import polars as pl

from attnsim.families.gpu_tile.bulk import PARTS
from attnsim.measured_validation.explain import parts_us, worst_rows
from attnsim.measured_validation.judge import judged_rows


def spoiled(rows: pl.DataFrame, factors: list[float]) -> pl.DataFrame:
    """Judged rows whose measured times are the predicted ones over these factors."""
    judged = judged_rows(rows)
    return judged.with_columns(latency_ms=pl.col("predicted_ms") / pl.Series(factors))


def test_the_largest_errors_come_first_whatever_their_sign_and_few_of_a_kernel(make_rows) -> None:
    rows = spoiled(make_rows(isl=[256, 512, 1024, 2048]), [1.1, 2.0, 0.4, 1.0])
    assert [round(one.error, 3) for one in worst_rows(rows, 3)] == [1.0, -0.6]
    assert [round(one.error, 3) for one in worst_rows(rows, 3, of_a_kernel=4)] == [1.0, -0.6, 0.1]


def test_the_largest_part_is_the_bottleneck_of_the_prediction(make_rows) -> None:
    rows = judged_rows(make_rows(isl=[16, 512, 8192]))
    found = parts_us(rows)
    assert [next(iter(parts)) for parts in found] == rows["bottleneck"].to_list()
    assert all(set(parts) <= set(PARTS) and list(parts.values()) == sorted(parts.values())[::-1] for parts in found)


def test_what_runs_side_by_side_is_never_longer_than_the_whole(make_rows) -> None:
    rows = judged_rows(make_rows(isl=[512, 8192]))
    whole_us = rows["predicted_ms"].to_numpy() * 1e3
    for parts, whole in zip(parts_us(rows), whole_us, strict=True):
        assert max(parts.values()) <= whole * (1 + 1e-9)
