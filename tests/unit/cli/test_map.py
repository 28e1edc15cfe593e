"""`attnsim map` from the outside: what it prints and writes, and what it says of bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from attnsim.cli import main

CALL = ["--cascade", "attention_1pass", "--model", "bert", "--seq-len", "4K", "--batch", "64"]
FUSEMAX = ["map", "--hardware", "fusemax", *CALL]
HEADS = ["--extent", "H=8", "--extent", "G=1", "--extent", "E=160", "--extent", "F=160", "--seq-len", "4K"]
GPU = ["map", "--hardware", "h100_sxm", "--cascade", "flash_attention", *HEADS]


def answer(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 0, capsys.readouterr().err
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("search", "shape"), [(FUSEMAX, ["--model", "bert", "--seq-len", "4K", "--batch", "64"]), (GPU, HEADS)]
)
def test_a_written_mapping_runs_as_it_is_and_takes_the_time_that_was_promised(
    search: list[str], shape: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "best.yaml"
    promised = json.loads(answer([*search, "--json", "--out", str(file)], capsys))
    run = json.loads(answer(["run", "--mapping", str(file), *shape, "--json"], capsys))
    assert run["latency_s"] == promised["best"]["latency_s"]
    assert run["energy_j"]["total"] == promised["best"]["energy_j"]["total"]
    assert file.read_text(encoding="utf-8") == promised["mapping"]


def test_the_table_says_how_good_the_mapping_is_and_what_was_searched(capsys: pytest.CaptureFixture[str]) -> None:
    text = answer(FUSEMAX, capsys)
    for words in ("lower bound", "optimal in this space", "evaluated", "pruned", "infeasible", "binding"):
        assert words in text
    assert text == answer(FUSEMAX, capsys)


def test_json_has_the_documented_keys(capsys: pytest.CaptureFixture[str]) -> None:
    result = json.loads(answer([*FUSEMAX, "--json"], capsys))
    documented = Path(__file__).parents[3].joinpath("docs", "mapping-search.md").read_text(encoding="utf-8")
    assert [key for key in (*result, *result["space"]) if f"`{key}`" not in documented] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--hardware", "fusemx", *CALL], "did you mean fusemax"),
        (["--hardware", "fusemax", "--cascade", "attention_1pas", "--model", "bert"], "did you mean attention_1pass"),
        (["--hardware", "fusemax", *CALL, "--budget", "0"], "give 1 or more"),
        (["--hardware", "fusemax", *CALL, "--seconds", "0"], "more than 0"),
        (["--hardware", "fusemax", *CALL, "--mapping", "binding"], "leave it out"),
        (["--hardware", "fusemax", "--model", "bert"], "name a cascade"),
        (["--cascade", "attention_1pass", "--model", "bert"], "name a hardware"),
        (["--hardware", "neupims", *CALL], "no tiles to search"),
        (["--hardware", "fusemax", *CALL, "--out", "nowhere/best.yaml"], "there is no folder"),
        (
            ["--hardware", "h100_sxm", "--cascade", "flash_attention", *HEADS, "--extent", "F=9999"],
            "registers of a thread removes",
        ),
    ],
)
def test_bad_input_is_one_clear_message(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["map", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error


def test_hardware_that_lacks_an_operation_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = Path(__file__).parents[3].joinpath("hwspecs", "spatial_array", "fusemax.yaml").read_text(encoding="utf-8")
    file = tmp_path / "without_exp.yaml"
    file.write_text("".join(line for line in whole.splitlines(True) if "exp: {" not in line), encoding="utf-8")
    assert main(["map", "--hardware", str(file), *CALL]) == 2
    assert "cannot do exp" in capsys.readouterr().err


def test_an_interrupted_search_prints_the_best_so_far(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from attnsim.explore import mapper_phase

    spend = mapper_phase.Account.spend

    def stop_after_two(account: mapper_phase.Account) -> None:
        spend(account)
        if account.evaluated > 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(mapper_phase.Account, "spend", stop_after_two)
    assert main(FUSEMAX) == 130
    assert "interrupted" in capsys.readouterr().out
