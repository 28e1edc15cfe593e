"""Anchors without a mechanism: the datasheet's roofline, and the roofline with three constants fitted to each cell.

Rows -> milliseconds. Roofline: Williams, Waterman and Patterson, CACM 52(4), 2009, with matrix FLOPs and unique bytes.
The third anchor, interpolation in the table, is `attnsim.measured.table`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from attnsim.measured.datasheets import peak, peak_flop_per_s
from attnsim.measured.split import CELL, sample
from attnsim.measured.work import attention_bytes, attention_flops, gemm_bytes, gemm_flops

FITTED_ROWS = 2000
"""Calibration rows that a fit uses at most; more move three constants by less than their worth."""

Cell = tuple[str, ...]
_Times = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreeConstants:
    """A floor, and the shares of the datasheet's matrix FLOP/s and DRAM bytes/s that a cell's kernels reach."""

    floor_s: float
    compute_efficiency: float
    dram_efficiency: float


def roofline_ms(rows: pl.DataFrame) -> _Times:
    """The larger of computing and moving at datasheet peaks, in ms, shape (rows,); NaN for an unlisted GPU or type."""
    compute, memory = _roof_times_ms(rows)
    return np.asarray(np.maximum(compute, memory), dtype=np.float64)


def fit_three_constants(calibration: pl.DataFrame) -> Mapping[Cell, ThreeConstants]:
    """Constants of each GPU x framework x phase, those with the least mean |log(predicted / measured)|.

    Cells without a datasheet are left out. Fit on calibration rows only.
    """
    rows = sample(calibration, FITTED_ROWS)
    fitted = {tuple(map(str, cell)): _fit(group) for cell, group in rows.group_by(list(CELL), maintain_order=True)}
    return {cell: constants for cell, constants in fitted.items() if constants is not None}


def three_constants_ms(rows: pl.DataFrame, fitted: Mapping[Cell, ThreeConstants]) -> _Times:
    """Predictions of the fitted cells in ms, shape (rows,); NaN for rows of other cells."""
    compute, memory = _roof_times_ms(rows)
    cells = rows.select(CELL).rows()
    constants = {cell: _parameters(found) for cell in set(cells) if (found := fitted.get(cell)) is not None}
    unknown = np.full(3, np.nan)
    per_row = np.array([constants.get(cell, unknown) for cell in cells]).reshape(-1, 3)
    return _predict(per_row.T, compute, memory)


def _roof_times_ms(rows: pl.DataFrame) -> tuple[_Times, _Times]:
    gemm = "m" in rows.columns
    flops = gemm_flops() if gemm else attention_flops()
    moved = gemm_bytes() if gemm else attention_bytes()
    rate = peak_flop_per_s("gemm_dtype" if gemm else "attn_dtype")
    times = rows.select(compute=flops / rate * 1e3, memory=moved / peak("dram_bytes_per_s") * 1e3)
    return times["compute"].to_numpy(), times["memory"].to_numpy()


def _parameters(constants: ThreeConstants) -> _Times:
    """Logarithms of floor in ms and both efficiencies."""
    return np.log([constants.floor_s * 1e3, constants.compute_efficiency, constants.dram_efficiency])


def _predict(logs: _Times, compute_ms: _Times, memory_ms: _Times) -> _Times:
    floor, compute_efficiency, dram_efficiency = np.exp(logs)
    slower = np.maximum(compute_ms / compute_efficiency, memory_ms / dram_efficiency)
    return np.asarray(floor + slower, dtype=np.float64)


def _fit(rows: pl.DataFrame) -> ThreeConstants | None:
    from scipy.optimize import minimize

    compute, memory = _roof_times_ms(rows)
    measured = np.log(rows["latency_ms"].to_numpy())
    if not np.isfinite(compute + memory).all():
        return None

    def loss(logs: _Times) -> float:
        return float(np.abs(np.log(_predict(logs, compute, memory)) - measured).mean())

    floor = float(np.quantile(measured, 0.02))
    starts = [np.array([floor, np.log(share), np.log(reached)]) for share in (0.2, 0.6) for reached in (0.3, 0.8)]
    fits = [minimize(loss, start, method="Nelder-Mead", options={"maxiter": 600}) for start in starts]
    floor_ms, compute_efficiency, dram_efficiency = np.exp(min(fits, key=lambda fit: float(fit.fun)).x)
    return ThreeConstants(
        floor_s=float(floor_ms) * 1e-3,
        compute_efficiency=float(compute_efficiency),
        dram_efficiency=float(dram_efficiency),
    )
