"""A table of shapes to predictions: rows are grouped by GPU and kernel, and each group is run in bulk.

Columns as in the measured package (docs/gpu.md lists them with their defaults) -> predicted_ms, bottleneck,
expected_error and reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from attnsim.errors import AttnSimError
from attnsim.families.gpu_tile.attention import require_types
from attnsim.families.gpu_tile.bulk import PARTS
from attnsim.families.gpu_tile.columns import Floats
from attnsim.families.gpu_tile.constants import Chosen, choose_constants
from attnsim.predict.columns import KERNEL_DTYPES, normalized
from attnsim.predict.kernels import blocks_of, default_kernel, kernel_of, no_kernel
from attnsim.predict.run import run_rows
from attnsim.specs.calibration import Tick
from attnsim.specs.hardware import load_gpu
from attnsim.specs.mapping import gpu_kernels

Strings = npt.NDArray[np.object_]
_SHORT_S = 60e-6
_MS_PER_S = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What becomes of rows: milliseconds (nan without an answer), what limits, kernel, expected error and reason."""

    ms: npt.NDArray[np.float64]
    bottleneck: Strings
    kernel: Strings
    expected_error: npt.NDArray[np.float64]
    reason: Strings

    def columns(self) -> list[pl.Series]:
        """The columns that a table gains."""
        return [
            pl.Series("predicted_ms", self.ms).fill_nan(None),
            pl.Series("bottleneck", list(self.bottleneck), dtype=pl.String),
            pl.Series("kernel_name", list(self.kernel), dtype=pl.String),
            pl.Series("expected_error", self.expected_error).fill_nan(None),
            pl.Series("reason", list(self.reason), dtype=pl.String),
        ]


def predict_rows(
    rows: pl.DataFrame,
    constants: Mapping[tuple[str, str], Floats] | None = None,
    *,
    ticks: bool = True,
    file: str = "",
) -> Prediction:
    """Predict every row. constants: (kernel, gpu) -> vector to use instead of the shipped calibration.

    ticks: short times as the measuring host saw them, in its steps. file: where the rows come from, for messages.
    Raises AttnSimError for columns that are missing or of a wrong type; a row that cannot be predicted says so in
    `reason`.
    """
    table = normalized(rows, file)
    made = _nothing(table.height)
    named = table.with_columns(pl.Series("_kernel", _kernels_of(table), dtype=pl.String), _row=pl.int_range(pl.len()))
    for keys, group in named.group_by(["gpu", "_kernel"], maintain_order=True):
        gpu, kernel = str(keys[0]), keys[1]
        at = group["_row"].to_numpy()
        if kernel is None:
            made.reason[at] = [no_kernel(*row) for row in group.select("gpu", "framework", "phase").rows()]
            continue
        _fill(made, at, group, gpu, str(kernel), constants or {}, ticks=ticks)
    return made


def _nothing(rows: int) -> Prediction:
    return Prediction(
        ms=np.full(rows, np.nan),
        bottleneck=np.full(rows, None, object),
        kernel=np.full(rows, None, object),
        expected_error=np.full(rows, np.nan),
        reason=np.full(rows, "", object),
    )


def _kernels_of(table: pl.DataFrame) -> list[str | None]:
    """Kernel of each row: the column `kernel` if it is filled, else by what timed it, else the GPU's default."""
    table = table.with_columns(pl.col("attn_dtype", "kv_cache_dtype").replace(KERNEL_DTYPES))
    keys = ("framework", "kernel_source", "phase", "attn_dtype", "kv_cache_dtype")
    group = (table["num_heads"] / table["num_key_value_heads"]).to_list()
    blocks = table.select(blocks_of()).to_series().to_list()
    columns = [table[name].to_list() for name in (*keys, "gpu", "kernel")]
    return [
        row[6] or _named(row[:5], row[5], share, count)
        for row, share, count in zip(zip(*columns, strict=True), group, blocks, strict=True)
    ]


def _named(key: tuple[str | None, ...], gpu: str, share: float, count: float) -> str | None:
    """The kernel of a framework's row, or the GPU's default where nothing is said of framework and kernel."""
    framework, source, phase, attn_dtype, kv_cache_dtype = key
    if framework is None and source is None:
        return default_kernel(gpu, str(phase), (str(attn_dtype), str(kv_cache_dtype)))
    return kernel_of((str(framework), str(source), str(phase), str(attn_dtype), str(kv_cache_dtype)), gpu, share, count)


def _fill(
    made: Prediction,
    at: npt.NDArray[np.int64],
    group: pl.DataFrame,
    gpu_name: str,
    name: str,
    constants: Mapping[tuple[str, str], Floats],
    *,
    ticks: bool,
) -> None:
    """Predict the rows of one kernel on one GPU."""
    kernel = gpu_kernels().get(name)
    try:
        gpu = load_gpu(gpu_name)
        if kernel is None or kernel.attention is None:
            made.reason[at] = f"{name} is no fused kernel of GPUs"
            return
        require_types(kernel, gpu)
    except AttnSimError as error:
        made.reason[at] = error.problems[0].what
        return
    wrong = _wrong_rows(group)
    made.reason[at] = wrong
    fine = wrong == ""
    chosen = choose_constants(kernel, gpu)
    values = constants.get((name, gpu_name), chosen.values)
    made.kernel[at] = name
    seconds, parts = run_rows(group.filter(pl.Series(fine)), kernel, gpu, values)
    _tell(made, at[fine], seconds, parts, chosen, ticks=ticks)


def _tell(
    made: Prediction, at: npt.NDArray[np.int64], seconds: Floats, parts: Floats, chosen: Chosen, *, ticks: bool
) -> None:
    """Fill in what came out of rows, and how far it can be trusted."""
    fits = np.isfinite(seconds)
    made.reason[at[~fits]] = "no tile of the kernel takes this head dimension on this GPU"
    made.ms[at[fits]] = as_timed(seconds[fits], _tick(chosen) if ticks else None) * _MS_PER_S
    made.bottleneck[at[fits]] = np.array(PARTS, object)[parts[fits].argmax(axis=1)] if fits.any() else []
    if chosen.calibration is not None:
        made.expected_error[at[fits]] = chosen.calibration.held_out.mape
    else:
        made.reason[at[fits]] = chosen.origin


def _tick(chosen: Chosen) -> Tick | None:
    return chosen.calibration.tick if chosen.calibration is not None else None


def as_timed(seconds: npt.NDArray[np.float64], tick: Tick | None) -> npt.NDArray[np.float64]:
    """Times below 60 us rounded to the steps in which a host starts replays, if it does."""
    if tick is None:
        return seconds
    steps = np.maximum(np.round((seconds - tick.offset_s) / tick.step_s), 1.0)
    return np.asarray(np.where(seconds < _SHORT_S, steps * tick.step_s + tick.offset_s, seconds))


def _wrong_rows(group: pl.DataFrame) -> Strings:
    """What is wrong with each row's numbers; empty where nothing is."""
    counts = ("batch_size", "isl", "num_heads", "num_key_value_heads", "head_dim")
    wrong = np.full(group.height, "", object)
    for name in counts:
        wrong[(group[name] < 1).to_numpy()] = f"{name} is not a positive number"
    divides = (group["num_heads"] % group["num_key_value_heads"].clip(lower_bound=1)) == 0
    wrong[(~divides).to_numpy() & (wrong == "")] = "num_key_value_heads does not divide num_heads"
    wrong[(group["step"] < 0).to_numpy()] = "step is negative"
    return wrong
