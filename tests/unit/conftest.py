"""What the tests of measured timings share: one row as it is loaded."""

from __future__ import annotations

from types import MappingProxyType

import pytest

Value = str | int | float


@pytest.fixture(scope="session")
def plain_row() -> MappingProxyType[str, Value]:
    """Prefill on an H100 under vLLM in a millisecond, in the columns of loaded rows; `plain_row | {"isl": 512}`."""
    return MappingProxyType(
        {
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
            "latency_ms": 1.0,
        }
    )
