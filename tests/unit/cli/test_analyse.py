"""`attnsim analyse` from the outside."""

from __future__ import annotations

import json

import pytest

from attnsim.cli import main


def answer(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def analysed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = json.loads(answer(["analyse", *arguments, "--json"], capsys))
    return found


def test_without_a_model_it_is_one_sequence_and_one_head(capsys: pytest.CaptureFixture[str]) -> None:
    extents = analysed(["attention_3pass", "--seq-len", "4K"], capsys)["extents"]
    assert extents == {"B": 1, "H": 1, "P": 4096, "M": 4096, "E": 64, "F": 64}


def test_a_model_gives_its_heads_and_its_batch(capsys: pytest.CaptureFixture[str]) -> None:
    extents = analysed(["attention_3pass", "--model", "xlm", "--seq-len", "1K"], capsys)["extents"]
    assert extents == {"B": 64, "H": 16, "P": 1024, "M": 1024, "E": 128, "F": 128}


def test_an_extent_wins_over_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    call = ["attention_1pass", "--model", "bert", "--batch", "2", "--extent", "P=1", "--extent", "M0=32"]
    extents = analysed(call, capsys)["extents"]
    assert (extents["B"], extents["P"], extents["M0"], extents["M1"]) == (2, 1, 32, 512)


def test_operations_are_those_of_the_definition(capsys: pytest.CaptureFixture[str]) -> None:
    found = analysed(["gemm", "--extent", "M=3", "--extent", "K=5", "--extent", "N=7"], capsys)
    assert found["operations"] == {"mac": 3 * 5 * 7}
    assert found["compulsory_bytes"] == 2 * (3 * 5 + 5 * 7 + 3 * 7)


def test_a_word_twice_as_long_moves_twice_as_much(capsys: pytest.CaptureFixture[str]) -> None:
    half, whole = (analysed(["attention_3pass", "--word", word], capsys) for word in ("16 bit", "4 byte"))
    assert whole["compulsory_bytes"] == 2 * half["compulsory_bytes"]


def test_a_buffer_adds_its_traffic(capsys: pytest.CaptureFixture[str]) -> None:
    large = analysed(["attention_1pass", "--seq-len", "1K", "--buffer", "1 GiB"], capsys)
    assert large["traffic_at_buffer"] == {"capacity_bytes": 2**30, "traffic_bytes": large["compulsory_bytes"]}
    shown = answer(["analyse", "attention_1pass", "--seq-len", "1K", "--buffer", "1 GiB"], capsys)
    assert shown.splitlines()[-1].startswith("with a buffer of 1 GiB: 512 KiB moved, ")


BAD = [
    (["analyse", "atention_1pass"], "did you mean attention_1pass"),
    (["analyse", "gemm"], "rank N of gemm has no extent"),
    (["analyse", "attention_1pass", "--extent", "Z=4"], "no rank Z"),
    (["analyse", "attention_1pass", "--extent", "E=0"], "--extent E: 0 is out of range"),
    (["analyse", "attention_1pass", "--word", "2"], "--word: '2' is no amount of data"),
    (["analyse", "attention_1pass", "--buffer", "1 furlongs"], "--buffer"),
    (["analyse", "attention_1pass", "--seq-len", "-4"], "is not a length"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=str)
def test_bad_input_is_one_clear_message(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
