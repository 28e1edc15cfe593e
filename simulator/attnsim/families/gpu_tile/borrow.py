"""Constants of a kernel on a GPU that it was not calibrated on: from calibrations elsewhere and the defaults.

A kernel that is calibrated on another GPU of the same architecture takes those constants. Else what other architectures
show is taken half: each constant is the geometric mean of its median over them and of its default; those of launches
are medians over the framework's kernels elsewhere. Times, defaults among them, are brought to the GPU's clock.
`validate measured --unseen` judges this rule on GPUs whose own calibrations are left aside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from attnsim.families.gpu_tile.columns import Floats
from attnsim.families.gpu_tile.constant_vector import with_constants
from attnsim.specs.calibration import calibrated_gpus, calibration_path, load_calibration
from attnsim.specs.constants import CONSTANTS, DEFAULT_CLOCK_HZ
from attnsim.specs.gpu_tile import GpuTile
from attnsim.specs.hardware import load_gpu
from attnsim.specs.kernel import Kernel
from attnsim.specs.mapping import gpu_kernels

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


def borrow(kernel: Kernel, gpu: GpuTile, start: Floats) -> Borrowed:
    """Constants of a kernel on a GPU as if it had not been calibrated there; `start` holds what they default to."""
    start = _defaults_at_clock(kernel, gpu, start)
    elsewhere = _elsewhere(kernel.name, gpu)
    alike = [other for other in elsewhere if other.architecture == gpu.architecture]
    if alike:
        return Borrowed(values=with_constants(start, _medians(kernel.name, gpu, alike)), gpus=_names(alike), defaults=0)
    defaults = with_constants(start, _launches(kernel, gpu))
    if not elsewhere:
        return Borrowed(values=defaults, gpus=(), defaults=1)
    values = with_constants(defaults, _medians(kernel.name, gpu, elsewhere))
    return Borrowed(values=_halfway(values, defaults), gpus=_names(elsewhere), defaults=0.5)


def scaled(kernel: str, source: GpuTile, gpu: GpuTile) -> dict[str, float]:
    """Constants that a kernel was calibrated to on one GPU, at the clock of another: times take as many cycles."""
    faster = gpu.clock_hz / source.clock_hz
    constants = load_calibration(calibration_path(source.name, kernel), kernel=kernel).constants
    return {name: value / faster if CONSTANTS[name].cycles else value for name, value in constants.items()}


def _elsewhere(kernel: str, gpu: GpuTile) -> list[GpuTile]:
    """Other GPUs that a kernel is calibrated on."""
    return [published(name) for name in calibrated_gpus(kernel) if name != gpu.name]


def _names(gpus: Sequence[GpuTile]) -> tuple[str, ...]:
    return tuple(gpu.name for gpu in gpus)


def _medians(kernel: str, gpu: GpuTile, sources: Sequence[GpuTile]) -> dict[str, float]:
    """Medians over GPUs of each constant of a kernel, brought to this GPU's clock; of two, the geometric mean."""
    found = [scaled(kernel, source, gpu) for source in sources]
    names = dict.fromkeys(name for one in found for name in one)
    return {name: _median([one[name] for one in found if name in one], name) for name in names}


def _median(values: Sequence[float], name: str) -> float:
    return float(np.exp(np.median(np.log(np.maximum(values, CONSTANTS[name].low)))))


def _defaults_at_clock(kernel: Kernel, gpu: GpuTile, start: Floats) -> Floats:
    """The vector with those constants that a fit would find, and that are defaults yet, brought to the GPU's clock."""
    slower = DEFAULT_CLOCK_HZ / gpu.clock_hz
    known = dict(zip(CONSTANTS, start, strict=True))
    still = [name for name in kernel.constants.fit if known[name] == CONSTANTS[name].default]
    return with_constants(start, {name: known[name] * slower for name in still if CONSTANTS[name].cycles})


def _launches(kernel: Kernel, gpu: GpuTile) -> dict[str, float]:
    """Constants of launches that kernels of the same framework and phase have on other GPUs, medians over them."""
    cells: set[tuple[str, str]] = {(rows.framework, rows.phase) for rows in kernel.measured}
    found = list(_of_cells(cells, gpu))
    wanted = [name for name in OF_LAUNCHES if name in kernel.constants.fit]
    known = {name: [one[name] for one in found if name in one] for name in wanted}
    return {name: _median(values, name) for name, values in known.items() if values}


def _of_cells(cells: set[tuple[str, str]], gpu: GpuTile) -> Iterator[dict[str, float]]:
    """Constants, on every other GPU, of every kernel that is timed in a framework and phase."""
    for other in gpu_kernels().values() if cells else ():
        if cells & {(rows.framework, rows.phase) for rows in other.measured}:
            yield from (scaled(other.name, source, gpu) for source in _elsewhere(other.name, gpu))


def _halfway(values: Floats, defaults: Floats) -> Floats:
    """Geometric means, or the values where a default is zero."""
    with np.errstate(divide="ignore"):
        means = np.exp((np.log(values) + np.log(defaults)) / 2)
    return np.asarray(np.where((values > 0) & (defaults > 0), means, values))


@cache
def published(name: str) -> GpuTile:
    """A GPU as its file describes it, before any of its numbers is set to another value."""
    return load_gpu(name)
