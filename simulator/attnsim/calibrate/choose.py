"""Which kernels are calibrated on which GPUs: all that measured rows time, or those asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from attnsim.calibrate.fit import rows_of
from attnsim.errors import UnknownNameError
from attnsim.measured.dataset import Dataset
from attnsim.measured.rows import GPUS
from attnsim.specs.calibration import FOLDER
from attnsim.specs.gpu_tile import GpuTile
from attnsim.specs.hardware import load_gpu
from attnsim.specs.kernel import Kernel
from attnsim.specs.library import data_root, unknown_name
from attnsim.specs.mapping import gpu_kernels


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A kernel to calibrate on a GPU."""

    kernel: Kernel
    gpu: GpuTile


def pairs(kernels: tuple[str, ...] = (), gpus: tuple[str, ...] = ()) -> tuple[Target, ...]:
    """Kernels and GPUs that measured rows time; raises UnknownNameError for names of which there are none."""
    timed = {name: kernel for name, kernel in gpu_kernels().items() if kernel.measured or kernel.gemm}
    for name in kernels:
        if name not in timed:
            raise UnknownNameError(unknown_name("measured kernel", name, tuple(timed)))
    for name in gpus:
        if name not in GPUS:
            raise UnknownNameError(unknown_name("measured GPU", name, GPUS))
    return tuple(
        Target(kernel=timed[kernel], gpu=load_gpu(gpu))
        for gpu in gpus or GPUS
        for kernel in kernels or timed
        if gpu in measured_gpus(timed[kernel])
    )


def is_timed(target: Target, dataset: Dataset) -> bool:
    """Whether a dataset has rows that time a kernel on its GPU."""
    return not rows_of(dataset.parts.calibration, target.kernel, target.gpu.name).is_empty()


def measured_gpus(kernel: Kernel) -> tuple[str, ...]:
    """GPUs on which measured rows may time a kernel: those that it names, or all whose instructions it has."""
    if kernel.gemm is not None:
        runs_on = {name for tiles in kernel.gemm.tiles for name in tiles.architectures}
        return tuple(gpu for gpu in GPUS if load_gpu(gpu).architecture in runs_on)
    named = [gpu for rows in kernel.measured for gpu in (rows.gpus or GPUS)]
    launch = kernel.attention
    runs = launch.instructions if launch is not None else {}
    return tuple(gpu for gpu in dict.fromkeys(named) if gpu in GPUS and load_gpu(gpu).architecture in runs)


def shipped_folder() -> Path:
    """Folder of the shipped calibrations."""
    return data_root() / FOLDER
