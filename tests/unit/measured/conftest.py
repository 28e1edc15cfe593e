"""A package of timings in a temporary folder, with the layout and columns of the real one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl
import pytest

from attnsim.measured.package import MeasuredPackage

Write = Callable[..., Path]
Value = str | int | float


def raw_rows(phase: str, **changes: object) -> pl.DataFrame:
    """Rows as the package holds them: six lengths of one shape, a millisecond a kilotoken; None drops a column."""
    lengths = [2**power for power in range(7, 13)]
    columns: dict[str, object] = {
        "kernel_source": "vllm_flash_attn_fa3",
        "batch_size": 4,
        "isl": 1 if phase == "generation" else pl.Series(lengths),
        "step": pl.Series([length - 1 for length in lengths]) if phase == "generation" else 0,
        "num_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "window_size": 0,
        "beam_width": 1,
        "attn_dtype": "bfloat16",
        "kv_cache_dtype": "bfloat16",
        "latency": pl.Series([length / 1024 for length in lengths]),
        **changes,
    }
    kept = {name: value for name, value in columns.items() if value is not None}
    fixed = {name: value for name, value in kept.items() if not isinstance(value, pl.Series)}
    series = {name: value for name, value in kept.items() if isinstance(value, pl.Series)}
    return pl.DataFrame(series).with_columns(**{name: pl.lit(value) for name, value in fixed.items()})


@pytest.fixture
def package(tmp_path: Path) -> MeasuredPackage:
    """A package without a table; `write` adds one."""
    return MeasuredPackage(folder=tmp_path, version="0.12.0")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write("context", gpu=..., isl=..., latency=None)` adds a table of changed `raw_rows`, gives its path."""

    def add(
        phase: str, *, gpu: str = "h100_sxm", framework: str = "vllm", version: str = "0.24.0", **changes: object
    ) -> Path:
        op = "gemm" if phase == "gemm" else f"{phase}_attention"
        folder = tmp_path / "systems" / "data" / gpu / op / framework / version
        folder.mkdir(parents=True, exist_ok=True)
        raw_rows(phase, **changes).write_parquet(folder / f"{op}_perf.parquet")
        return folder / f"{op}_perf.parquet"

    return add


@pytest.fixture
def row(plain_row: Mapping[str, Value]) -> Callable[..., dict[str, Value]]:
    """`row(isl=512, latency_ms=1.0)` is `plain_row`, changed."""
    return lambda **changes: {**plain_row, **changes}
