"""Rows as they are loaded, with latencies that a kernel of ours would take."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from attnsim.predict import predict_rows

MakeRows = Callable[..., pl.DataFrame]


@pytest.fixture(scope="session")
def make_rows() -> MakeRows:
    """`make_rows(isl=[1024, 2048], gpu="l40s")`: one row for each value of the one list, all else equal."""

    def make(**changes: object) -> pl.DataFrame:
        plain: dict[str, object] = {
            "gpu": "h100_sxm",
            "framework": "vllm",
            "version": "0.24.0",
            "kernel_source": "vllm_flash_attn_fa3",
            "phase": "context",
            "batch_size": 4,
            "isl": 1024,
            "step": 0,
            "num_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "window_size": 0,
            "value_head_dim": 128,
            "attn_dtype": "bf16",
            "kv_cache_dtype": "bf16",
            **changes,
        }
        lists = [len(value) for value in plain.values() if isinstance(value, list)]
        rows = max(lists, default=1)
        table = pl.DataFrame({name: v if isinstance(v, list) else [v] * rows for name, v in plain.items()})
        return table.with_columns(pl.Series("latency_ms", predict_rows(table, ticks=False).ms).fill_nan(1.0))

    return make
