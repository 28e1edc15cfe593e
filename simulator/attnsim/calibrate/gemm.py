"""Fit the constants of the matrix product on a GPU, on rows of all frameworks together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from attnsim.calibrate.search import search
from attnsim.families.gpu_tile.columns import CONSTANT
from attnsim.families.gpu_tile.constant_vector import default_values
from attnsim.measured.dataset import Dataset
from attnsim.measured.scores import score
from attnsim.measured.split import sample
from attnsim.predict.gemm import predict_gemms
from attnsim.specs.calibration import Calibration, Errors
from attnsim.specs.gpu_tile import GpuTile
from attnsim.specs.kernel import Kernel

ROWS_PER_FRAMEWORK = 500
_HELD_OUT_PER_FRAMEWORK = 4000
_MS_PER_S = 1e3


def calibrate_gemm(kernel: Kernel, gpu: GpuTile, dataset: Dataset, *, rows: int = ROWS_PER_FRAMEWORK) -> Calibration:
    """Fit and judge a matrix product; `dataset` holds GEMM rows of this GPU."""
    known = sample(dataset.parts.calibration, rows, ("framework",))
    measured = np.log(known["latency_ms"].to_numpy() / _MS_PER_S)

    def residuals(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(np.log(predict_gemms(known, kernel, gpu, values)) - measured)

    names = kernel.constants.fit
    values = search(names, default_values(kernel), residuals)
    fitted = {name: float(f"{values[CONSTANT[name]]:.4g}") for name in names}
    held_out = sample(dataset.parts.held_out, _HELD_OUT_PER_FRAMEWORK, ("framework",))
    versions = ", ".join(sorted(known["version"].unique().to_list()))
    return Calibration(
        family="gpu_tile",
        kernel=kernel.name,
        hardware=gpu.name,
        source=f"aiconfigurator-core {dataset.package.version}, versions {versions}; {known.height} of "
        f"{dataset.parts.calibration.height} calibration rows",
        constants=fitted,
        fitted=_errors(known, predict_gemms(known, kernel, gpu, values)),
        held_out=_errors(held_out, predict_gemms(held_out, kernel, gpu, values)),
    )


def _errors(rows: pl.DataFrame, seconds: npt.NDArray[np.float64]) -> Errors:
    scores = score(rows["latency_ms"].to_numpy(), seconds * _MS_PER_S)
    shares = (float(f"{share:.4g}") for share in (scores.mape, scores.median_ape, scores.p90_ape))
    mape, median, p90 = shares
    return Errors(rows=scores.rows, mape=mape, median=median, p90=p90)
