"""Whole slices of shapes withheld from the fit, and then asked for: large batches, long contexts, a head dimension.

Dataset + a slice's name -> held-out rows inside the slice with predictions from constants fitted outside it, beside the
anchors, which know nothing of the slice either.
"""

from __future__ import annotations

import polars as pl

from attnsim.calibrate.fit import fit_constants, rows_of
from attnsim.families.gpu_tile.columns import Floats
from attnsim.families.gpu_tile.constant_vector import default_values
from attnsim.measured.dataset import Dataset, with_anchors
from attnsim.measured.slices import inside, withhold
from attnsim.measured.split import sample
from attnsim.predict import predict_rows
from attnsim.specs.hardware import load_gpu
from attnsim.specs.mapping import gpu_kernels

SLICES = ("decode_batch_64", "decode_kv_8k", "decode_head_dim_128", "prefill_head_dim_128", "prefill_length_8k")
GPU = "h100_sxm"
FRAMEWORKS = ("vllm", "trtllm")
ROWS_PER_STRATUM = 40
"""Calibration rows of each head dimension and window; fewer than calibrations take, as every slice is a new fit."""
STRATA = ("head_dim", "window_size")


def withheld_rows(dataset: Dataset, name: str, *, per_cell: int, per_stratum: int = ROWS_PER_STRATUM) -> pl.DataFrame:
    """Held-out rows inside a slice, at most `per_cell` of a GPU, framework and phase, with ours and the anchors."""
    withheld = withhold(dataset.parts, name)
    asked = sample(withheld.held_out, per_cell)
    keys = predict_rows(asked)
    pairs = dict.fromkeys(zip(keys.kernel, asked["gpu"].to_list(), strict=True))
    constants = {
        (str(kernel), gpu): refitted(str(kernel), gpu, withheld.calibration, per_stratum)
        for kernel, gpu in pairs
        if kernel is not None
    }
    made = predict_rows(asked, constants, ticks=False)
    return with_anchors(asked.with_columns(*made.columns()), dataset.rows.filter(~inside(name)), withheld.calibration)


def refitted(name: str, gpu: str, calibration: pl.DataFrame, per_stratum: int) -> Floats:
    """Constants of a kernel from calibration rows outside the slice, begun from the defaults; these if none is."""
    kernel = gpu_kernels()[name]
    known = rows_of(calibration, kernel, gpu)
    if known.is_empty():
        return default_values(kernel)
    return fit_constants(kernel, load_gpu(gpu), sample(known, per_stratum, STRATA)).values
