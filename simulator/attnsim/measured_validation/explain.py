"""The rows that a judgement gets most wrong, and where the model sees their time go.

Judged rows -> the worst of them with microseconds by part. Parts run side by side (an SM computes while DRAM moves), so
they do not add up to the prediction; the largest of them is the bottleneck.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from attnsim.families.gpu_tile.attention import gpu_numbers
from attnsim.families.gpu_tile.bulk import PARTS, run_bulk
from attnsim.families.gpu_tile.constants import choose_constants
from attnsim.families.gpu_tile.problems import bind_problems
from attnsim.measured_validation.judge import OURS, answered
from attnsim.predict.columns import normalized
from attnsim.predict.run import problems_of, work_of
from attnsim.specs.hardware import load_gpu
from attnsim.specs.mapping import gpu_kernels

_US_PER_S = 1e6
_KERNEL = ("gpu", "kernel_name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A judged row, its relative error with its sign, and microseconds by part, the largest first."""

    row: Mapping[str, object]
    error: float
    parts_us: Mapping[str, float]


def worst_rows(rows: pl.DataFrame, count: int, *, of_a_kernel: int = 2) -> tuple[Explained, ...]:
    """The `count` answered rows with the largest errors, at most `of_a_kernel` of one kernel on one GPU."""
    known = answered(rows).with_columns(_error=pl.col(OURS) / pl.col("latency_ms") - 1)
    ranked = known.sort(pl.col("_error").abs(), descending=True, maintain_order=True)
    few = ranked.filter(pl.int_range(pl.len()).over(_KERNEL) < of_a_kernel).head(count)
    parts = parts_us(few)
    return tuple(
        Explained(row=row, error=float(row["_error"]), parts_us=of_row)
        for row, of_row in zip(few.iter_rows(named=True), parts, strict=True)
    )


def parts_us(rows: pl.DataFrame) -> list[dict[str, float]]:
    """Microseconds by part of answered rows, zero parts left out, the largest first."""
    found: list[dict[str, float]] = [{} for _ in range(rows.height)]
    marked = rows.with_columns(_row=pl.int_range(pl.len()))
    for (gpu_name, name), group in marked.group_by(_KERNEL, maintain_order=True):
        kernel, gpu = gpu_kernels()[str(name)], load_gpu(str(gpu_name))
        bound = bind_problems(problems_of(normalized(group)), kernel, gpu, work_of(kernel))
        _, seconds = run_bulk(bound.columns, choose_constants(kernel, gpu).values, gpu_numbers(gpu))
        for place, of_row in zip(group["_row"].to_list(), seconds, strict=True):
            named = sorted(zip(PARTS, (of_row * _US_PER_S).tolist(), strict=True), key=lambda part: -part[1])
            found[place] = {part: time for part, time in named if time > 0}
    return found
