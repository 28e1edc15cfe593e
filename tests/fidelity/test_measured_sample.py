"""A sample of held-out timings: the model is as far off as the report says, on every GPU and in both phases.

Needs the package of timings, which `make setup` installs.
"""

from __future__ import annotations

import polars as pl
import pytest

from attnsim.measured.noise import reported_apart
from attnsim.measured.rows import Selection
from attnsim.measured.scores import score
from attnsim.measured_validation.judge import OURS, judge
from attnsim.report.tables import loads, number, only
from attnsim.report.write import default_folder

TABLES = loads((default_folder() / "gpu_measured.json").read_text(encoding="utf-8"))
PER_CELL = 150
CASES = [(str(row["gpu"]), str(row["phase"])) for row in TABLES["anchors"] if row["predictor"] == OURS and row["rows"]]


@pytest.fixture(scope="module")
def judged() -> pl.DataFrame:
    """Some 4,000 held-out rows with predictions."""
    return judge(Selection(), per_cell=PER_CELL, anchors=False).rows.filter(~reported_apart())


@pytest.mark.parametrize(("gpu", "phase"), CASES)
def test_a_sample_is_as_far_off_as_the_report_says(gpu: str, phase: str, judged: pl.DataFrame) -> None:
    rows = judged.filter((pl.col("gpu") == gpu) & (pl.col("phase") == phase) & pl.col(OURS).is_not_null())
    told = only(TABLES["anchors"], gpu=gpu, phase=phase, predictor=OURS)
    scores = score(rows["latency_ms"].to_numpy(), rows[OURS].to_numpy())
    assert scores.rows > PER_CELL / 2
    assert scores.mape <= 1.25 * number(told, "mape") + 0.01
    assert scores.median_ape <= 1.25 * number(told, "median_ape") + 0.01
    assert scores.spearman > 0.95


def test_a_sample_has_no_fewer_answers_than_the_report_says(judged: pl.DataFrame) -> None:
    (rows,) = TABLES["rows"]
    assert 1 - judged[OURS].null_count() / judged.height >= number(rows, "coverage") - 0.03
