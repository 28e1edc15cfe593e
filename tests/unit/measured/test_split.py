"""The split of measured rows: by key alone, the same on every machine, and of the size that the README promises."""

from __future__ import annotations

import hashlib
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnsim.measured.split import calibration_mask, key_hashes, sample, split

MASK = 2**64 - 1
ROW: dict[str, str | int] = {
    "gpu": "h100_sxm",
    "framework": "vllm",
    "version": "0.24.0",
    "kernel_source": "vllm_flash_attn_fa3",
    "phase": "generation",
    "attn_dtype": "bf16",
    "kv_cache_dtype": "bf16",
    "batch_size": 4,
    "isl": 1,
    "step": 1023,
    "num_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "window_size": 0,
}
GEMM: dict[str, str | int] = {
    "gpu": "l40s",
    "framework": "vllm",
    "version": "1",
    "kernel_source": "k",
    "gemm_dtype": "bf16",
    "m": 1,
    "n": 2,
}
GEMM_ROW: dict[str, str | int] = {**GEMM, "k": 3}


def grid(batches: int = 40, steps: int = 50) -> pl.DataFrame:
    """Decode rows of every batch and step up to the given ones."""
    shapes = pl.DataFrame({"batch_size": range(1, batches + 1)}).join(
        pl.DataFrame({"step": range(1, steps + 1)}), how="cross"
    )
    others = {name: pl.lit(value) for name, value in ROW.items() if name not in ("batch_size", "step")}
    return shapes.with_columns(**others)


def by_hand(row: dict[str, str | int]) -> int:
    """The three steps of the README in whole numbers, without numpy."""
    value = 0
    for name, part in row.items():
        if isinstance(part, str):
            person = name.encode()
            part = int.from_bytes(hashlib.blake2b(part.encode(), digest_size=8, person=person).digest(), "little")
        value = ((value ^ part) + 0x9E3779B97F4A7C15) & MASK
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
        value ^= value >> 31
    return value


@pytest.mark.parametrize("row", [ROW, GEMM_ROW], ids=["attention", "gemm"])
def test_the_hash_is_the_one_that_the_readme_describes(row: dict[str, str | int]) -> None:
    assert key_hashes(pl.DataFrame([row])).tolist() == [by_hand(row)]


def test_a_hash_computed_once_stays_what_it_was_so_that_published_errors_keep_their_rows() -> None:
    assert [by_hand(ROW), by_hand(GEMM_ROW)] == [4282867179789451029, 13423329175950705815]


def test_about_a_fifth_of_the_rows_is_for_calibration_in_every_slice() -> None:
    rows = grid(60, 100)
    chosen = calibration_mask(rows)
    assert chosen.mean() == pytest.approx(0.2, abs=0.02)
    for column in ("batch_size", "step"):
        shares = rows.with_columns(chosen=pl.Series(chosen)).group_by(column).agg(pl.col("chosen").mean())["chosen"]
        assert shares.std() == pytest.approx(np.sqrt(0.16 * shares.len() / rows.height), rel=0.35)


@given(st.randoms(use_true_random=False))
@settings(max_examples=10)
def test_a_row_is_in_the_same_part_whatever_its_neighbours_and_their_order(random: Random) -> None:
    rows = grid(8, 10)
    order = list(range(rows.height))
    random.shuffle(order)
    some = rows[order[:30]]
    held_out = split(rows).held_out.rows()
    assert set(split(some).held_out.rows()) == set(some.rows()) & set(held_out)


def test_each_part_of_the_key_matters() -> None:
    base = pl.DataFrame([ROW])
    for name, value in ROW.items():
        other = base.with_columns(pl.lit(f"{value}x" if isinstance(value, str) else value + 1).alias(name))
        assert key_hashes(other).tolist() != key_hashes(base).tolist(), name


@pytest.mark.parametrize(
    ("phase", "isl", "step", "window", "same"),
    [
        ("generation", 1, 1023, 1024, True),
        ("generation", 1, 1023, 1023, False),
        ("context", 1024, 0, 1024, True),
        ("context", 1024, 0, 128, False),
    ],
)
def test_a_window_that_hides_no_key_counts_as_none(phase: str, isl: int, step: int, window: int, same: bool) -> None:
    plain = pl.DataFrame([{**ROW, "phase": phase, "isl": isl, "step": step}])
    windowed = plain.with_columns(window_size=pl.lit(window))
    assert (key_hashes(plain).tolist() == key_hashes(windowed).tolist()) is same


def test_a_sample_takes_as_many_of_each_group_and_grows_without_changing() -> None:
    rows = pl.concat([grid(20, 20), grid(20, 20).with_columns(gpu=pl.lit("a100_sxm"))])
    small, large = sample(rows, 10), sample(rows, 50)
    assert small["gpu"].value_counts(sort=True)["count"].to_list() == [10, 10]
    assert set(small.rows()) <= set(large.rows())
    assert sample(rows, 10_000).height == rows.height


def test_a_sample_of_the_held_out_rows_is_not_one_end_of_the_split() -> None:
    rows = grid(60, 100)
    assert calibration_mask(sample(rows, 1000)).mean() == pytest.approx(0.2, abs=0.05)
