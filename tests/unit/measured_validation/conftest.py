"""Rows as they are loaded, with latencies that a kernel of ours would take."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl
import pytest

from attnsim.predict import predict_rows

MakeRows = Callable[..., pl.DataFrame]


@pytest.fixture(scope="session")
def make_rows(plain_row: Mapping[str, str | int | float]) -> MakeRows:
    """`make_rows(isl=[1024, 2048], gpu="l40s")`: one row for each value of the one list, all else as `plain_row`."""

    def make(**changes: object) -> pl.DataFrame:
        columns: dict[str, object] = {**plain_row, **changes}
        rows = max((len(value) for value in columns.values() if isinstance(value, list)), default=1)
        table = pl.DataFrame({name: v if isinstance(v, list) else [v] * rows for name, v in columns.items()})
        return table.with_columns(pl.Series("latency_ms", predict_rows(table, ticks=False).ms).fill_nan(1.0))

    return make
