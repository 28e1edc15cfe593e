"""Held-out rows with our prediction and those of the anchors beside the measured latency.

Selection -> Judged: one row a timing, with predicted_ms, kernel_name, bottleneck and a column for each anchor. Nothing
is fitted here but the anchors' own constants, on calibration rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from attnsim.families.gpu_tile.columns import Floats
from attnsim.measured.cleaning import Dropped
from attnsim.measured.dataset import ANCHORS, Dataset, attention_dataset, with_anchors
from attnsim.measured.package import MeasuredPackage, find_package
from attnsim.measured.rows import Selection
from attnsim.measured.split import sample
from attnsim.predict import predict_rows

OURS = "predicted_ms"
PREDICTORS: Mapping[str, str] = {OURS: "attnsim", **ANCHORS}
"""Columns with predictions, ours and then the anchors, and what each is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Held-out rows with predictions, how many there were before sampling, and what cleaning dropped."""

    rows: pl.DataFrame
    held_out: int
    dropped: tuple[Dropped, ...]
    package: MeasuredPackage


def judge(selection: Selection, *, per_cell: int | None, anchors: bool = True, any_version: bool = False) -> Judged:
    """Predict held-out rows of a selection, at most `per_cell` of each GPU, framework and phase."""
    package = find_package(any_version=any_version)
    dataset = attention_dataset(selection, package=package)
    held_out = dataset.parts.held_out
    asked = sample(held_out, per_cell) if per_cell is not None else held_out
    return Judged(
        rows=judged_rows(asked, dataset if anchors else None),
        held_out=held_out.height,
        dropped=dataset.dropped,
        package=package,
    )


def judged_rows(
    asked: pl.DataFrame, dataset: Dataset | None = None, constants: Mapping[tuple[str, str], Floats] | None = None
) -> pl.DataFrame:
    """The rows with our predictions, and with the anchors' where a dataset to know and to fit on is given."""
    made = predict_rows(asked, constants)
    rows = asked.with_columns(*made.columns())
    if dataset is None:
        return rows
    return with_anchors(rows, dataset.rows, dataset.parts.calibration)


def answered(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that ours answers."""
    return rows.filter(pl.col(OURS).is_not_null())
