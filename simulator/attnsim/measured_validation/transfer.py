"""A GPU that nothing was fitted on: its held-out rows predicted with constants of other GPUs and its data sheet.

Rows of a GPU -> predictions, with the constants that `run` and `predict` borrow for a GPU without calibrations.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from attnsim.families.gpu_tile.constants import Chosen, choose_constants
from attnsim.measured.anchors import Cell, ThreeConstants, fit_three_constants, three_constants_ms
from attnsim.measured.split import CELL
from attnsim.predict import predict_rows
from attnsim.specs.hardware import load_gpu
from attnsim.specs.mapping import gpu_kernels


def transferred_rows(rows: pl.DataFrame, gpu: str) -> tuple[pl.DataFrame, dict[str, Chosen]]:
    """Rows of a GPU with predictions from constants of other GPUs, and where each kernel's come from."""
    device = load_gpu(gpu)
    names = predict_rows(rows).kernel
    borrowed = {
        str(name): choose_constants(gpu_kernels()[str(name)], device, apart=True)
        for name in dict.fromkeys(names)
        if name
    }
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
