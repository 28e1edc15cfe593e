"""Timings of collectives as rows of one form, cleaned and split, by the rules of validation/links/README.md.

MeasuredPackage -> polars DataFrame with `COLUMNS`, and which of its rows may be fitted on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from attnsim.errors import Problem
from attnsim.measured.cleaning import UNSTABLE
from attnsim.measured.package import DISTRIBUTION, KNOWN_VERSIONS, MeasuredDataError, MeasuredPackage, version_key
from attnsim.measured.split import column_hashes

LIBRARIES: Mapping[str, str] = {
    "nccl": "nccl_perf.parquet",
    "trtllm": "custom_allreduce_perf.parquet",
    "vllm": "custom_allreduce_perf.parquet",
    "sglang": "custom_allreduce_perf.parquet",
}
"""Libraries of collectives and the files that hold their timings."""
OPERATIONS = {
    "all_reduce": "all_reduce",
    "all_gather": "all_gather",
    "reduce_scatter": "reduce_scatter",
    "alltoall": "all_to_all",
}
"""Operations as the package calls them, and as they are called here."""
KEY = ("gpu", "library", "operation", "devices", "message_bytes")
"""What decides whether a row is fitted on; versions and data types of one message are in one part."""
_TEXTS = ("gpu", "library", "operation")
SHAPE = ("gpu", "library", "version", "operation", "devices", "message_bytes", "floating")
COLUMNS = (*SHAPE, "newest", "latency_ms")
FIT_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectiveRows:
    """Cleaned rows with `COLUMNS`, and how many each rule dropped."""

    rows: pl.DataFrame
    dropped: Mapping[str, int]


def load_collectives(package: MeasuredPackage, gpus: Iterable[str]) -> CollectiveRows:
    """Timings of all libraries and versions on some GPUs; raises MeasuredDataError if there are none."""
    tables = [_table(package, gpu, library) for gpu in gpus for library in LIBRARIES]
    read = [table for group in tables for table in group]
    if not read:
        what = f"{package.folder} holds no timings of collectives on {', '.join(gpus)}"
        raise MeasuredDataError(Problem(what=what, remedy=f"reinstall {DISTRIBUTION}=={KNOWN_VERSIONS[-1]}"))
    return _cleaned(pl.concat(read))


def is_fitted_on(rows: pl.DataFrame) -> NDArray[np.bool_]:
    """True for each row that constants may be fitted on: of the newest version, and by the hash of `KEY`."""
    newest: NDArray[np.bool_] = rows["newest"].to_numpy()
    chosen: NDArray[np.bool_] = column_hashes(rows, KEY, _TEXTS) < np.uint64(int(FIT_SHARE * 2**64))
    return np.logical_and(chosen, newest)


def is_held_out(rows: pl.DataFrame) -> NDArray[np.bool_]:
    """True for each row of a newest version that no constant was fitted on."""
    newest: NDArray[np.bool_] = rows["newest"].to_numpy()
    return np.logical_and(newest, ~is_fitted_on(rows))


def _table(package: MeasuredPackage, gpu: str, library: str) -> list[pl.DataFrame]:
    """Every version of a library on a GPU, as rows that still carry what the cleaning looks at."""
    folder = package.folder / "systems" / "data" / gpu / "comm" / library
    paths = sorted(folder.glob(f"*/{LIBRARIES[library]}"), key=lambda path: version_key(path.parent.name))
    newest = paths[-1].parent.name if paths else ""
    made = []
    for path in paths:
        raw, version = pl.read_parquet(path), path.parent.name
        dtype = "nccl_dtype" if library == "nccl" else "allreduce_dtype"
        words = pl.when(pl.col(dtype).is_in(["int8", "fp8"])).then(1).otherwise(2)
        made.append(
            raw.select(
                gpu=pl.lit(gpu),
                library=pl.lit(library),
                version=pl.lit(version),
                operation=pl.col("op_name").replace_strict(OPERATIONS),
                devices=pl.col("num_gpus").cast(pl.Int64),
                message_bytes=pl.col("message_size").cast(pl.Int64) * words,
                floating=pl.col(dtype) != "int8",
                newest=pl.lit(version == newest),
                latency_ms=pl.col("latency").cast(pl.Float64),
                _kernel=pl.col("kernel_source"),
            )
        )
    return made


def _cleaned(rows: pl.DataFrame) -> CollectiveRows:
    """The rules in their order, and how many rows each one took."""
    dropped = {}
    for name, rule in _RULES.items():
        left = rule(rows)
        dropped[name] = rows.height - left.height
        rows = left
    return CollectiveRows(rows=rows.select(COLUMNS), dropped=dropped)


def _times(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("latency_ms").is_finite() & (pl.col("latency_ms") > 0))


def _of_the_link(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows that time what a GPU does, not how fast a host launches it."""
    return rows.filter(~pl.col("_kernel").str.ends_with("eager"))


def _stable(rows: pl.DataFrame) -> pl.DataFrame:
    latency = pl.col("latency_ms")
    return rows.filter((latency.max() <= UNSTABLE * latency.min()).over(SHAPE))


def _once(rows: pl.DataFrame) -> pl.DataFrame:
    """One row a shape, with the median of its timings."""
    return rows.group_by(SHAPE, maintain_order=True).agg(pl.col("newest").first(), pl.col("latency_ms").median())


_RULES: Mapping[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "not_a_time": _times,
    "host": _of_the_link,
    "unstable": _stable,
    "repeated": _once,
}
