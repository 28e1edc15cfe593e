"""How well the measured latencies can be known: an estimate of the noise of each GPU x framework x phase.

Rows as loaded -> Noise of each cell, four ways: repeated keys, keys that differ in a window that hides nothing,
distance from the line through neighbours, and the step of the timer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from attnsim.measured.split import CELL, key_hashes, row_ids
from attnsim.measured.table import line_residuals

REPORTED_APART = (("l40s", "sglang", "generation"), ("l40s", "trtllm", "generation"))
"""Cells outside the means, as validation/measured/README.md says."""

_SHORT_MS = 0.025  # steps of about 2 us are a visible share of timings up to here
_PERIODS_MS = np.arange(1.5e-3, 4e-3, 5e-6)
_CLEAR_COMB = 0.5  # |mean phasor|: 1 for timings that are exact multiples, near 0 for timings without a step
_PERIODOGRAM_ROWS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Noise of a cell, relative (as a standard deviation of log latency); NaN where it cannot be estimated.

    `repeat` and `twin` are medians over keys measured more than once, and over keys that differ only in a window that
    hides nothing; a kernel may treat the latter differently. `line` is of residuals from the line through the
    neighbours in length, so it holds noise and true bends: an upper bound for half of the rows. `tick_s` is the step
    of the timer, 0 if there is none, and `rounding` the mean absolute error that rounding to it costs.
    """

    gpu: str
    framework: str
    phase: str
    rows: int
    repeat: float
    twin: float
    line: float
    tick_s: float
    rounding: float


def estimate_noise(rows: pl.DataFrame) -> tuple[Noise, ...]:
    """Noise of every cell of attention rows as they were loaded, before cleaning: that drops the repeated ones."""
    marked = rows.with_columns(_id=pl.Series(row_ids(rows)), _work=pl.Series(key_hashes(rows)))
    groups = marked.group_by(list(CELL), maintain_order=True)
    return tuple(sorted((_noise(cell, group) for cell, group in groups), key=lambda n: (n.gpu, n.framework, n.phase)))


def reported_apart() -> pl.Expr:
    """True for the rows of the cells that stay outside the means."""
    cells = [pl.all_horizontal(pl.col(n) == v for n, v in zip(CELL, cell, strict=True)) for cell in REPORTED_APART]
    return pl.any_horizontal(cells)


def _noise(cell: tuple[object, ...], rows: pl.DataFrame) -> Noise:
    gpu, framework, phase = map(str, cell)
    once = rows.filter(pl.col("_id").is_first_distinct())
    residuals = line_residuals(once)
    tick_ms = tick(rows["latency_ms"].to_numpy())
    return Noise(
        gpu=gpu,
        framework=framework,
        phase=phase,
        rows=rows.height,
        repeat=_spread(rows, "_id"),
        twin=_spread(once, "_work"),
        line=_line(residuals[np.isfinite(residuals)]),
        tick_s=tick_ms * 1e-3,
        rounding=float((tick_ms / 4 / rows["latency_ms"]).to_numpy().mean()),
    )


def _spread(rows: pl.DataFrame, same: str) -> float:
    """Median standard deviation of log latency among rows that are equal in `same`."""
    spreads = rows.group_by(same).agg(pl.col("latency_ms").log().std())["latency_ms"].drop_nulls().to_numpy()
    return float(np.median(spreads)) if spreads.size else float("nan")


def _line(residuals: NDArray[np.float64]) -> float:
    """Standard deviation of one point, of the residuals of points from the middle of two, each as noisy as another.

    From the median absolute residual (1.4826 of it is the deviation of a normal distribution); a point and the mean
    of two have 1.5 times the variance of one.
    """
    return float(np.median(np.abs(residuals)) * 1.4826 / np.sqrt(1.5)) if residuals.size else float("nan")


def tick(latencies_ms: NDArray[np.float64]) -> float:
    """Step in ms on whose multiples (plus an offset) short latencies lie; 0 if they do on none from 1.5 to 4 us.

    The period with the largest mean phasor |mean(exp(2 pi i t / period))| of the latencies below 25 us, if that is 0.5
    or more.
    """
    short = np.sort(latencies_ms[latencies_ms < _SHORT_MS])
    some = short[:: max(1, len(short) // _PERIODOGRAM_ROWS)]
    if len(some) < 100:
        return 0.0
    phasors = np.abs(np.exp(2j * np.pi * some / _PERIODS_MS[:, None]).mean(axis=1))
    best = int(np.argmax(phasors))
    return float(_PERIODS_MS[best]) if phasors[best] >= _CLEAR_COMB else 0.0
