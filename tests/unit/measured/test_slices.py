"""Withheld slices: nothing inside is fitted on, everything judged lies inside."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from attnsim.measured.package import MeasuredDataError
from attnsim.measured.slices import SLICES, inside, withhold
from attnsim.measured.split import split

Row = Callable[..., dict[str, str | int | float]]


@pytest.mark.parametrize(
    ("name", "within", "without"),
    [
        ("decode_batch_64", {"phase": "generation", "batch_size": 64}, {"phase": "generation", "batch_size": 32}),
        ("decode_batch_64", {"phase": "generation", "batch_size": 64}, {"phase": "context", "batch_size": 64}),
        ("decode_kv_8k", {"phase": "generation", "step": 8191}, {"phase": "generation", "step": 8190}),
        ("decode_head_dim_128", {"phase": "generation", "head_dim": 128}, {"phase": "context", "head_dim": 128}),
        ("prefill_head_dim_128", {"phase": "context", "head_dim": 128}, {"phase": "context", "head_dim": 64}),
        ("prefill_batch_64", {"phase": "context", "batch_size": 64}, {"phase": "context", "batch_size": 63}),
        ("prefill_length_8k", {"phase": "context", "isl": 8192}, {"phase": "context", "isl": 6144}),
        ("gpu:l40s", {"gpu": "l40s"}, {"gpu": "h100_sxm"}),
    ],
)
def test_a_slice_is_what_its_name_says(row: Row, name: str, within: dict[str, int], without: dict[str, int]) -> None:
    rows = pl.DataFrame([row(**within), row(**without)])
    assert rows.select(inside(name)).to_series().to_list() == [True, False]


def rows_of_everything(row: Row) -> pl.DataFrame:
    return pl.DataFrame(
        [
            row(phase=phase, gpu=gpu, batch_size=batch, isl=1 if phase == "generation" else length, step=length - 1)
            for phase in ("context", "generation")
            for gpu in ("a100_sxm", "h100_sxm", "h200_sxm", "b200_sxm", "l40s", "rtx_pro_6000_server")
            for batch in (1, 16, 64, 128)
            for length in (128, 1024, 8192, 16384)
        ]
    )


@pytest.mark.parametrize("name", SLICES)
def test_nothing_inside_a_slice_is_fitted_on_and_nothing_outside_is_judged(row: Row, name: str) -> None:
    parts = split(rows_of_everything(row))
    withheld = withhold(parts, name)
    assert withheld.calibration.filter(inside(name)).is_empty()
    assert withheld.held_out.filter(~inside(name)).is_empty()
    assert withheld.held_out.height + withheld.calibration.height < parts.held_out.height + parts.calibration.height


def test_an_unknown_slice_names_the_nearest() -> None:
    with pytest.raises(MeasuredDataError, match=r"unknown slice 'decode_batch_46'; did you mean decode_batch_64"):
        inside("decode_batch_46")


def test_a_slice_that_was_not_loaded_is_refused(row: Row) -> None:
    parts = split(pl.DataFrame([row(isl=isl) for isl in range(1, 40)]))
    with pytest.raises(MeasuredDataError, match="no held-out row lies in the slice 'decode_kv_8k'"):
        withhold(parts, "decode_kv_8k")
