"""FLOPs and bytes of a measured kernel, against counting the pairs one by one and against sums worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from attnsim.measured.work import (
    attention_bytes,
    attention_flops,
    gemm_bytes,
    gemm_flops,
    kv_bytes,
    visible_pairs,
)

Row = Callable[..., dict[str, str | int | float]]


def pairs_one_by_one(queries: int, keys: int, window: int) -> int:
    """Query i of the last `queries` positions sees keys up to its own, the last `window` of them if there is one."""
    positions = range(keys - queries, keys)
    return sum(min(position + 1, window) if window else position + 1 for position in positions)


@pytest.mark.parametrize("window", [0, 1, 5, 16, 17, 99])
@pytest.mark.parametrize(("phase", "isl", "step"), [("context", 16, 0), ("context", 1, 0), ("generation", 1, 15)])
def test_pairs_are_those_that_the_mask_leaves(row: Row, phase: str, isl: int, step: int, window: int) -> None:
    rows = pl.DataFrame([row(phase=phase, isl=isl, step=step, window_size=window)])
    assert rows.select(visible_pairs()).item() == pairs_one_by_one(isl, isl + step, window)


def test_an_encoder_sees_every_pair(row: Row) -> None:
    assert pl.DataFrame([row(phase="encoder", isl=7)]).select(visible_pairs()).item() == 49


def test_flops_are_two_products_over_the_visible_pairs(row: Row) -> None:
    rows = pl.DataFrame([row(phase="encoder", isl=10, batch_size=2, num_heads=3, head_dim=192, value_head_dim=128)])
    assert rows.select(attention_flops()).item() == 2 * 3 * 100 * (2 * 192 + 2 * 128)


@pytest.mark.parametrize(
    ("changes", "kv", "all_bytes"),
    [
        # 4 sequences x 8 KV heads x 1024 keys x (128 + 128) x 2 bytes; Q and O: 4 x 32 x 1024 x (128 + 128) x 2 bytes
        ({}, 16777216, 16777216 + 67108864),
        ({"kv_cache_dtype": "fp8"}, 8388608, 8388608 + 67108864),
        ({"kv_cache_dtype": "fp8", "attn_dtype": "fp8"}, 8388608, 8388608 + 50331648),
        ({"window_size": 128}, 16777216, 16777216 + 67108864),
        ({"phase": "generation", "isl": 1, "step": 1023}, 16777216, 16777216 + 65536),
        ({"phase": "generation", "isl": 1, "step": 1023, "window_size": 128}, 2097152, 2097152 + 65536),
    ],
)
def test_bytes_are_of_each_operand_once(row: Row, changes: dict[str, str | int], kv: int, all_bytes: int) -> None:
    rows = pl.DataFrame([row(**changes)])
    assert rows.select(kv_bytes()).item() == kv
    assert rows.select(attention_bytes()).item() == all_bytes


def test_a_gemm_moves_both_operands_and_a_16_bit_result() -> None:
    rows = pl.DataFrame({"m": [2, 2, 2], "n": [3] * 3, "k": [5] * 3, "gemm_dtype": ["bf16", "fp8", "nvfp4"]})
    assert rows.select(gemm_flops()).to_series().to_list() == [60.0] * 3
    assert rows.select(gemm_bytes()).to_series().to_list() == [62.0, 37.0, None]
