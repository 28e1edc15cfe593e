"""Slices of the measured rows that a fit does without, to be asked for them afterwards.

A slice's name -> which rows lie inside -> calibration rows outside it to fit on, held-out rows inside it to judge by.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from attnsim.errors import Problem
from attnsim.measured.package import MeasuredDataError
from attnsim.measured.rows import GPUS
from attnsim.measured.split import Split, key_length
from attnsim.specs.library import suggest

_GPU = "gpu:"
_DECODE = pl.col("phase") == "generation"
_PREFILL = pl.col("phase") == "context"
_SLICES = {
    "decode_batch_64": _DECODE & (pl.col("batch_size") >= 64),
    "decode_kv_8k": _DECODE & (key_length() >= 8192),
    "decode_head_dim_128": _DECODE & (pl.col("head_dim") == 128),
    "prefill_head_dim_128": _PREFILL & (pl.col("head_dim") == 128),
    "prefill_batch_64": _PREFILL & (pl.col("batch_size") >= 64),
    "prefill_length_8k": _PREFILL & (pl.col("isl") >= 8192),
}
SLICES = (*_SLICES, *(f"{_GPU}{gpu}" for gpu in GPUS))
"""Names of the slices: of shapes, and each GPU of the summaries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """Calibration rows outside a slice, which may be fitted on, and the held-out rows inside it."""

    name: str
    calibration: pl.DataFrame
    held_out: pl.DataFrame


def inside(name: str) -> pl.Expr:
    """True for the rows of a slice; raises MeasuredDataError, with the known names, for an unknown one."""
    if name.startswith(_GPU):
        return pl.col("gpu") == name.removeprefix(_GPU)
    if name not in _SLICES:
        raise MeasuredDataError(Problem(what=f"unknown slice {name!r}", remedy=suggest(name, SLICES)))
    return _SLICES[name]


def withhold(parts: Split, name: str) -> Withheld:
    """Both parts of the rows with one slice withheld.

    Rows of the other phase stay in the calibration part. Raises MeasuredDataError if no held-out row lies inside.
    """
    chosen = inside(name)
    judged = parts.held_out.filter(chosen)
    if judged.is_empty():
        remedy = "load the phase, GPU and lengths of the slice"
        raise MeasuredDataError(Problem(what=f"no held-out row lies in the slice {name!r}", remedy=remedy))
    return Withheld(name=name, calibration=parts.calibration.filter(~chosen), held_out=judged)
