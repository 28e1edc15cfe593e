"""Fit a kernel's constants on calibration rows: least squares on log(predicted / measured), robust to odd rows.

Kernel x GPU x measured rows -> Calibration. The rows are a stratified sample of the calibration part, so many of each
head dimension and window; the errors written beside the constants are of these rows and of held-out rows, which no fit
sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from attnsim.calibrate.search import search
from attnsim.errors import AttnSimError, Problem
from attnsim.families.gpu_tile.attention import gpu_numbers, require_types
from attnsim.families.gpu_tile.bulk import run_bulk
from attnsim.families.gpu_tile.columns import CONSTANT, Floats
from attnsim.families.gpu_tile.constant_vector import default_values
from attnsim.families.gpu_tile.problems import bind_problems
from attnsim.measured.dataset import Dataset
from attnsim.measured.noise import tick as tick_of
from attnsim.measured.scores import score
from attnsim.measured.split import sample
from attnsim.predict.kernels import blocks_of
from attnsim.predict.run import chunked, problems_of, run_rows, work_of
from attnsim.predict.table import as_timed
from attnsim.specs.calibration import Calibration, Errors, Tick
from attnsim.specs.gpu_tile import GpuTile
from attnsim.specs.kernel import Kernel
from attnsim.specs.ranges import bounds

ROWS_PER_STRATUM = 120
LEAST_ROWS = 600
"""Rows that a fit uses at least where a kernel was timed at few head dimensions and windows."""
_STRATA = ("head_dim", "window_size")
_MS_PER_S = 1e3
_HELD_OUT_ROWS = 4000
Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What a fit gives: the vector of all constants, and those that were fitted by name."""

    values: Floats
    fitted: dict[str, float]


def calibrate(
    kernel: Kernel, gpu: GpuTile, dataset: Dataset, *, rows_per_stratum: int = ROWS_PER_STRATUM
) -> Calibration:
    """Fit and judge a kernel on a GPU. Raises AttnSimError if no measured row times it there."""
    require_types(kernel, gpu)
    known = rows_of(dataset.parts.calibration, kernel, gpu.name)
    if known.is_empty():
        raise AttnSimError(
            Problem(
                what=f"no measured row times {kernel.name} on {gpu.name}",
                remedy="name a GPU that `measured` of the kernel and the package both have",
            )
        )
    strata = known.select(_STRATA).n_unique()
    chosen = sample(known, max(rows_per_stratum, LEAST_ROWS // strata), _STRATA)
    fit = fit_constants(kernel, gpu, chosen)
    tick = _tick(kernel, gpu, known, fit.values)
    held_out = sample(rows_of(dataset.parts.held_out, kernel, gpu.name), _HELD_OUT_ROWS, ())
    versions = ", ".join(sorted(known["version"].unique().to_list()))
    return Calibration(
        family="gpu_tile",
        kernel=kernel.name,
        hardware=gpu.name,
        source=f"aiconfigurator-core {dataset.package.version}, versions {versions}; {chosen.height} of "
        f"{known.height} calibration rows",
        constants=fit.fitted,
        fitted=errors_of(kernel, gpu, chosen, fit.values, tick),
        held_out=errors_of(kernel, gpu, held_out, fit.values, tick),
        tick=tick,
    )


def rows_of(rows: pl.DataFrame, kernel: Kernel, gpu: str) -> pl.DataFrame:
    """The measured rows that time a kernel on a GPU."""
    group = pl.col("num_heads") / pl.col("num_key_value_heads")
    taken = pl.lit(False)
    for named in kernel.measured:
        low, high = bounds(named.group)
        here = (pl.col("framework") == named.framework) & (pl.col("kernel_source") == named.kernel_source)
        here &= (pl.col("phase") == named.phase) & (pl.col("attn_dtype") == named.attn_dtype)
        here &= (pl.col("kv_cache_dtype") == named.kv_cache_dtype) & group.is_between(low, high)
        here &= blocks_of().is_between(*bounds(named.blocks))
        taken |= here if not named.gpus or gpu in named.gpus else pl.lit(False)
    return rows.filter((pl.col("gpu") == gpu) & taken)


def fit_constants(kernel: Kernel, gpu: GpuTile, rows: pl.DataFrame, start: Floats | None = None) -> Fit:
    """Fit the constants that a kernel names on the given rows, within the bounds of the table of constants."""
    names = kernel.constants.fit
    plain = rows.filter(pl.Series(~chunked(rows)))
    bound = bind_problems(problems_of(plain), kernel, gpu, work_of(kernel))
    fits = bound.chosen >= 0
    columns, numbers = bound.columns[fits], gpu_numbers(gpu)
    measured = np.log(plain["latency_ms"].to_numpy()[fits] / _MS_PER_S)

    def residuals(values: Values) -> Values:
        seconds, _ = run_bulk(columns, values, numbers)
        return np.asarray(np.log(seconds) - measured)

    made = search(names, default_values(kernel) if start is None else start, residuals)
    return Fit(values=made, fitted={name: _rounded(float(made[CONSTANT[name]])) for name in names})


def _rounded(value: float) -> float:
    """Four significant digits, which is more than a fit knows."""
    return float(f"{value:.4g}")


def seconds_of(kernel: Kernel, gpu: GpuTile, rows: pl.DataFrame, values: Floats) -> Values:
    """Predicted seconds of measured rows, nan where no tile fits."""
    seconds, _ = run_rows(rows, kernel, gpu, values)
    return seconds


def errors_of(kernel: Kernel, gpu: GpuTile, rows: pl.DataFrame, values: Floats, tick: Tick | None) -> Errors:
    """Errors of the predictions for rows that time the kernel there."""
    predicted = as_timed(seconds_of(kernel, gpu, rows, values), tick)
    scores = score(rows["latency_ms"].to_numpy(), predicted * _MS_PER_S)
    return Errors(
        rows=scores.rows,
        mape=_rounded(scores.mape),
        median=_rounded(scores.median_ape),
        p90=_rounded(scores.p90_ape),
    )


def _tick(kernel: Kernel, gpu: GpuTile, rows: pl.DataFrame, values: Floats) -> Tick | None:
    """The step of the host's timer on these rows, with the offset that suits the predictions best; None without one."""
    step_s = tick_of(rows["latency_ms"].to_numpy()) / _MS_PER_S
    if not step_s:
        return None
    predicted, measured = seconds_of(kernel, gpu, rows, values), rows["latency_ms"].to_numpy() / _MS_PER_S
    offsets: Sequence[float] = [step_s * part / 20 for part in range(20)]

    def error(offset: float) -> float:
        timed = as_timed(predicted, Tick(step_s=step_s, offset_s=offset))
        return float(np.nanmean(np.abs(np.log(timed / measured))))

    best = min(offsets, key=error)
    return Tick(step_s=_rounded(step_s), offset_s=_rounded(best))
