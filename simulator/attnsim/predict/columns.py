"""The columns of a table of shapes: which must be there, what the others default to, and their names of data types."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from attnsim.errors import AttnSimError, Problem
from attnsim.specs.library import suggest

REQUIRED = ("gpu", "batch_size", "num_heads", "head_dim")
NUMBERS = (
    *("batch_size", "isl", "step", "num_heads", "num_key_value_heads", "head_dim", "value_head_dim", "window_size"),
)
TEXTS = ("gpu", "framework", "kernel_source", "kernel", "phase", "attn_dtype", "kv_cache_dtype")
DTYPES: Mapping[str, str] = {
    "bfloat16": "bf16",
    "float16": "fp16",
    "float8_e4m3fn": "fp8",
    "fp8_e4m3": "fp8",
    "e4m3": "fp8",
    "auto": "bf16",
}
KERNEL_DTYPES: Mapping[str, str] = {"fp16": "bf16"}
"""Types whose rows take the kernel of another type: what has 16 bits takes the same time on these GPUs."""


def normalized(rows: pl.DataFrame, file: str = "") -> pl.DataFrame:
    """The table with every column that predictions read; raises AttnSimError that lists what is wrong with it.

    file: where the table comes from, for messages.

    Defaults: prefill where `isl` is above 1, else decode; no history; as many key heads as query heads; no window;
    bf16; a cache of the type of the products; values as wide as keys, but 128 for SGLang's 192; the GPU's own kernel.
    """
    problems = [
        Problem(file=file, path=name, what="the table has no such column", remedy=suggest(name, tuple(rows.columns)))
        for name in REQUIRED
        if name not in rows.columns
    ]
    problems += [
        Problem(
            file=file, path=name, what=f"holds {rows.schema[name]}, not whole numbers", remedy="write whole numbers"
        )
        for name in NUMBERS
        if name in rows.columns and not _whole(rows[name])
    ]
    if problems:
        raise AttnSimError(*problems)
    return _typed(_filled(rows), file)


def _whole(column: pl.Series) -> bool:
    if column.is_empty() or column.dtype.is_integer() or column.dtype == pl.Null:
        return True
    return bool(column.dtype.is_float() and (column.drop_nulls() % 1 == 0).all())


def _filled(rows: pl.DataFrame) -> pl.DataFrame:
    """Every column present, every gap filled."""
    missing = [name for name in (*NUMBERS, *TEXTS) if name not in rows.columns]
    table = rows.with_columns(pl.lit(None).alias(name) for name in missing)
    table = table.with_columns(
        *(pl.col(name).cast(pl.Int64) for name in NUMBERS), *(pl.col(name).cast(pl.String) for name in TEXTS)
    )
    table = table.with_columns(isl=pl.col("isl").fill_null(1), step=pl.col("step").fill_null(0))
    decode = pl.when(pl.col("isl") > 1).then(pl.lit("context")).otherwise(pl.lit("generation"))
    table = table.with_columns(
        phase=pl.col("phase").fill_null(decode),
        num_key_value_heads=pl.col("num_key_value_heads").fill_null(pl.col("num_heads")),
        window_size=pl.col("window_size").fill_null(0),
        attn_dtype=pl.col("attn_dtype").fill_null("bf16").replace(DTYPES),
        kv_cache_dtype=pl.col("kv_cache_dtype").replace(DTYPES),
    )
    narrow = (pl.col("framework") == "sglang") & (pl.col("head_dim") == 192)
    width = pl.when(narrow.fill_null(False)).then(128).otherwise(pl.col("head_dim"))
    return table.with_columns(
        kv_cache_dtype=pl.col("kv_cache_dtype").fill_null(pl.col("attn_dtype")),
        value_head_dim=pl.col("value_head_dim").fill_null(width),
    )


def _typed(table: pl.DataFrame, file: str) -> pl.DataFrame:
    """The table if its phases are known and no number is missing."""
    unknown = sorted(set(table["phase"].unique().to_list()) - {"context", "generation", "encoder"})
    problems = [
        Problem(file=file, path="phase", what=f"{phase!r} is no phase", remedy="write context, generation or encoder")
        for phase in unknown
    ]
    problems += [
        Problem(file=file, path=name, what=f"{gaps} rows have no value", remedy="fill them in")
        for name in dict.fromkeys((*REQUIRED, *NUMBERS))
        if (gaps := table[name].null_count())
    ]
    if problems:
        raise AttnSimError(*problems)
    return table
