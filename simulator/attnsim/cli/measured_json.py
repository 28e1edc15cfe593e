"""The judgement of held-out rows as JSON: shares as fractions, null for numbers that there are none of."""

from __future__ import annotations

import math

import polars as pl

from attnsim.measured.scores import Scores, scores_by, with_bins
from attnsim.measured.split import ATTENTION_NUMBERS
from attnsim.measured_validation.cells import CELL, cells, coverage, noise_apart, with_kernel
from attnsim.measured_validation.explain import worst_rows
from attnsim.measured_validation.judge import Judged, answered
from attnsim.measured_validation.targets import verdicts
from attnsim.results import JsonObject

WORST_ROWS = 50


def measured_json(judged: Judged) -> JsonObject:
    """The judgement as JSON: scores by cell, verdicts with the scores of all predictors, worst and dropped rows."""
    return {
        "package": judged.package.version,
        "rows": judged.rows.height,
        "held_out": judged.held_out,
        "coverage": coverage(judged.rows),
        "cells": [_finite(line) for line in cells(judged.rows).to_dicts()],
        "bins": [_finite(line) for line in _bins(judged.rows)],
        "targets": [
            {
                "name": verdict.target.name,
                "mape": verdict.target.mape,
                "median": verdict.target.median,
                "met": verdict.met,
                "scores": {name: _scores_json(scores) for name, scores in verdict.scores.items()},
                "with_cells_apart": _scores_json(verdict.with_apart),
            }
            for verdict in verdicts(judged.rows)
        ],
        "noise_apart": [
            _finite({name: getattr(noise, name) for name in ("gpu", "framework", "phase", "repeat", "twin", "line")})
            for noise in noise_apart(judged.rows, judged.package)
        ],
        "worst": [
            {
                **{name: one.row[name] for name in ("gpu", "framework", "phase", "kernel_name", *ATTENTION_NUMBERS)},
                "latency_ms": one.row["latency_ms"],
                "predicted_ms": one.row["predicted_ms"],
                "error": one.error,
                "bottleneck": one.row["bottleneck"],
                "parts_us": dict(one.parts_us),
            }
            for one in worst_rows(judged.rows, WORST_ROWS)
        ],
        "dropped": [{"rule": one.rule, "rows": one.rows} for one in judged.dropped],
    }


def _finite(line: JsonObject) -> JsonObject:
    """The object with null for numbers that there are none of."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in line.items()
    }


def _scores_json(scores: Scores) -> JsonObject:
    return _finite({"rows": scores.rows, "mape": scores.mape, "median": scores.median_ape, "p90": scores.p90_ape})


def _bins(rows: pl.DataFrame) -> list[JsonObject]:
    """Rows and errors of each cell by length and batch."""
    binned = with_bins(with_kernel(answered(rows)))
    if binned.is_empty():
        return []
    scored = scores_by(binned, (*CELL, "length_bin", "batch_bin"))
    return scored.select(*CELL, "length_bin", "batch_bin", "rows", "mape", "median_ape", "p90_ape").to_dicts()
