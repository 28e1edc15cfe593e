"""Which measured rows are dropped, by rules on the rows alone, and how many each rule takes.

Rows -> rows that can be timings of what they claim + the count of every rule in every cell. The rules and their order
are those of validation/measured/README.md; they are the same for rows to fit on and rows to judge by.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from attnsim.measured.datasheets import peak, peak_flop_per_s
from attnsim.measured.split import CELL, row_ids
from attnsim.measured.work import attention_bytes, attention_flops, gemm_flops, kv_bytes

UNSTABLE = 1.10
"""Largest ratio of two timings of one key that still count as the same measurement."""
IMPOSSIBLE = 1.05
"""How far below the time that a datasheet peak allows a timing may lie: clocks and rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """How many rows of a cell a rule took."""

    rule: str
    gpu: str
    framework: str
    phase: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """The rows that are left, in their order, and what was dropped, by rule and cell."""

    rows: pl.DataFrame
    dropped: tuple[Dropped, ...]


def clean(rows: pl.DataFrame) -> Cleaned:
    """Apply every rule in turn to attention or GEMM rows; each key is left at most once."""
    rules: tuple[tuple[str, Callable[[pl.DataFrame], pl.DataFrame]], ...] = (
        ("not_a_time", _times),
        ("unstable", _stable),
        ("repeated", _once),
        ("faster_than_dram", _within_dram),
        ("faster_than_tensor_cores", _within_tensor_cores),
    )
    dropped: list[Dropped] = []
    rows = rows.with_columns(_id=pl.Series(row_ids(rows)))
    for name, rule in rules:
        left = rule(rows)
        dropped += _counts(name, rows, left) if left.height < rows.height else []
        rows = left
    return Cleaned(rows=rows.drop("_id"), dropped=tuple(dropped))


def _counts(rule: str, before: pl.DataFrame, after: pl.DataFrame) -> list[Dropped]:
    cells = list(CELL)
    counted = before.group_by(cells).len("all").join(after.group_by(cells).len("left"), on=cells, how="left")
    taken = counted.with_columns(rows=pl.col("all") - pl.col("left").fill_null(0)).filter(pl.col("rows") > 0)
    return [
        Dropped(rule=rule, gpu=gpu, framework=framework, phase=phase, rows=count)
        for gpu, framework, phase, count in taken.sort(cells).select(*cells, "rows").rows()
    ]


def _times(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("latency_ms").is_finite() & (pl.col("latency_ms") > 0))


def _stable(rows: pl.DataFrame) -> pl.DataFrame:
    spread = pl.col("latency_ms").max() / pl.col("latency_ms").min()
    unstable = _repeated(rows).group_by("_id").agg(spread=spread).filter(pl.col("spread") > UNSTABLE)
    return rows.filter(~pl.col("_id").is_in(unstable["_id"].implode())) if unstable.height else rows


def _once(rows: pl.DataFrame) -> pl.DataFrame:
    repeated = _repeated(rows)
    if repeated.is_empty():
        return rows
    medians = repeated.group_by("_id").agg(median_ms=pl.col("latency_ms").median())
    joined = rows.filter(pl.col("_id").is_first_distinct()).join(medians, on="_id", how="left", maintain_order="left")
    return joined.with_columns(latency_ms=pl.coalesce("median_ms", "latency_ms")).drop("median_ms")


def _repeated(rows: pl.DataFrame) -> pl.DataFrame:
    """Id and latency of the rows whose key occurs more than once."""
    return rows.select("_id", "latency_ms").filter(pl.col("_id").is_duplicated())


def _within_dram(rows: pl.DataFrame) -> pl.DataFrame:
    if "m" in rows.columns:
        return rows
    least_ms = attention_bytes() / peak("dram_bytes_per_s") * 1e3
    impossible = (kv_bytes() > peak("l2_bytes")) & (least_ms > IMPOSSIBLE * pl.col("latency_ms"))
    return rows.filter(~impossible.fill_null(False))


def _within_tensor_cores(rows: pl.DataFrame) -> pl.DataFrame:
    if "m" in rows.columns:
        flops, rate = gemm_flops(), peak_flop_per_s("gemm_dtype")
    else:
        dtypes = [peak_flop_per_s(name) for name in ("attn_dtype", "kv_cache_dtype")]
        flops, rate = attention_flops(), pl.max_horizontal(dtypes)
    least_ms = flops / rate * 1e3
    return rows.filter(~(least_ms > IMPOSSIBLE * pl.col("latency_ms")).fill_null(False))
