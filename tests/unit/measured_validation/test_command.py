"""`attnsim validate measured` and `attnsim roofline`: messages for what they cannot do, and what they print."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from attnsim.cli import main
from attnsim.cli.measured_table import measured_table, unseen_table
from attnsim.measured import package as package_module
from attnsim.measured.package import MeasuredPackage
from attnsim.measured_validation.judge import Judged, judged_rows
from attnsim.measured_validation.unseen import Unseen


def test_without_the_package_there_is_a_message_that_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(package_module, "MODULE", "no_such_package_of_timings")
    for options in ([], ["--unseen"], ["--json"]):
        assert main(["validate", "measured", *options]) == 2
        shown = capsys.readouterr()
        assert shown.err == (
            "the measured timings are not installed; install them with: pip install 'attnsim[measured]'\n"
        )
        assert shown.out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["validate", "fusemax", "--gpu", "l40s"], "--gpu: only measured timings have this"),
        (["validate", "fusemax", "--window", "full"], "--window: only measured timings have this"),
        (["roofline", "--hardware", "fusemax"], "fusemax is no GPU"),
        (["roofline", "--hardware", "h100_sxm", "--kernel", "vllm_fa3_prefil"], "did you mean vllm_fa3_prefill"),
    ],
)
def test_options_that_make_no_sense_are_messages(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def judged(rows: pl.DataFrame) -> Judged:
    package = MeasuredPackage(folder=Path("nowhere"), version="0")
    return Judged(rows=judged_rows(rows), held_out=100, dropped=(), package=package)


def test_the_table_says_what_was_answered_what_was_aimed_at_and_what_is_worst(make_rows) -> None:
    rows = pl.concat([make_rows(isl=[256, 512, 1024]), make_rows(kernel_source="unheard_of", isl=[512])])
    slow = rows.with_columns(latency_ms=pl.col("latency_ms") * 2)
    lines = measured_table(judged(slow)).splitlines()
    assert lines[0].startswith("held-out rows of aiconfigurator-core 0: 4 of 100, 75.0 % of them answered")
    assert "no answer: vllm context unheard_of bf16 bf16, 1 rows of h100_sxm" in lines
    assert any("prefill" in line and "50.0 %" in line and line.endswith("MISSED") for line in lines)
    assert sum("-50 %" in line for line in lines) == 2


def test_unseen_tables_show_what_has_no_answer_as_a_dash() -> None:
    row = {"slice": "s", "framework": "vllm", "predictor": "table_ms", "rows": 0, "unanswered": 4, "median": None}
    text = unseen_table(Unseen(transfer=[], sources=[], slices=[row]))
    (line,) = [line.split() for line in text.splitlines() if line.startswith("s ")]
    assert line == ["s", "vllm", "table", "interpolation", "0", "4", "-"]


def test_a_roof_is_never_exceeded_and_the_figure_is_an_svg(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = tmp_path / "roofline.svg"
    options = ["--kernel", "vllm_fa3_prefill", "--seq-len", "2K", "--phase", "prefill"]
    assert main(["roofline", "--hardware", "h100_sxm", *options, "--json", "--out", str(drawn)]) == 0
    (point,) = json.loads(capsys.readouterr().out)
    roofs = point["roofs_flop_per_s"]
    assert point["share_of_roof"] == pytest.approx(point["flop_per_s"] / min(roofs.values()))
    assert 0 < point["share_of_roof"] < 1
    assert {"tensor", "exp", "l2", "dram"} == set(roofs)
    assert drawn.read_text(encoding="utf-8").startswith("<?xml")
