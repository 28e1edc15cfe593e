"""Which constants a kernel runs with on a GPU: those fitted there, those of the nearest GPU, or the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from attnsim.families.gpu_tile.columns import Floats
from attnsim.metrics import Trust
from attnsim.specs.calibration import (
    Calibration,
    calibrated_gpus,
    calibration_path,
    load_calibration,
    nearest,
)
from attnsim.specs.constants import CONSTANTS
from attnsim.specs.gpu_tile import GpuTile
from attnsim.specs.kernel import Kernel

_IN_CYCLES = ("cta", "tile", "write", "combine_split", "scan", "spread")
"""Times of what an SM does: they shrink as its clock rises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A vector of constants and the calibration that it comes from; None: nobody calibrated the kernel."""

    values: Floats
    calibration: Calibration | None
    transferred: bool = False


def default_values(kernel: Kernel) -> Floats:
    """Defaults of all constants under the values that are the kernel's own."""
    return np.array([kernel.constants.fixed.get(name, row.default) for name, row in CONSTANTS.items()])


def with_constants(values: Floats, constants: dict[str, float]) -> Floats:
    """The vector with some constants replaced."""
    made = values.copy()
    for position, name in enumerate(CONSTANTS):
        made[position] = constants.get(name, made[position])
    return made


def choose_constants(kernel: Kernel, gpu: GpuTile, file: str | None = None, *, without: tuple[str, ...] = ()) -> Chosen:
    """Constants of a kernel on a GPU: from `file`, shipped for this GPU, transferred from the nearest, or the defaults.

    Times that an SM's clock sets are scaled with it when they come from another GPU. Calibrations of the GPUs in
    `without` are not looked at. Raises SpecError for a file of another kernel.
    """
    if file is not None:
        own = load_calibration(Path(file), kernel=kernel.name)
        return Chosen(values=with_constants(_shared(kernel, gpu).values, own.constants), calibration=own)
    return _shipped(kernel.name, gpu, _shared(kernel, gpu, without), without)


def _shared(kernel: Kernel, gpu: GpuTile, without: tuple[str, ...] = ()) -> Chosen:
    """Defaults and the kernel's own values, under the calibration of the kernel whose constants it shares, if any."""
    start = Chosen(values=default_values(kernel), calibration=None)
    return _shipped(kernel.constants.of, gpu, start, without) if kernel.constants.of else start


def _shipped(kernel: str, gpu: GpuTile, start: Chosen, without: tuple[str, ...]) -> Chosen:
    """`start` under the shipped calibration of a kernel, for this GPU or from the nearest; `start` if there is none."""
    known = [(name, _hardware(name).architecture) for name in calibrated_gpus(kernel) if name not in without]
    name = nearest(gpu.name, gpu.architecture, known)
    if name is None:
        return start
    found = load_calibration(calibration_path(name, kernel), kernel=kernel)
    constants = found.constants if name == gpu.name else _scaled(found.constants, _hardware(name), gpu)
    return Chosen(values=with_constants(start.values, constants), calibration=found, transferred=name != gpu.name)


def shared_values(kernel: Kernel, gpu: GpuTile) -> Floats:
    """What a fit of the kernel starts from: the constants that it shares with another kernel, and defaults."""
    return _shared(kernel, gpu).values


def _scaled(constants: dict[str, float], source: GpuTile, gpu: GpuTile) -> dict[str, float]:
    """Constants of one GPU for another one."""
    faster = gpu.clock_hz / source.clock_hz
    return {name: value / faster if name in _IN_CYCLES else value for name, value in constants.items()}


@cache
def _hardware(name: str) -> GpuTile:
    from attnsim.specs.hardware import load_hardware

    gpu = load_hardware(name)
    assert isinstance(gpu, GpuTile)
    return gpu


def kernel_trust(step: str, kernel: Kernel, gpu: GpuTile, file: str | None) -> Trust:
    """What the calibration of a kernel says of its error on a GPU."""
    fitted = kernel.attention is not None or kernel.gemm is not None
    chosen = choose_constants(kernel, gpu, file) if fitted else None
    found = chosen.calibration if chosen is not None else None
    if chosen is None or found is None:
        return Trust(step=step, mapping=kernel.name, mape=None, median=None, rows=0, note="not calibrated")
    if chosen.transferred:
        note = f"constants of {found.hardware}, not measured on {gpu.name}"
        return Trust(step=step, mapping=kernel.name, mape=None, median=None, rows=0, note=note)
    held = found.held_out
    return Trust(step=step, mapping=kernel.name, mape=held.mape, median=held.median, rows=held.rows)
