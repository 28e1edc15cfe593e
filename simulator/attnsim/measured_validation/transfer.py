"""A GPU that nothing was fitted on: its held-out rows predicted with constants of other GPUs and its data sheet.

Rows of a GPU -> predictions. A kernel that is calibrated on another GPU of the same architecture takes those constants.
Else what other architectures show is taken half: each constant is the geometric mean of its median over them, times of
an SM scaled with its clock, and of its default; those of launches are medians over the framework's kernels elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from attnsim.families.gpu_tile.columns import Floats
from attnsim.families.gpu_tile.constants import choose_constants, default_values, with_constants
from attnsim.measured.anchors import Cell, ThreeConstants, fit_three_constants, three_constants_ms
from attnsim.measured.split import CELL
from attnsim.measured_validation.judge import OURS
from attnsim.predict import predict_rows
from attnsim.predict.kernels import gpu_kernels
from attnsim.specs.calibration import calibrated_gpus
from attnsim.specs.constants import CONSTANTS
from attnsim.specs.gpu_tile import GpuTile
from attnsim.specs.hardware import load_hardware
from attnsim.specs.kernel import Kernel

OF_LAUNCHES = ("launch", "spread", "scan", "copy", "apart", "combine")
"""Constants of how a framework and the host launch kernels, rather than of what a kernel does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Borrowed:
    """Constants of a kernel on a GPU that come from elsewhere, and the GPUs that the kernel was calibrated on.

    defaults: how much of a constant is its default, from 0 to 1.
    """

    values: Floats
    gpus: tuple[str, ...]
    defaults: float


def borrow(kernel: Kernel, gpu: GpuTile) -> Borrowed:
    """Constants of a kernel on a GPU as if nothing had been fitted there."""
    elsewhere = _elsewhere(kernel, gpu.name)
    alike = [other for other in elsewhere if other.architecture == gpu.architecture]
    defaults = _with_launches(kernel, gpu)
    if not elsewhere:
        return Borrowed(values=defaults, gpus=(), defaults=1.0)
    sources = tuple(other.name for other in alike or elsewhere)
    found = {name: _median(kernel, gpu, sources, name) for name in kernel.constants.fit}
    values = with_constants(defaults, found)
    if alike:
        return Borrowed(values=values, gpus=sources, defaults=0.0)
    return Borrowed(values=_halfway(values, defaults), gpus=sources, defaults=0.5)


def _elsewhere(kernel: Kernel, gpu: str) -> list[GpuTile]:
    """Other GPUs that a kernel is calibrated on."""
    found = [load_hardware(name) for name in calibrated_gpus(kernel.constants.of or kernel.name) if name != gpu]
    return [device for device in found if isinstance(device, GpuTile)]


def _median(kernel: Kernel, gpu: GpuTile, sources: Sequence[str], name: str) -> float:
    """Median over GPUs of a constant of a kernel, brought to this GPU's clock; of two, the geometric mean."""
    order = list(CONSTANTS).index(name)
    every = calibrated_gpus(kernel.constants.of or kernel.name)
    found = [
        choose_constants(kernel, gpu, without=tuple(other for other in every if other != source)).values[order]
        for source in sources
    ]
    return float(np.exp(np.median(np.log(np.maximum(found, CONSTANTS[name].low)))))


def _with_launches(kernel: Kernel, gpu: GpuTile) -> Floats:
    """Defaults of a kernel, with the constants of launches that the framework's other kernels have on other GPUs."""
    found: dict[str, float] = {}
    for name in OF_LAUNCHES:
        known = list(_of_framework(kernel, gpu, name)) if name in kernel.constants.fit else []
        if known:
            found[name] = float(np.exp(np.median(np.log(known))))
    return with_constants(default_values(kernel), found)


def _of_framework(kernel: Kernel, gpu: GpuTile, name: str) -> Iterator[float]:
    """A constant of every kernel of the same framework and phase on every other GPU."""
    cells = {(rows.framework, rows.phase) for rows in kernel.measured}
    for other in gpu_kernels().values():
        if name in other.constants.fit and cells & {(rows.framework, rows.phase) for rows in other.measured}:
            yield from (_median(other, gpu, (device.name,), name) for device in _elsewhere(other, gpu.name))


def _halfway(values: Floats, defaults: Floats) -> Floats:
    """Geometric means, or the values where a default is zero."""
    with np.errstate(divide="ignore"):
        means = np.exp((np.log(values) + np.log(defaults)) / 2)
    return np.asarray(np.where((values > 0) & (defaults > 0), means, values))


def transferred_rows(rows: pl.DataFrame, gpu: str) -> tuple[pl.DataFrame, dict[str, Borrowed]]:
    """Rows of a GPU with predictions from constants of other GPUs, and where each kernel's come from."""
    device = load_hardware(gpu)
    assert isinstance(device, GpuTile)
    names = predict_rows(rows).kernel
    borrowed = {str(name): borrow(gpu_kernels()[str(name)], device) for name in dict.fromkeys(names) if name}
    constants = {(name, gpu): found.values for name, found in borrowed.items()}
    made = predict_rows(rows, constants, ticks=False)
    return rows.with_columns(*made.columns()), borrowed


def three_constants_elsewhere(rows: pl.DataFrame, calibration: pl.DataFrame) -> pl.DataFrame:
    """Rows of one GPU with `three_constants_ms`: constants fitted on the other GPUs, geometric means over them."""
    fitted = fit_three_constants(calibration.filter(~pl.col("gpu").is_in(rows["gpu"].unique().to_list())))
    cells: list[Cell] = [
        (str(gpu), str(framework), str(phase)) for gpu, framework, phase in rows.select(CELL).unique().rows()
    ]
    means = {cell: mean for cell in cells if (mean := _mean(fitted, cell)) is not None}
    return rows.with_columns(three_constants_ms=pl.Series(three_constants_ms(rows, means)))


def _mean(fitted: Mapping[Cell, ThreeConstants], wanted: Cell) -> ThreeConstants | None:
    found = [constants for cell, constants in sorted(fitted.items()) if cell[1:] == wanted[1:]]
    if not found:
        return None
    logs = np.log([[one.floor_s, one.compute_efficiency, one.dram_efficiency] for one in found]).mean(axis=0)
    floor_s, compute, dram = (float(value) for value in np.exp(logs))
    return ThreeConstants(floor_s=floor_s, compute_efficiency=compute, dram_efficiency=dram)


def answered(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that ours answers."""
    return rows.filter(pl.col(OURS).is_not_null())
