"""Cells: rows without an answer stay in the table, under the package's name of their kernel."""

from __future__ import annotations

import polars as pl

from attnsim.measured_validation.cells import cells, coverage
from attnsim.measured_validation.judge import judged_rows


def test_a_kernel_that_nothing_here_stands_for_is_counted_and_named(make_rows) -> None:
    rows = pl.concat([make_rows(isl=[512, 1024, 2048]), make_rows(kernel_source="unheard_of", isl=[512])])
    judged = judged_rows(rows)
    found = {line["kernel"]: (line["rows"], line["unanswered"]) for line in cells(judged).to_dicts()}
    assert found == {"vllm_fa3_prefill": (3, 0), "unheard_of bf16 bf16": (0, 1)}
    assert coverage(judged) == 0.75


def test_no_rows_are_covered_by_nothing(make_rows) -> None:
    assert coverage(judged_rows(make_rows(isl=[512])).clear()) == 0.0
