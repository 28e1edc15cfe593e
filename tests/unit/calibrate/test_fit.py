"""A fit finds the constants that made the rows, and writes a file that reads back as what was fitted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from attnsim.calibrate.fit import fit_constants, seconds_of
from attnsim.calibrate.write import calibration_text, write_calibration
from attnsim.families.gpu_tile.columns import CONSTANT
from attnsim.families.gpu_tile.constants import default_values
from attnsim.specs.calibration import Calibration, Errors, Tick, load_calibration
from attnsim.specs.hardware import load_gpu
from attnsim.specs.mapping import gpu_kernels


def rows(count: int) -> pl.DataFrame:
    rng = np.random.default_rng(7)
    heads = rng.choice([8, 16, 32, 64], count)
    return pl.DataFrame(
        {
            "framework": ["vllm"] * count,
            "kernel_source": ["vllm_flash_attn_fa3"] * count,
            "phase": ["generation"] * count,
            "batch_size": rng.choice([1, 4, 16, 64], count),
            "isl": np.ones(count, np.int64),
            "step": rng.choice([127, 1023, 4095, 16383], count),
            "num_heads": heads,
            "num_key_value_heads": np.full(count, 8),
            "head_dim": rng.choice([64, 128], count),
            "value_head_dim": np.full(count, 128),
            "window_size": np.zeros(count, np.int64),
        }
    )


def test_constants_that_made_the_timings_are_found_again() -> None:
    kernel, gpu = gpu_kernels()["vllm_fa3_decode"], load_gpu("h100_sxm")
    truth = default_values(kernel)
    truth[CONSTANT["launch"]], truth[CONSTANT["dram"]] = 7.5e-6, 0.81
    table = rows(200)
    timed = table.with_columns(latency_ms=pl.Series(seconds_of(kernel, gpu, table, truth) * 1e3))
    chosen = kernel.model_copy(update={"constants": kernel.constants.model_copy(update={"fit": ["launch", "dram"]})})
    found = fit_constants(chosen, gpu, timed)
    assert found.fitted["launch"] == pytest.approx(7.5e-6, rel=1e-3)
    assert found.fitted["dram"] == pytest.approx(0.81, rel=1e-3)


def test_a_calibration_reads_back_as_it_was_written(tmp_path: Path) -> None:
    errors = Errors(rows=3, mape=0.05, median=0.04, p90=0.125)
    made = Calibration(
        family="gpu_tile",
        kernel="vllm_fa3_decode",
        hardware="h100_sxm",
        source="rows of a test",
        constants={"launch": 7.5e-06, "cap": 3e10, "dram": 0.81},
        fitted=errors,
        held_out=errors,
        tick=Tick(step_s=2.048e-06, offset_s=7e-07),
    )
    path = tmp_path / "h100_sxm" / "vllm_fa3_decode.yaml"
    write_calibration(made, path)
    assert path.read_text(encoding="utf-8") == calibration_text(made)
    assert load_calibration(path, kernel="vllm_fa3_decode") == made
