"""Scores by cell with the rows that nothing answers, and how noisy the cells are that are reported apart.

Judged rows -> a row of scores for each GPU, framework, kernel and phase; package -> Noise of the cells apart.
"""

from __future__ import annotations

import polars as pl

from attnsim.measured.noise import REPORTED_APART, Noise, estimate_noise, reported_apart
from attnsim.measured.package import MeasuredPackage
from attnsim.measured.rows import Selection, load_attention
from attnsim.measured.scores import scores_by
from attnsim.measured_validation.judge import OURS

CELL = ("gpu", "framework", "phase", "kernel")


def with_kernel(rows: pl.DataFrame) -> pl.DataFrame:
    """Judged rows with `kernel`: ours, or what the package calls it with its types where we have none."""
    types = [pl.col(name) for name in ("kernel_source", "attn_dtype", "kv_cache_dtype")]
    return rows.with_columns(kernel=pl.coalesce("kernel_name", pl.concat_str(types, separator=" ")))


def cells(rows: pl.DataFrame, predicted: str = OURS) -> pl.DataFrame:
    """A row of scores for each cell, sorted; `rows` in it is of answered rows, `unanswered` of the others."""
    answers = pl.col(predicted).cast(pl.Float64).fill_null(float("nan"))
    return scores_by(with_kernel(rows).with_columns(answers), CELL, predicted)


def coverage(rows: pl.DataFrame) -> float:
    """Share of the rows that are answered."""
    return 1.0 - rows[OURS].null_count() / rows.height if rows.height else 0.0


def noise_apart(rows: pl.DataFrame, package: MeasuredPackage) -> tuple[Noise, ...]:
    """Noise of those cells reported apart that are among the rows."""
    present = rows.filter(reported_apart()).select("gpu", "framework", "phase").unique()
    wanted = [cell for cell in REPORTED_APART if cell in present.rows()]
    if not wanted:
        return ()
    gpus, frameworks, phases = (tuple(dict.fromkeys(names)) for names in zip(*wanted, strict=True))
    return estimate_noise(load_attention(package, Selection(gpus=gpus, frameworks=frameworks, phases=phases)))
