"""Judging links: the predictors by hand, and the split that depends on a message alone."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from attnsim.calibrate.link_file import fitted_names
from attnsim.calibrate.links import GPUS_OF, fit_link, row_seconds
from attnsim.cli import main
from attnsim.errors import UnknownNameError
from attnsim.measured.collectives import SHAPE, is_fitted_on, is_held_out
from attnsim.measured_validation.links import _alpha_beta, _interpolated
from attnsim.specs.link import library_methods, load_link


def rows(sizes: list[int], *, version: str = "1", newest: bool = True) -> pl.DataFrame:
    count = len(sizes)
    return pl.DataFrame(
        {
            "gpu": ["a100_sxm"] * count,
            "library": ["nccl"] * count,
            "version": [version] * count,
            "operation": ["all_gather"] * count,
            "devices": [2] * count,
            "message_bytes": sizes,
            "floating": [True] * count,
            "newest": [newest] * count,
            "latency_ms": [0.01 + size / 2 / 1e8 for size in sizes],
        }
    )


SIZES = [2**power for power in range(8, 29)]


def test_every_row_of_a_newest_version_is_in_one_part_and_no_other_row_is_in_any() -> None:
    new, old = rows(SIZES), rows(SIZES, version="0", newest=False)
    assert (is_fitted_on(new) ^ is_held_out(new)).all()
    assert not (is_fitted_on(old) | is_held_out(old)).any()
    assert 0.2 < is_fitted_on(new).mean() < 0.8


def test_the_part_of_a_row_depends_on_its_message_alone() -> None:
    plain, other = rows(SIZES), rows(SIZES, version="9").with_columns(floating=False, latency_ms=1.0)
    assert (is_fitted_on(plain) == is_fitted_on(other)).all()
    assert (is_fitted_on(plain.reverse()) == is_fitted_on(plain)[::-1]).all()


def test_a_latency_and_a_bandwidth_are_found_again() -> None:
    known = rows(SIZES)
    assert _alpha_beta(known, known).to_numpy() == pytest.approx(known["latency_ms"].to_numpy(), rel=1e-3)


def test_a_row_of_the_table_is_told_from_its_neighbours_alone() -> None:
    known = rows([256, 512, 1024]).with_columns(latency_ms=pl.Series([1.0, 50.0, 4.0]))
    assert _interpolated(known, known).to_numpy() == pytest.approx([625, 2, 2500])


def test_constants_that_made_the_timings_are_found_again() -> None:
    link = load_link("nvlink3")
    grid = [(op, n, s) for op in ("all_reduce", "all_gather", "all_to_all") for n in (2, 4, 8) for s in SIZES[::3]]
    made = pl.concat(
        pl.DataFrame(
            {
                "library": [name] * len(grid),
                "operation": [op if name == "nccl" else "all_reduce" for op, _, _ in grid],
                "devices": [n for _, n, _ in grid],
                "message_bytes": [s for _, _, s in grid],
                "floating": [True] * len(grid),
                "latency_ms": [1.0] * len(grid),
            }
        ).pipe(lambda part, own=name: part.with_columns(
            latency_ms=pl.Series(row_seconds(link, library_methods(link, own), part) * 1e3)
        ))
        for name in link.libraries
    )  # fmt: skip
    again = fit_link(link, made, starts=2)
    for name in link.libraries:
        part = made.filter(pl.col("library") == name)
        seconds = row_seconds(again, library_methods(again, name), part)
        assert np.median(np.abs(seconds * 1e3 / part["latency_ms"].to_numpy() - 1)) < 0.03


def test_only_links_with_timings_are_fitted() -> None:
    assert fitted_names(()) == tuple(GPUS_OF)
    with pytest.raises(UnknownNameError, match="there is no fitted link 'roce_400g'"):
        fitted_names(("roce_400g",))


def test_an_unknown_gpu_is_answered_with_those_that_have_timings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "links", "--gpu", "h100"]) == 2
    assert "there is no GPU with timings of collectives 'h100'; did you mean h100_sxm?" in capsys.readouterr().err


def test_the_shape_of_a_row_is_more_than_its_key() -> None:
    assert {"version", "floating"} < set(SHAPE)
