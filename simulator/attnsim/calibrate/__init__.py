"""Calibration: the few constants of a kernel on a GPU, fitted on measured rows and written with their errors."""

from attnsim.calibrate.fit import calibrate
from attnsim.calibrate.write import calibration_text, write_calibration

__all__ = ["calibrate", "calibration_text", "write_calibration"]
