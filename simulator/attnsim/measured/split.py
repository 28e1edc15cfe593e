"""Which rows may be fitted on and which judge the fit: decided by a hash of a row's key.

Rows -> 64-bit hashes of their keys -> calibration and held-out rows, and reproducible samples, by the rules of
validation/measured/README.md. Texts are hashed with BLAKE2b; numbers are mixed in with the finalizer of splitmix64
(Steele, Lea and Flood, OOPSLA 2014), a column at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

CALIBRATION_SHARE = 0.2
ATTENTION_TEXTS = ("gpu", "framework", "version", "kernel_source", "phase", "attn_dtype", "kv_cache_dtype")
ATTENTION_NUMBERS = ("batch_size", "isl", "step", "num_heads", "num_key_value_heads", "head_dim", "window_size")
GEMM_TEXTS = ("gpu", "framework", "version", "kernel_source", "gemm_dtype")
GEMM_NUMBERS = ("m", "n", "k")
CELL = ("gpu", "framework", "phase")
_SPLIT, _SAMPLE = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The two parts of a table of rows; a key is in one of them only."""

    calibration: pl.DataFrame
    held_out: pl.DataFrame


def key_columns(rows: pl.DataFrame) -> tuple[str, ...]:
    """Columns that tell one measured shape from another, in the order in which they are hashed."""
    return GEMM_TEXTS + GEMM_NUMBERS if "m" in rows.columns else ATTENTION_TEXTS + ATTENTION_NUMBERS


def key_length() -> pl.Expr:
    """Keys that a query may see when no window hides any: the sequence in prefill, history and itself in decode."""
    return pl.when(pl.col("phase") == "generation").then(pl.col("step") + 1).otherwise(pl.col("isl") + pl.col("step"))


def effective_window() -> pl.Expr:
    """`window_size`, or 0 where the window is as long as the keys, so that it hides none of them."""
    return pl.when(pl.col("window_size") >= key_length()).then(0).otherwise(pl.col("window_size"))


def split(rows: pl.DataFrame) -> Split:
    """Divide rows into about 20 % for calibration and 80 % held out; the order within a part is that of `rows`."""
    chosen = pl.Series(calibration_mask(rows))
    return Split(calibration=rows.filter(chosen), held_out=rows.filter(~chosen))


def calibration_mask(rows: pl.DataFrame) -> NDArray[np.bool_]:
    """True for each row that may be fitted on; a row's answer depends on its key alone."""
    return key_hashes(rows) < np.uint64(int(CALIBRATION_SHARE * 2**64))


def sample(rows: pl.DataFrame, count: int, by: Sequence[str] = CELL) -> pl.DataFrame:
    """The `count` rows of each group of `by` that have the lowest second hash (all of a smaller group).

    Rows keep their order. A larger sample contains the smaller ones, and loading more groups changes none of them.
    """
    marked = rows.with_columns(_order=pl.Series(row_ids(rows)))
    rank = pl.col("_order").rank("ordinal")
    return marked.filter((rank.over(list(by)) if by else rank) <= count).drop("_order")


def key_hashes(rows: pl.DataFrame) -> NDArray[np.uint64]:
    """64-bit hash of each row's key, equal for windows that hide no key: shape (rows,)."""
    plain = rows if "m" in rows.columns else rows.with_columns(window_size=effective_window())
    return _hashes(plain, _SPLIT)


def row_ids(rows: pl.DataFrame) -> NDArray[np.uint64]:
    """64-bit hash of each row's key as it stands, window included: names a measured shape, orders samples."""
    return _hashes(rows, _SAMPLE)


def _hashes(rows: pl.DataFrame, start: int) -> NDArray[np.uint64]:
    return column_hashes(rows, key_columns(rows), GEMM_TEXTS if "m" in rows.columns else ATTENTION_TEXTS, start)


def column_hashes(
    rows: pl.DataFrame, columns: Sequence[str], texts: Sequence[str], start: int = _SPLIT
) -> NDArray[np.uint64]:
    """64-bit hash of some columns of each row, mixed in their order from `start`; `texts` are those that hold texts."""
    hashes = np.full(rows.height, start, dtype=np.uint64)
    for column in columns:
        values = _text_hashes(rows[column]) if column in texts else rows[column].cast(pl.UInt64).to_numpy()
        hashes = _mix(hashes ^ values)
    return hashes


def _text_hashes(texts: pl.Series) -> NDArray[np.uint64]:
    """BLAKE2b of each text; computed once for each that is different."""
    distinct = texts.unique().to_list()
    digests = {text: _digest(str(text), texts.name) for text in distinct}
    return texts.replace_strict(distinct, [digests[text] for text in distinct], return_dtype=pl.UInt64).to_numpy()


def _digest(text: str, column: str) -> int:
    digest = hashlib.blake2b(text.encode(), digest_size=8, person=column.encode()[:16]).digest()
    return int.from_bytes(digest, "little")


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of splitmix64; array arithmetic wraps modulo 2^64 without warning."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
