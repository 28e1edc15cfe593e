"""Tables of timings as rows of one form: a kernel's shape, data types and latency, whatever table they come from.

Selection + MeasuredPackage -> polars DataFrame with `ATTENTION_COLUMNS` or `GEMM_COLUMNS`. What differs from the
package's own columns is written down in validation/measured/README.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from attnsim.errors import Problem
from attnsim.measured.package import DISTRIBUTION, KNOWN_VERSIONS, MeasuredDataError, MeasuredPackage, Table
from attnsim.measured.package import newest as newest_tables
from attnsim.measured.package import tables as all_tables
from attnsim.measured.split import ATTENTION_NUMBERS
from attnsim.specs.library import suggest

GPUS = ("a100_sxm", "h100_sxm", "h200_sxm", "b200_sxm", "l40s", "rtx_pro_6000_server")
"""The GPUs of the summaries."""
FRAMEWORKS = ("vllm", "trtllm", "sglang")
PHASES = ("context", "generation", "encoder")
DTYPES = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32", "float8_e4m3fn": "fp8", "e4m3": "fp8"}
"""Names of data types that are written shorter here; all others stay as they are."""

_TEXTS = ("kernel_source", "attn_dtype", "kv_cache_dtype", "gemm_dtype")
ATTENTION_COLUMNS = (
    *("gpu", "framework", "version", "kernel_source", "phase"),
    *ATTENTION_NUMBERS,
    *("value_head_dim", "attn_dtype", "kv_cache_dtype", "latency_ms"),
)
GEMM_COLUMNS = (
    *("gpu", "framework", "version", "kernel_source", "phase"),
    *("m", "n", "k", "gemm_dtype", "latency_ms"),
)
_DEFAULTS = {
    "context": {"step": pl.lit(0), "window_size": pl.lit(0)},
    "generation": {"isl": pl.lit(1), "window_size": pl.lit(0)},
    "encoder": {
        "step": pl.lit(0),
        "window_size": pl.lit(0),
        "num_key_value_heads": pl.col("num_heads"),
        "kv_cache_dtype": pl.col("attn_dtype"),
    },
    "gemm": {},
}
"""Columns that a table may lack, and what they then are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which rows to load; an empty tuple takes every value that there is.

    `windows` keeps rows with a window (`windowed`), without one (`full`) or all; data types are named as in `DTYPES`.
    """

    gpus: tuple[str, ...] = GPUS
    frameworks: tuple[str, ...] = FRAMEWORKS
    phases: tuple[str, ...] = ("context", "generation")
    versions: Literal["newest", "all"] = "newest"
    kernels: tuple[str, ...] = ()
    attn_dtypes: tuple[str, ...] = ()
    kv_cache_dtypes: tuple[str, ...] = ()
    head_dims: tuple[int, ...] = ()
    windows: Literal["all", "full", "windowed"] = "all"


def load_attention(package: MeasuredPackage, selection: Selection | None = None) -> pl.DataFrame:
    """Attention timings with `ATTENTION_COLUMNS`, latency in ms, as they were measured: nothing is dropped.

    Raises MeasuredDataError for names that the package does not have, tables that lack a column, and a selection
    that takes no row.
    """
    chosen = selection or Selection()
    _require_known("phase", chosen.phases, PHASES)
    rows = pl.concat([_attention_rows(table) for table in _tables(package, chosen, chosen.phases or PHASES)])
    taken = rows.filter(_filters(chosen))
    if not taken.is_empty():
        return taken
    sorts = rows.select("kernel_source", "attn_dtype", "kv_cache_dtype", "head_dim").unique().sort(pl.all())
    known = "; ".join(" ".join(str(value) for value in row) for row in sorts.head(8).rows())
    raise MeasuredDataError(Problem(what="the selection takes no row", remedy=f"there are: {known} ..."))


def load_gemm(
    package: MeasuredPackage, selection: Selection | None = None, dtypes: Sequence[str] = ("bf16",)
) -> pl.DataFrame:
    """GEMM timings with `GEMM_COLUMNS`, latency in ms; of the selection, GPUs, frameworks, versions and kernels count.

    Raises MeasuredDataError as `load_attention` does.
    """
    chosen = selection or Selection()
    rows = pl.concat([_gemm_rows(table) for table in _tables(package, chosen, ("gemm",))])
    _require_known("gemm_dtype", dtypes, tuple(rows["gemm_dtype"].unique().sort()))
    named = pl.col("kernel_source").is_in(chosen.kernels) if chosen.kernels else pl.lit(True)
    return rows.filter(pl.col("gemm_dtype").is_in(list(dtypes)) & named)


def short_dtypes(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with their data types named as attnsim names them (`DTYPES`)."""
    return rows.with_columns(pl.col(name).replace(DTYPES) for name in _TEXTS[1:] if name in rows.columns)


def value_head_dim() -> pl.Expr:
    """Width of a value vector: 128 where SGLang has keys of 192, else that of a key."""
    narrow = (pl.col("framework") == "sglang") & (pl.col("head_dim") == 192)
    return pl.when(narrow).then(128).otherwise(pl.col("head_dim")).cast(pl.Int64)


def _tables(package: MeasuredPackage, selection: Selection, phases: Sequence[str]) -> tuple[Table, ...]:
    found = all_tables(package)
    _require_known("gpu", selection.gpus, tuple(dict.fromkeys((*GPUS, *(table.gpu for table in found)))))
    _require_known("framework", selection.frameworks, FRAMEWORKS)
    taken = [table for table in found if table.phase in phases and _taken(table, selection)]
    if not taken:
        place = f"{', '.join(selection.gpus) or 'any GPU'} under {', '.join(selection.frameworks) or 'any framework'}"
        listed = ", ".join(dict.fromkeys(f"{table.gpu} under {table.framework}" for table in found))
        what = f"no timings of {', '.join(phases)} on {place}"
        raise MeasuredDataError(Problem(what=what, remedy=f"there are some of: {listed}"))
    return newest_tables(taken) if selection.versions == "newest" else tuple(taken)


def _taken(table: Table, selection: Selection) -> bool:
    named = table.gpu in selection.gpus or not selection.gpus
    return named and (table.framework in selection.frameworks or not selection.frameworks)


def _require_known(what: str, names: Sequence[str], known: tuple[str, ...]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        problems = (Problem(what=f"unknown {what} {name!r}", remedy=suggest(name, known)) for name in unknown)
        raise MeasuredDataError(*problems)


def _filters(selection: Selection) -> pl.Expr:
    wanted: dict[str, tuple[str, ...] | tuple[int, ...]] = {
        "kernel_source": selection.kernels,
        "attn_dtype": selection.attn_dtypes,
        "kv_cache_dtype": selection.kv_cache_dtypes,
        "head_dim": selection.head_dims,
    }
    masks = {"all": pl.lit(True), "full": pl.col("window_size") == 0, "windowed": pl.col("window_size") > 0}
    chosen = [pl.col(name).is_in(list(values)) for name, values in wanted.items() if values]
    return pl.all_horizontal(masks[selection.windows], *chosen)


def _attention_rows(table: Table) -> pl.DataFrame:
    rows = _read(table, (*ATTENTION_NUMBERS, "kernel_source", "attn_dtype", "kv_cache_dtype"))
    return rows.with_columns(value_head_dim=value_head_dim()).select(ATTENTION_COLUMNS)


def _gemm_rows(table: Table) -> pl.DataFrame:
    return _read(table, ("m", "n", "k", "kernel_source", "gemm_dtype")).select(GEMM_COLUMNS)


def _read(table: Table, columns: Sequence[str]) -> pl.DataFrame:
    """A table's columns, missing ones at their defaults, with where the table belongs."""
    frame = _parquet(table)
    defaults = {name: value for name, value in _DEFAULTS[table.phase].items() if name not in frame.columns}
    _require_columns(table, frame, (*columns, "latency"), defaults)
    place = {name: pl.lit(getattr(table, name)) for name in ("gpu", "framework", "version", "phase")}
    kept = frame.with_columns(**defaults).with_columns(**place).rename({"latency": "latency_ms"})
    numbers = [name for name in columns if name not in _TEXTS]
    try:
        typed = kept.with_columns(pl.col(numbers).cast(pl.Int64), pl.col("latency_ms").cast(pl.Float64))
    except pl.exceptions.InvalidOperationError as error:
        raise _broken(table, f"a column is not of numbers: {str(error).splitlines()[0]}") from None
    return short_dtypes(typed)


def _parquet(table: Table) -> pl.DataFrame:
    try:
        return pl.read_parquet(table.path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _broken(table, f"not a Parquet file: {str(error).splitlines()[0]}") from None


def _require_columns(
    table: Table, frame: pl.DataFrame, columns: Sequence[str], defaults: Mapping[str, pl.Expr]
) -> None:
    missing = [name for name in columns if name not in frame.columns and name not in defaults]
    if missing:
        raise _broken(table, f"has no column {', '.join(missing)}")


def _broken(table: Table, what: str) -> MeasuredDataError:
    remedy = f"reinstall the timings: pip install --force-reinstall {DISTRIBUTION}=={KNOWN_VERSIONS[-1]}"
    return MeasuredDataError(Problem(file=str(table.path), what=what, remedy=remedy))
