"""Which constants a kernel runs with on a GPU: those fitted there, those borrowed from elsewhere, or the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from attnsim.families.gpu_tile.borrow import borrow, published, scaled
from attnsim.families.gpu_tile.columns import Floats
from attnsim.families.gpu_tile.constant_vector import default_values, with_constants
from attnsim.metrics import Trust
from attnsim.specs.calibration import Calibration, calibrated_gpus, calibration_path, load_calibration
from attnsim.specs.constants import CONSTANTS
from attnsim.specs.gpu_tile import GpuTile
from attnsim.specs.kernel import Kernel
from attnsim.specs.load import kept_at_rest
from attnsim.specs.mapping import load_mapping
from attnsim.specs.same import Same


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A vector of constants and where it comes from.

    calibration: the fit on this GPU, of the kernel or of the one whose constants it shares; None if there is none.
    sources: GPUs whose calibrations stand in for it. defaults: how much of a constant is its default, from 0 to 1.
    """

    values: Floats
    calibration: Calibration | None = None
    sources: tuple[str, ...] = ()
    defaults: float = 1.0

    @property
    def origin(self) -> str:
        """In words, where constants that were not fitted on the GPU come from."""
        if not self.sources:
            return "not calibrated: default constants"
        return f"constants of {', '.join(self.sources)}" + (", half default" if self.defaults else "")


def choose_constants(kernel: Kernel, gpu: GpuTile, file: str | None = None, *, apart: bool = False) -> Chosen:
    """Constants of a kernel on a GPU: from `file`, fitted on this GPU, or borrowed from calibrations elsewhere.

    apart: as if nothing had been fitted on this GPU. Raises SpecError for a file of another kernel.
    """
    key = (Same(kernel), gpu.name, gpu.architecture, gpu.clock_hz, file, apart)
    return kept_at_rest(key, lambda: _choose(kernel, gpu, file, apart=apart))


def _choose(kernel: Kernel, gpu: GpuTile, file: str | None, *, apart: bool) -> Chosen:
    start = _shared(kernel, gpu, apart=apart)
    if file is not None:
        own = load_calibration(Path(file), kernel=kernel.name)
        return Chosen(values=with_constants(start.values, own.constants), calibration=own, defaults=0)
    known = calibrated_gpus(kernel.name)
    if gpu.name in known and not apart:
        own = load_calibration(calibration_path(gpu.name, kernel.name), kernel=kernel.name)
        constants = scaled(kernel.name, published(gpu.name), gpu)
        return Chosen(values=with_constants(start.values, constants), calibration=own, defaults=0)
    if kernel.constants.of and not known:
        return start
    found = borrow(kernel, gpu, start.values)
    return Chosen(values=found.values, sources=found.gpus, defaults=found.defaults)


def _shared(kernel: Kernel, gpu: GpuTile, *, apart: bool = False) -> Chosen:
    """Defaults and the kernel's own values, under the constants of the kernel that it shares them with, if any."""
    if kernel.constants.of is None:
        return Chosen(values=default_values(kernel))
    other = load_mapping(kernel.constants.of)
    assert isinstance(other, Kernel)
    found = choose_constants(other, gpu, apart=apart)
    fitted = {name: float(found.values[list(CONSTANTS).index(name)]) for name in other.constants.fit}
    return Chosen(
        values=with_constants(default_values(kernel), fitted),
        calibration=found.calibration,
        sources=found.sources,
        defaults=found.defaults,
    )


def shared_values(kernel: Kernel, gpu: GpuTile) -> Floats:
    """What a fit of the kernel starts from: the constants that it shares with another kernel, and defaults."""
    return _shared(kernel, gpu).values


def kernel_trust(step: str, kernel: Kernel, gpu: GpuTile, file: str | None) -> Trust:
    """What the calibration of a kernel says of its error on a GPU."""
    if kernel.attention is None and kernel.gemm is None:
        return Trust(step=step, mapping=kernel.name, mape=None, median=None, rows=0, note="not calibrated")
    chosen = choose_constants(kernel, gpu, file)
    if chosen.calibration is None:
        note = f"{chosen.origin}, not measured on {gpu.name}" if chosen.sources else "not calibrated"
        return Trust(step=step, mapping=kernel.name, mape=None, median=None, rows=0, note=note)
    if chosen.calibration.kernel != kernel.name:
        note = f"constants of {chosen.calibration.kernel}"
        return Trust(step=step, mapping=kernel.name, mape=None, median=None, rows=0, note=note)
    held = chosen.calibration.held_out
    return Trust(step=step, mapping=kernel.name, mape=held.mape, median=held.median, rows=held.rows)
