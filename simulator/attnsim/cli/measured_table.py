"""The judgement of held-out rows for people: by cell, by target beside the anchors, and the worst rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from attnsim.cli.tables import render, table
from attnsim.measured.noise import reported_apart
from attnsim.measured.scores import Scores, scores_by
from attnsim.measured_validation.judge import Judged
from attnsim.measured_validation.targets import Verdict, verdicts
from attnsim.results import JsonObject

if TYPE_CHECKING:
    from rich.console import RenderableType

WORST_ROWS = 8
_CELL = ("gpu", "framework", "phase", "kernel_name")
_NAMES = {
    "predicted_ms": "attnsim",
    "roofline_ms": "roofline",
    "three_constants_ms": "roofline + 3 constants",
    "table_ms": "table interpolation",
}


def measured_table(judged: Judged) -> str:
    """Tables of a judgement: cells, targets and the worst rows."""
    title = f"held-out rows of aiconfigurator-core {judged.version}: {judged.rows.height} of {judged.held_out}"
    apart = judged.rows.filter(reported_apart())
    parts: list[RenderableType] = [title, "", _cells(judged.rows.filter(~reported_apart()))]
    if not apart.is_empty():
        parts += ["", "reported apart, outside the means below (validation/measured/README.md)", _cells(apart)]
    parts += ["", _targets(verdicts(judged.rows)), "", "worst rows", _worst(judged.rows)]
    dropped = sum(one.rows for one in judged.dropped)
    return render(*parts, "", f"{dropped} rows were dropped before the split, by the rules of the README")


def _cells(rows: pl.DataFrame) -> RenderableType:
    scored = scores_by(rows, _CELL)
    lines = [
        [
            *(str(line[name]) for name in _CELL),
            str(line["rows"]),
            *(_percent(line[name]) for name in ("mape", "median_ape", "p90_ape", "within_10", "within_20")),
            f"{line['spearman']:.3f}",
            f"{line['kendall']:.3f}",
        ]
        for line in scored.iter_rows(named=True)
    ]
    headings = (*_CELL, "rows", "MAPE", "median", "p90", "in 10 %", "in 20 %", "Spearman", "Kendall")
    return table(headings, lines, left=_CELL)


def _targets(found: tuple[Verdict, ...]) -> RenderableType:
    lines = []
    for verdict in found:
        aim = f"{_percent(verdict.target.mape)}"
        aim += f", {_percent(verdict.target.median)}" if verdict.target.median is not None else ""
        for name, scores in verdict.scores.items():
            ours = name == "predicted_ms"
            told = ("met" if verdict.met else "MISSED") if ours else ""
            lines.append([verdict.target.name, _NAMES[name], *_numbers(scores), aim if ours else "", told])
    headings = ("rows of", "predictor", "rows", "MAPE", "median", "p90", "target", "verdict")
    return table(headings, lines, left=("rows of", "predictor", "verdict"))


def _numbers(scores: Scores) -> list[str]:
    return [str(scores.rows), *(_percent(share) for share in (scores.mape, scores.median_ape, scores.p90_ape))]


def _worst(rows: pl.DataFrame) -> RenderableType:
    """The rows with the largest errors, and what the model says they wait for."""
    error = (pl.col("predicted_ms") / pl.col("latency_ms") - 1).abs()
    worst = rows.with_columns(_error=error).sort("_error", descending=True, nulls_last=True).head(WORST_ROWS)
    shape = ("batch_size", "isl", "step", "num_heads", "num_key_value_heads", "head_dim", "window_size")
    lines = [
        [
            str(row["gpu"]),
            str(row["kernel_name"]),
            *(str(row[name]) for name in shape),
            f"{row['latency_ms']:.4g}",
            f"{row['predicted_ms']:.4g}",
            str(row["bottleneck"]),
        ]
        for row in worst.iter_rows(named=True)
        if row["predicted_ms"] is not None
    ]
    headings = (
        "gpu",
        "kernel",
        "batch",
        "isl",
        "step",
        "heads",
        "kv",
        "dim",
        "window",
        "ms",
        "predicted",
        "limited by",
    )
    return table(headings, lines, left=("gpu", "kernel", "limited by"))


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def measured_json(judged: Judged) -> JsonObject:
    """The judgement as JSON: scores by cell, verdicts with the scores of all predictors, dropped rows."""
    return {
        "package": judged.version,
        "rows": judged.rows.height,
        "held_out": judged.held_out,
        "cells": scores_by(judged.rows, _CELL).to_dicts(),
        "targets": [
            {
                "name": verdict.target.name,
                "mape": verdict.target.mape,
                "median": verdict.target.median,
                "met": verdict.met,
                "scores": {name: _scores_json(scores) for name, scores in verdict.scores.items()},
            }
            for verdict in verdicts(judged.rows)
        ],
        "dropped": [{"rule": one.rule, "rows": one.rows} for one in judged.dropped],
    }


def _scores_json(scores: Scores) -> JsonObject:
    return {"rows": scores.rows, "mape": scores.mape, "median": scores.median_ape, "p90": scores.p90_ape}
