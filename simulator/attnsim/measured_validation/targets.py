"""What held-out rows must show: mean and median errors of prefill, decode and lengths from 256 on, beside the anchors.

Judged rows -> Verdict for each target, over the GPUs that the targets name, without the cells that are reported apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from attnsim.measured.noise import reported_apart
from attnsim.measured.scores import Scores, score
from attnsim.measured.split import key_length
from attnsim.measured_validation.judge import OURS, PREDICTORS, answered

GPUS = ("a100_sxm", "h100_sxm", "h200_sxm", "l40s", "b200_sxm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A mean (and median) error that is aimed at on some of the rows, as shares."""

    name: str
    phase: str | None
    least_length: int
    mape: float
    median: float | None


TARGETS = (
    Target(name="prefill", phase="context", least_length=0, mape=0.06, median=0.04),
    Target(name="decode", phase="generation", least_length=0, mape=0.08, median=0.04),
    Target(name="lengths from 256", phase=None, least_length=256, mape=0.05, median=None),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A target with the scores of each predictor on its rows, ours first; ours with the cells reported apart too."""

    target: Target
    scores: dict[str, Scores]
    with_apart: Scores

    @property
    def met(self) -> bool:
        """Whether ours reach the target."""
        ours = next(iter(self.scores.values()))
        return ours.mape <= self.target.mape and (self.target.median is None or ours.median_ape <= self.target.median)


def verdicts(rows: pl.DataFrame) -> tuple[Verdict, ...]:
    """Verdicts on judged rows; a target without rows is left out."""
    made = []
    for target in TARGETS:
        wanted = pl.col("gpu").is_in(GPUS) & (key_length() >= target.least_length)
        every = rows.filter(wanted & (pl.col("phase") == target.phase) if target.phase else wanted)
        taken = every.filter(~reported_apart())
        if not taken.is_empty():
            (ours, *_) = scores_of(every.select("latency_ms", OURS)).values()
            made.append(Verdict(target=target, scores=scores_of(taken), with_apart=ours))
    return tuple(made)


def scores_of(rows: pl.DataFrame) -> dict[str, Scores]:
    """Scores of every predictor that the rows have a column of, on the rows that ours answers."""
    known = answered(rows)
    measured = known["latency_ms"].to_numpy()
    return {
        name: score(measured, known[name].cast(pl.Float64).fill_null(float("nan")).to_numpy())
        for name in PREDICTORS
        if name in rows.columns
    }
