"""Calibration files: the constants of one kernel on one GPU, as `attnsim calibrate` writes them, with their errors.

`workloads/calibrations/<gpu>/<kernel>.yaml`. A GPU without a file of its own takes the constants of another one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from attnsim.errors import Problem, SpecError
from attnsim.specs.constants import CONSTANTS
from attnsim.specs.library import data_root, suggest
from attnsim.specs.load import load_spec
from attnsim.specs.spec import FileSpec, Source, Spec, Text, problem_at

FOLDER = "workloads/calibrations"


class Errors(Spec):
    """Errors on a number of rows, as shares: mean, median and 90th percentile of |predicted / measured - 1|."""

    rows: NonNegativeInt
    mape: NonNegativeFloat
    median: NonNegativeFloat
    p90: NonNegativeFloat


class Tick(Spec):
    """The step in which the measuring host times replays, and where its grid begins, in seconds."""

    step_s: NonNegativeFloat
    offset_s: NonNegativeFloat


class Calibration(FileSpec):
    """Constants of a kernel on a GPU. fitted: on calibration rows; held_out: errors on rows that no fit has seen."""

    family: Literal["gpu_tile"]
    kernel: Text
    hardware: Text
    source: Source
    constants: dict[str, float]
    fitted: Errors
    held_out: Errors
    tick: Tick | None = None
    notes: str = Field(default="")


def calibration_problems(calibration: Calibration) -> list[Problem]:
    """Constants that there are none of."""
    return [
        problem_at(calibration, f"constants.{name}", f"there is no constant {name!r}", suggest(name, tuple(CONSTANTS)))
        for name in calibration.constants
        if name not in CONSTANTS
    ]


def load_calibration(path: Path, *, kernel: str) -> Calibration:
    """Read a calibration file for a kernel; SpecError if it is one of another kernel."""
    calibration = load_spec(path, Calibration, (), calibration_problems)
    if calibration.kernel != kernel:
        what = f"holds the constants of {calibration.kernel}, not of {kernel}"
        raise SpecError(problem_at(calibration, "kernel", what, f"name a calibration of {kernel}, or calibrate it"))
    return calibration


def calibration_path(gpu: str, kernel: str) -> Path:
    """Where the shipped calibration of a kernel on a GPU lies, if there is one."""
    return data_root() / FOLDER / gpu / f"{kernel}.yaml"


def calibrated_gpus(kernel: str) -> tuple[str, ...]:
    """GPUs with a shipped calibration of a kernel, in alphabetical order."""
    return tuple(sorted(path.parent.name for path in (data_root() / FOLDER).glob(f"*/{kernel}.yaml")))
