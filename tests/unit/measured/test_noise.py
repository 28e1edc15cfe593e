"""Noise that was put into made-up rows is estimated about as large as it is, each kind by itself."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from attnsim.measured.noise import estimate_noise, reported_apart, tick

Row = Callable[..., dict[str, str | int | float]]


def rows_with(row: Row, noise: np.ndarray, **changes: str | int | float) -> pl.DataFrame:
    """Decode rows of as many batches as there are columns of noise, a length a row of it: 100 us x length x e^noise."""
    made = [
        row(**{"phase": "generation", "isl": 1, "batch_size": b + 1, "step": 2**n - 1, **changes})
        | {"latency_ms": 0.1 * 2.0**n * math.exp(noise[n, b])}
        for n in range(noise.shape[0])
        for b in range(noise.shape[1])
    ]
    return pl.DataFrame(made)


def draws(scale: float, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=scale, size=(17, 60))


def test_distance_from_the_line_is_the_noise_of_one_row_where_nothing_bends(row: Row) -> None:
    (found,) = estimate_noise(rows_with(row, draws(0.03)))
    assert found.line == pytest.approx(0.03, rel=0.1)
    assert math.isnan(found.repeat)
    assert math.isnan(found.twin)
    assert (found.tick_s, found.rounding) == (0.0, 0.0)


def test_repeats_and_twins_are_told_apart(row: Row) -> None:
    first, again = draws(0.0), draws(0.02)
    repeated = pl.concat([rows_with(row, first), rows_with(row, again)])
    (found,) = estimate_noise(repeated)
    # a pair d apart has a standard deviation of d / sqrt(2); the median |d| of a normal distribution is 0.6745 sigma
    assert found.repeat == pytest.approx(0.6745 * 0.02 / math.sqrt(2), rel=0.1)
    assert math.isnan(found.twin)
    (twins,) = estimate_noise(pl.concat([rows_with(row, first), rows_with(row, again, window_size=2**20)]))
    assert twins.twin == pytest.approx(found.repeat)
    assert math.isnan(twins.repeat)


def test_a_timer_with_a_step_is_found_out_and_costs_a_quarter_of_it() -> None:
    exact = np.random.default_rng(2).uniform(6e-3, 22e-3, 3000)
    stepped = np.ceil(exact / 2.048e-3) * 2.048e-3 + 0.4e-3
    assert tick(stepped) == pytest.approx(2.048e-3, rel=0.005)
    assert tick(exact) == 0.0
    assert tick(stepped[:50]) == 0.0


def test_two_cells_are_reported_apart(row: Row) -> None:
    rows = pl.DataFrame(
        [
            row(gpu=gpu, framework=framework, phase=phase)
            for gpu in ("l40s", "h100_sxm")
            for framework in ("vllm", "trtllm", "sglang")
            for phase in ("context", "generation")
        ]
    )
    apart = rows.filter(reported_apart()).select("gpu", "framework", "phase").rows()
    assert apart == [("l40s", "trtllm", "generation"), ("l40s", "sglang", "generation")]
