"""Tables of timings become rows of one form; what is wrong with a table or a selection is said with its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl
import pytest

from attnsim.measured.package import MeasuredDataError, MeasuredPackage
from attnsim.measured.rows import ATTENTION_COLUMNS, GEMM_COLUMNS, Selection, load_attention, load_gemm

Write = Callable[..., Path]
GEMM = {"m": 16, "n": 32, "k": 64, "gemm_dtype": pl.Series(["bfloat16", "fp8"] * 3)}
NOT_GEMM = dict.fromkeys(("batch_size", "isl", "step", "num_heads", "attn_dtype", "kv_cache_dtype"))
ENCODER = {"step": None, "num_key_value_heads": None, "window_size": None, "kv_cache_dtype": None}


def test_rows_have_the_columns_of_attnsim_and_short_names_of_data_types(
    package: MeasuredPackage, write: Write, plain_row: Mapping[str, str | int | float]
) -> None:
    write("context")
    rows = load_attention(package)
    assert tuple(rows.columns) == ATTENTION_COLUMNS
    assert rows.row(1, named=True) == {**plain_row, "isl": 256, "latency_ms": 0.25}


def test_encoder_rows_have_as_many_kv_heads_as_heads_and_no_cache_type_of_their_own(
    package: MeasuredPackage, write: Write
) -> None:
    write("encoder", **ENCODER)
    rows = load_attention(package, Selection(phases=("encoder",)))
    assert rows.select("num_key_value_heads", "kv_cache_dtype", "step", "window_size").row(0) == (32, "bf16", 0, 0)


def test_a_table_without_windows_has_none(package: MeasuredPackage, write: Write) -> None:
    write("generation", window_size=None)
    assert load_attention(package)["window_size"].to_list() == [0] * 6


@pytest.mark.parametrize(
    ("framework", "head_dim", "value"), [("sglang", 192, 128), ("vllm", 192, 192), ("sglang", 128, 128)]
)
def test_values_are_as_wide_as_keys_but_for_192_under_sglang(
    package: MeasuredPackage, write: Write, framework: str, head_dim: int, value: int
) -> None:
    write("context", framework=framework, head_dim=head_dim)
    assert load_attention(package)["value_head_dim"].unique().to_list() == [value]


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        (Selection(), 18),
        (Selection(gpus=("l40s",)), 6),
        (Selection(phases=("generation",)), 6),
        (Selection(windows="windowed"), 6),
        (Selection(windows="full"), 12),
        (Selection(kv_cache_dtypes=("fp8",)), 6),
        (Selection(kernels=("vllm_flash_attn_fa3",), head_dims=(128,), attn_dtypes=("bf16",)), 18),
    ],
)
def test_a_selection_takes_what_it_names(
    package: MeasuredPackage, write: Write, selection: Selection, count: int
) -> None:
    write("context")
    write("context", gpu="l40s", window_size=128)
    write("generation", kv_cache_dtype="fp8")
    assert load_attention(package, selection).height == count


def test_older_versions_are_loaded_when_asked_for(package: MeasuredPackage, write: Write) -> None:
    for version in ("0.9", "0.10"):
        write("context", version=version)
    assert load_attention(package)["version"].unique().to_list() == ["0.10"]
    assert load_attention(package, Selection(versions="all")).height == 12


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(gpus=("h100",), frameworks=()), "unknown gpu 'h100'; did you mean h100_sxm?"),
        (Selection(gpus=(), frameworks=("vlm",)), "unknown framework 'vlm'; did you mean vllm?"),
        (Selection(gpus=(), frameworks=(), phases=("decode",)), "unknown phase 'decode'"),
        (
            Selection(gpus=(), frameworks=(), phases=("encoder",)),
            "no timings of encoder on any GPU under any framework; there are some of: h100_sxm under vllm",
        ),
        (Selection(gpus=(), frameworks=(), head_dims=(96,)), "the selection takes no row; there are: vllm_flash_attn"),
    ],
)
def test_a_selection_that_takes_nothing_says_what_there_is(
    package: MeasuredPackage, write: Write, selection: Selection, message: str
) -> None:
    write("context")
    with pytest.raises(MeasuredDataError) as caught:
        load_attention(package, selection)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latency": None}, "has no column latency"),
        ({"isl": None, "head_dim": None}, "has no column isl, head_dim"),
        ({"head_dim": "wide"}, "a column is not of numbers"),
    ],
)
def test_a_table_that_is_not_as_described_is_named_with_what_it_lacks(
    package: MeasuredPackage, write: Write, changes: dict[str, object], message: str
) -> None:
    path = write("context", **changes)
    with pytest.raises(MeasuredDataError) as caught:
        load_attention(package)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "pip install --force-reinstall aiconfigurator-core==0.12.0" in str(caught.value)


def test_a_file_that_is_not_parquet_is_named(package: MeasuredPackage, write: Write) -> None:
    path = write("context")
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(MeasuredDataError, match="not a Parquet file"):
        load_attention(package)


def test_gemm_rows_are_taken_by_data_type(package: MeasuredPackage, write: Write) -> None:
    write("gemm", **NOT_GEMM, **GEMM)
    rows = load_gemm(package)
    assert tuple(rows.columns) == GEMM_COLUMNS
    assert rows["gemm_dtype"].to_list() == ["bf16"] * 3
    with pytest.raises(MeasuredDataError, match=r"unknown gemm_dtype 'fp4'; .*known: bf16, fp8"):
        load_gemm(package, dtypes=("fp4",))
