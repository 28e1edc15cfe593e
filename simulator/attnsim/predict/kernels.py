"""Which kernel a row of a table stands for: by its name, or by the framework and kernel source that timed it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import polars as pl

from attnsim.specs.kernel import Kernel, MeasuredRows
from attnsim.specs.mapping import gpu_kernels
from attnsim.specs.ranges import bounds

Key = tuple[str, str, str, str, str]
"""framework, kernel_source, phase, attn_dtype, kv_cache_dtype of a row."""


@cache
def candidates(key: Key, gpu: str) -> tuple[tuple[str, tuple[float, float], tuple[float, float]], ...]:
    """(kernel, smallest and largest group, fewest and most blocks) of the kernels that a row's key may stand for on a
    GPU."""
    return tuple(
        (kernel.name, bounds(rows.group), bounds(rows.blocks))
        for kernel in gpu_kernels().values()
        for rows in _matching(kernel, key, gpu)
    )


def _matching(kernel: Kernel, key: Key, gpu: str) -> Iterator[MeasuredRows]:
    for rows in kernel.measured:
        named = (rows.framework, rows.kernel_source, rows.phase, rows.attn_dtype, rows.kv_cache_dtype)
        if named == key and (not rows.gpus or gpu in rows.gpus):
            yield rows


def kernel_of(key: Key, gpu: str, group: float, blocks: float = 1.0) -> str | None:
    """The kernel that a row stands for, or None; group, blocks: as in `MeasuredRows`."""
    for name, groups, counts in candidates(key, gpu):
        if groups[0] <= group <= groups[1] and counts[0] <= blocks <= counts[1]:
            return name
    return None


def blocks_of() -> pl.Expr:
    """Blocks of 128 keys of the rows of a table, as in `MeasuredRows`."""
    blocks = pl.max_horizontal(pl.lit(1), (pl.col("isl") + pl.col("step")) // 128)
    return blocks * pl.col("num_key_value_heads") * pl.col("batch_size")
