"""The numbers of the report on measured timings: held-out rows judged, sampled points, and the kept unseen tables.

Package of timings + calibrations -> Tables. Shares are rounded to hundredths of a percent. What takes minutes (GPUs
with constants of others, withheld slices) is read from validation/measured/unseen.json.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from attnsim.measured.noise import reported_apart
from attnsim.measured.rows import Selection
from attnsim.measured.scores import Scores, scores_by, with_bins
from attnsim.measured.split import sample
from attnsim.measured_validation.cells import cells, coverage, noise_apart
from attnsim.measured_validation.explain import worst_rows
from attnsim.measured_validation.judge import OURS, Judged, answered, judge
from attnsim.measured_validation.targets import scores_of, verdicts
from attnsim.measured_validation.unseen import FILE
from attnsim.report.gpu_measured import cases
from attnsim.report.gpu_measured.misses import misses
from attnsim.report.tables import Cell, Row, Tables, loads, rounded
from attnsim.specs.calibration import calibrated_gpus
from attnsim.specs.library import data_root
from attnsim.specs.mapping import gpu_kernels
from attnsim.validate import Track

SHARES = ("mape", "median_ape", "p90_ape", "within_10", "within_20", "spearman", "kendall")
_DIGITS = 4


def collect(_track: Track) -> Tables:
    """Judge a sample of the held-out rows; needs the package of timings."""
    judged = judge(Selection(), per_cell=cases.PER_CELL)
    counted = judged.rows.filter(~reported_apart())
    return {
        "rows": [_rows(judged)],
        "dropped": _dropped(judged),
        "targets": _targets(judged.rows),
        "anchors": [line for gpu in cases.GPUS for line in _anchors(counted, gpu)],
        "cells": _scores(cells(judged.rows)),
        "bins": _means(counted, ("gpu", "phase", "length_bin", "batch_bin")),
        "lengths": _means(counted, ("gpu", "phase", "length_bin")),
        "limits": _scores(scores_by(answered(counted), ("phase", "bottleneck"))),
        "points": _points(counted),
        "worst": _worst(counted),
        "misses": misses(counted),
        "noise": _noise(judged),
        "constants": list(_constants()),
        **_unseen(),
    }


def _rows(judged: Judged) -> Row:
    return {
        "package": judged.package.version,
        "judged": judged.rows.height,
        "held_out": judged.held_out,
        "per_cell": cases.PER_CELL,
        "coverage": round(coverage(judged.rows), _DIGITS),
    }


def _dropped(judged: Judged) -> list[Row]:
    rules = dict.fromkeys(one.rule for one in judged.dropped)
    return [{"rule": rule, "rows": sum(one.rows for one in judged.dropped if one.rule == rule)} for rule in rules]


def _targets(rows: pl.DataFrame) -> list[Row]:
    return [
        {
            "target": verdict.target.name,
            "predictor": predictor,
            "aim_mape": verdict.target.mape,
            "aim_median": verdict.target.median,
            "met": verdict.met,
            **_numbers(scores),
        }
        for verdict in verdicts(rows)
        for predictor, scores in {**verdict.scores, cases.WITH_APART: verdict.with_apart}.items()
    ]


def _anchors(rows: pl.DataFrame, gpu: str) -> Iterable[Row]:
    for phase in cases.PHASES:
        taken = rows.filter((pl.col("gpu") == gpu) & (pl.col("phase") == phase))
        for predictor, scores in scores_of(taken).items():
            yield {"gpu": gpu, "phase": phase, "predictor": predictor, **_numbers(scores)}


def _numbers(scores: Scores) -> dict[str, Cell]:
    known = scores.rows > 0
    return {"rows": scores.rows} | {
        name: round(getattr(scores, name), _DIGITS) if known else None for name in ("mape", "median_ape", "p90_ape")
    }


def _scores(scored: pl.DataFrame) -> Sequence[Row]:
    """Scores by group as rows; what is not a number is null."""
    shares = [pl.col(name).round(_DIGITS).fill_nan(None) for name in (*SHARES, "bias_log")]
    return scored.with_columns(*shares).to_dicts()


def _means(rows: pl.DataFrame, by: Sequence[str]) -> Sequence[Row]:
    """Rows and mean error of each bin."""
    scored = scores_by(with_bins(answered(rows)), by)
    return scored.select(pl.col(by).cast(pl.String), "rows", pl.col("mape").round(_DIGITS)).to_dicts()


def _points(rows: pl.DataFrame) -> list[Row]:
    """A few rows of each GPU and phase for the scatter, the same at every run."""
    few = sample(answered(rows), cases.POINTS, ("gpu", "phase")).sort("gpu", "phase", maintain_order=True)
    return [
        {"gpu": gpu, "phase": phase, "measured_ms": rounded(measured, 4), "predicted_ms": rounded(predicted, 4)}
        for gpu, phase, measured, predicted in few.select("gpu", "phase", "latency_ms", OURS).rows()
    ]


def _worst(rows: pl.DataFrame) -> list[Row]:
    return [
        {
            **{name: str(one.row[name]) for name in ("gpu", "kernel_name", "phase", *cases.SHAPE)},
            "measured_us": rounded(float(str(one.row["latency_ms"])) * 1e3, 4),
            "predicted_us": rounded(float(str(one.row[OURS])) * 1e3, 4),
            "error": round(one.error, _DIGITS),
            "bottleneck": str(one.row["bottleneck"]),
            "parts": ", ".join(f"{part} {time_us:.3g}" for part, time_us in one.parts_us.items()),
        }
        for one in worst_rows(rows, cases.WORST_ROWS)
    ]


def _noise(judged: Judged) -> list[Row]:
    found = noise_apart(judged.rows, judged.package)
    return [
        {
            "gpu": noise.gpu,
            "framework": noise.framework,
            "phase": noise.phase,
            **{name: _known(getattr(noise, name)) for name in ("repeat", "twin", "line")},
        }
        for noise in found
    ]


def _known(value: float) -> float | None:
    return round(value, _DIGITS) if value == value else None


def _constants() -> Iterable[Row]:
    """Kernels that measured rows time: how many constants are fitted of them, and on which GPUs."""
    for name, kernel in sorted(gpu_kernels().items()):
        if kernel.measured:
            yield {"kernel": name, "fitted": len(kernel.constants.fit), "gpus": ", ".join(calibrated_gpus(name))}


def _unseen() -> dict[str, Sequence[Row]]:
    path = data_root() / FILE
    if not path.is_file():
        return {"transfer": [], "sources": [], "slices": []}
    return dict(loads(path.read_text(encoding="utf-8"), str(path)))
