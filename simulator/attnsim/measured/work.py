"""What a measured kernel must compute and move at least, from its shape alone: matrix FLOPs and unique bytes.

Expressions over the columns of `attnsim.measured.rows`. Softmax is not counted; each operand is moved once.
"""

from __future__ import annotations

import polars as pl

from attnsim.measured.split import effective_window, key_length

_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "fp8_block": 1.0, "int8": 1.0}
_OUTPUT_BYTES = 2.0  # outputs are written in 16 bits whatever the inputs are


def visible_pairs() -> pl.Expr:
    """Pairs of a query and a key that it sees, of one head of one sequence.

    All with `encoder`; the lower triangle with `context`, of which a window keeps a band; one row with `generation`.
    """
    keys = key_length().cast(pl.Float64)
    window = effective_window().cast(pl.Float64)
    triangle = keys * (keys + 1) / 2
    hidden = (keys - window) * (keys - window + 1) / 2
    causal = pl.when(window > 0).then(triangle - hidden).otherwise(triangle)
    row = pl.when(window > 0).then(window).otherwise(keys)
    return (
        pl.when(pl.col("phase") == "context")
        .then(causal)
        .when(pl.col("phase") == "generation")
        .then(row)
        .otherwise(keys * keys)
    )


def attention_flops() -> pl.Expr:
    """FLOPs of the two matrix products, a multiply-add as two: 2 (E + F) for each visible pair of each head."""
    widths = pl.col("head_dim") + pl.col("value_head_dim")
    return 2.0 * pl.col("batch_size") * pl.col("num_heads") * widths * visible_pairs()


def kv_bytes() -> pl.Expr:
    """Bytes of the K and V that some query sees, each once, in the data type of the cache."""
    window = effective_window()
    decode_keys = pl.when(window > 0).then(window).otherwise(key_length())
    keys = pl.when(pl.col("phase") == "generation").then(decode_keys).otherwise(key_length())
    widths = pl.col("head_dim") + pl.col("value_head_dim")
    return pl.col("batch_size") * pl.col("num_key_value_heads") * widths * keys * _width("kv_cache_dtype")


def attention_bytes() -> pl.Expr:
    """Bytes of Q, K, V and O, each once."""
    query = pl.col("head_dim") * _width("attn_dtype") + pl.col("value_head_dim") * _OUTPUT_BYTES
    return kv_bytes() + pl.col("batch_size") * pl.col("num_heads") * pl.col("isl") * query


def gemm_flops() -> pl.Expr:
    """FLOPs of the product, a multiply-add as two."""
    return 2.0 * pl.col("m") * pl.col("n") * pl.col("k")


def gemm_bytes() -> pl.Expr:
    """Bytes of both operands and the 16-bit result, each once; null for a data type of unknown width."""
    operands = (pl.col("m") + pl.col("n")).cast(pl.Float64) * pl.col("k") * _width("gemm_dtype")
    return operands + pl.col("m").cast(pl.Float64) * pl.col("n") * _OUTPUT_BYTES


def _width(column: str) -> pl.Expr:
    return pl.col(column).replace_strict(_BYTES, default=None, return_dtype=pl.Float64)
