"""Withheld slices: what lies inside one changes nothing of what is fitted outside it."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from attnsim.measured.dataset import Dataset
from attnsim.measured.package import MeasuredPackage
from attnsim.measured.slices import inside
from attnsim.measured.split import split
from attnsim.measured_validation.withheld import withheld_rows

SLICE = "prefill_length_8k"
LENGTHS = [16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 10240, 12288, 16384]


def dataset(rows: pl.DataFrame) -> Dataset:
    package = MeasuredPackage(folder=Path("nowhere"), version="0")
    return Dataset(package=package, rows=rows, parts=split(rows), dropped=())


def test_latencies_inside_the_slice_reach_neither_the_constants_nor_the_anchors(make_rows) -> None:
    rows = pl.concat([make_rows(isl=LENGTHS, batch_size=batch) for batch in (1, 2, 3, 4)])
    wrong = rows.with_columns(latency_ms=pl.col("latency_ms") * pl.when(inside(SLICE)).then(100).otherwise(1))
    told = [withheld_rows(dataset(table), SLICE, per_cell=50, per_stratum=8) for table in (rows, wrong)]
    for column in ("predicted_ms", "three_constants_ms", "table_ms"):
        assert told[0][column].to_list() == told[1][column].to_list()
    assert told[0]["isl"].min() >= 8192
