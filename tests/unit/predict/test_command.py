"""`attnsim predict` reads a table and writes it with its answers; what is wrong with it is said with its place."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from attnsim.cli import main

ROW = "gpu,kernel,batch_size,num_heads,head_dim\nh100_sxm,vllm_fa3_decode,16,64,128\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


def test_the_answer_is_printed_or_written(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table.write_text(f"{ROW}h999,,1,1,64\n", encoding="utf-8")
    assert main(["predict", str(table)]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("predicted_ms,bottleneck,kernel_name,expected_error,reason")
    out = tmp_path / "predicted.parquet"
    assert main(["predict", str(table), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: 2 rows, 1 without a prediction: see `reason`\n"
    assert pl.read_parquet(out)["predicted_ms"].is_null().to_list() == [False, True]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("gpu,heads,head_dim\nh100_sxm,64,128\n", ["batch_size: the table has no", "num_heads: the table has no"]),
        (ROW.replace("16", "many"), ["batch_size: holds String, not whole numbers; write"]),
        (f"{ROW}h100_sxm,vllm_fa3_decode,,64,128\n", ["batch_size: 1 rows have no value; fill"]),
        ("phase," + ROW.replace("h100", "training,h100"), ["phase: 'training' is no phase; write"]),
    ],
    ids=["columns that are missing", "words for numbers", "gaps", "an unknown phase"],
)
def test_what_is_wrong_with_a_table_names_its_file_and_column(
    text: str, places: list[str], table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table.write_text(text, encoding="utf-8")
    assert main(["predict", str(table)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(places)
    assert all(line.startswith(f"{table}: {place}") for line, place in zip(lines, places, strict=True))
