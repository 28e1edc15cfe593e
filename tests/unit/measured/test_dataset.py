"""From a package of timings to rows with the answers of every anchor, in one step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from attnsim.measured.dataset import ANCHORS, attention_dataset, gemm_dataset, with_anchors
from attnsim.measured.package import MeasuredPackage

Write = Callable[..., Path]


def test_a_dataset_is_cleaned_and_split_and_says_what_it_dropped(package: MeasuredPackage, write: Write) -> None:
    write("context", latency=pl.Series([1.0, 2.0, 0.0, 4.0, 5.0, 6.0]))
    data = attention_dataset(package=package)
    assert [(dropped.rule, dropped.rows) for dropped in data.dropped] == [("not_a_time", 1)]
    assert data.rows.height == data.parts.calibration.height + data.parts.held_out.height == 5


def test_every_anchor_answers(package: MeasuredPackage, write: Write) -> None:
    write("context", batch_size=pl.Series([1, 2, 4, 8, 16, 32]), isl=2048)
    data = attention_dataset(package=package)
    asked = with_anchors(data.parts.held_out, data.rows, data.rows)
    assert set(ANCHORS) < set(asked.columns)
    assert all(np.isfinite(asked[anchor].to_numpy()).all() for anchor in ANCHORS)


def test_gemms_have_anchors_too(package: MeasuredPackage, write: Write) -> None:
    sizes = pl.Series([64, 128, 256, 512, 1024, 2048])
    write("gemm", m=sizes, n=512, k=512, gemm_dtype="bfloat16", isl=None, latency=pl.Series([1.0] * 6))
    data = gemm_dataset(package=package)
    asked = with_anchors(data.parts.held_out, data.rows, data.rows)
    assert np.isfinite(asked.select(list(ANCHORS)).to_numpy()).all()
