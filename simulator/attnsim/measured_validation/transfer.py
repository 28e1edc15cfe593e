"""A GPU that nothing was fitted on: its held-out rows predicted with constants of other GPUs and its data sheet.

Rows of a GPU -> predictions with each kernel's constants from the nearest other GPU that is calibrated for it, as a run
on a GPU without calibration takes them. A kernel that only this GPU runs takes those of the most alike kernel
elsewhere, which shares data types, instructions and framework where it can.
"""

from __future__ import annotations

from collections.abc import Mapping
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
from attnsim.specs.gpu_tile import GpuTile
from attnsim.specs.hardware import load_hardware
from attnsim.specs.kernel import Kernel, MeasuredRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Borrowed:
    """Constants of a kernel on a GPU that come from elsewhere: the vector, and the kernel and GPU they were fitted for.

    Without any calibration elsewhere both names are empty and the vector is that of the defaults.
    """

    values: Floats
    kernel: str
    gpu: str


def borrow(kernel: Kernel, gpu: GpuTile) -> Borrowed:
    """Constants of a kernel on a GPU as if nothing had been fitted there."""
    own = choose_constants(kernel, gpu, without=(gpu.name,))
    if own.calibration is not None:
        return Borrowed(values=own.values, kernel=kernel.name, gpu=own.calibration.hardware)
    alike = most_alike(kernel, gpu)
    if alike is None:
        return Borrowed(values=default_values(kernel), kernel="", gpu="")
    chosen = choose_constants(alike, gpu, without=(gpu.name,))
    assert chosen.calibration is not None
    names = [name for name in chosen.calibration.constants if name in kernel.constants.fit]
    shared = dict(zip(names, _named(chosen.values, names), strict=True))
    values = with_constants(default_values(kernel), shared)
    return Borrowed(values=values, kernel=alike.name, gpu=chosen.calibration.hardware)


def _named(values: Floats, names: list[str]) -> list[float]:
    from attnsim.specs.constants import CONSTANTS

    order = list(CONSTANTS)
    return [float(values[order.index(name)]) for name in names]


def most_alike(kernel: Kernel, gpu: GpuTile) -> Kernel | None:
    """The kernel of the same phase, calibrated elsewhere, that shares most.

    In this order: data types, class of tensor instructions, framework, nearness of the architecture, constants.
    """
    found = [other for other in gpu_kernels().values() if _comparable(kernel, other, gpu.name)]
    return min(found, key=lambda other: (*_difference(kernel, other, gpu), other.name), default=None)


def _comparable(kernel: Kernel, other: Kernel, gpu: str) -> bool:
    phases = {rows.phase for rows in kernel.measured} & {rows.phase for rows in other.measured}
    return other.name != kernel.name and bool(_elsewhere(other, gpu)) and bool(phases)


def _elsewhere(kernel: Kernel, gpu: str) -> list[GpuTile]:
    """Other GPUs that a kernel is calibrated on."""
    found = [load_hardware(name) for name in calibrated_gpus(kernel.constants.of or kernel.name) if name != gpu]
    return [device for device in found if isinstance(device, GpuTile)]


def _difference(kernel: Kernel, other: Kernel, gpu: GpuTile) -> tuple[bool, bool, bool, int, int]:
    pairs = [(mine, theirs) for mine in kernel.measured for theirs in other.measured]
    types = any(_types(mine) == _types(theirs) for mine, theirs in pairs)
    framework = any(mine.framework == theirs.framework for mine, theirs in pairs)
    source = min(_elsewhere(other, gpu.name), key=lambda device: (_far(device, gpu), device.name))
    instructions = _instructions(kernel, gpu) == _instructions(other, source)
    shared = len(set(kernel.constants.fit) & set(other.constants.fit))
    return not types, not instructions, not framework, _far(source, gpu), -shared


def _instructions(kernel: Kernel, gpu: GpuTile) -> str | None:
    """Class of the tensor instructions of a kernel on a GPU."""
    return kernel.attention.instructions.get(gpu.architecture) if kernel.attention is not None else None


def _far(one: GpuTile, other: GpuTile) -> int:
    """Distance of two architectures, as the rule for GPUs without a calibration takes it."""
    return abs(int(one.architecture.removeprefix("sm")) - int(other.architecture.removeprefix("sm")))


def _types(rows: MeasuredRows) -> tuple[str, str]:
    return rows.attn_dtype, rows.kv_cache_dtype


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
