"""Everything that a fit or a validation starts from, in one step: loaded, cleaned and split rows.

Selection -> Dataset, and the answers of every anchor on the rows that a model is judged by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from attnsim.measured.anchors import fit_three_constants, roofline_ms, three_constants_ms
from attnsim.measured.cleaning import Dropped, clean
from attnsim.measured.package import MeasuredPackage, find_package
from attnsim.measured.rows import Selection, load_attention, load_gemm
from attnsim.measured.split import Split, split
from attnsim.measured.table import interpolate_ms

ANCHORS: Mapping[str, str] = {
    "roofline_ms": "roofline",
    "three_constants_ms": "roofline + 3 constants",
    "table_ms": "table interpolation",
}
"""Columns with the anchors' predictions, and what each anchor is called."""
SAMPLE = 2000
"""Held-out rows of each GPU x framework x phase in a sample, unless said otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Cleaned rows in their two parts, what cleaning took, and the package that they come from."""

    package: MeasuredPackage
    rows: pl.DataFrame
    parts: Split
    dropped: tuple[Dropped, ...]


def attention_dataset(selection: Selection | None = None, *, package: MeasuredPackage | None = None) -> Dataset:
    """Attention rows of the selection; raises MeasuredDataError if the package or what was asked for is not there."""
    found = package or find_package()
    return _dataset(found, load_attention(found, selection))


def gemm_dataset(
    selection: Selection | None = None,
    *,
    dtypes: tuple[str, ...] = ("bf16",),
    package: MeasuredPackage | None = None,
) -> Dataset:
    """GEMM rows of the selection; raises MeasuredDataError if the package or what was asked for is not there."""
    found = package or find_package()
    return _dataset(found, load_gemm(found, selection, dtypes))


def _dataset(package: MeasuredPackage, loaded: pl.DataFrame) -> Dataset:
    cleaned = clean(loaded)
    return Dataset(package=package, rows=cleaned.rows, parts=split(cleaned.rows), dropped=cleaned.dropped)


def with_anchors(asked: pl.DataFrame, known: pl.DataFrame, calibration: pl.DataFrame) -> pl.DataFrame:
    """The asked rows with a column of ms for each of `ANCHORS`.

    `known` is what the table holds (a row is never its own neighbour), `calibration` what the three constants are
    fitted on. To withhold a slice, pass rows outside it as both.
    """
    return asked.with_columns(
        roofline_ms=pl.Series(roofline_ms(asked)),
        three_constants_ms=pl.Series(three_constants_ms(asked, fit_three_constants(calibration))),
        table_ms=pl.Series(interpolate_ms(known, asked)),
    )
