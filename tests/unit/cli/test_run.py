"""`attnsim run`, `compare` and `trace` from the outside: keys, relations between rows, files."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from attnsim.cli import main

CALL = ["--model", "bert", "--seq-len", "4K", "--batch", "64", "--scope", "attention"]


def answer(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_json_of_a_run_has_the_documented_keys(capsys: pytest.CaptureFixture[str]) -> None:
    run = json.loads(answer(["run", *CALL, "--mapping", "binding", "--json"], capsys))
    documented = Path(__file__).parents[3].joinpath("docs", "command-line.md").read_text(encoding="utf-8")
    assert [key for key in run if f"`{key}`" not in documented] == []
    assert {"array_2d", "array_1d"} <= set(run["utilization"])
    assert "dram" in run["bytes"]
    assert run["energy_j"]["total"] == pytest.approx(sum(run["energy_j"].values()) / 2)
    assert run["area_m2"] == pytest.approx(sum(run["area_by_component_m2"].values()))
    assert run["bottleneck"] in run["bottleneck_share"]


def test_no_lower_bound_is_above_the_latency(capsys: pytest.CaptureFixture[str]) -> None:
    run = json.loads(answer(["run", *CALL, "--mapping", "architecture", "--json"], capsys))
    assert max(run["lower_bounds_s"].values()) <= run["latency_s"] * (1 + 1e-9)


def test_the_same_call_prints_the_same_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    call = ["run", *CALL, "--mapping", "binding", "--json"]
    assert answer(call, capsys) == answer(call, capsys)


@pytest.mark.parametrize("command", ["run", "compare", "trace"])
def test_every_command_takes_a_trace_and_devices(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "equal.csv"
    trace.write_text("seq_len\n256\n256\n256\n", encoding="utf-8")
    call = [command, "--model", "gpt3-7b", "--hardware", "fusemax", "--tensor-parallel", "2", "--trace", str(trace)]
    out = tmp_path / "trace.json"
    shown = answer([*call, "--batch", "2", *(["--out", str(out)] if command == "trace" else [])], capsys)
    title = "gpt3-7b attention decode, equal.csv with 2 requests of 256 tokens in the mean, 1 of 2 devices: binding on"
    wanted = {"run": title, "compare": str(trace), "trace": f"{out}: "}
    assert wanted[command] in shown


def test_both_engines_give_the_same_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    call = ["run", "--model", "bert", "--seq-len", "1K", "--batch", "1", "--mapping", "binding", "--json", "--engine"]
    fast, reference = (json.loads(answer([*call, engine], capsys)) for engine in ("fast", "reference"))
    assert {**fast, "provenance": 0} == {**reference, "provenance": 0}


def test_the_table_of_a_run_says_what_was_simulated(capsys: pytest.CaptureFixture[str]) -> None:
    first, _, *lines = answer(["run", *CALL, "--mapping", "binding"], capsys).splitlines()
    assert first == "bert attention, 4096 tokens, batch 64: binding on fusemax"
    headings = [line[:12].strip() for line in lines if line]
    assert headings == ["latency", "limited by", "utilization", "lower bounds", "moved", "energy", "power", "area"]


def test_an_override_reaches_the_hardware(capsys: pytest.CaptureFixture[str]) -> None:
    call = ["run", *CALL, "--mapping", "binding", "--json"]
    base = json.loads(answer(call, capsys))
    doubled = json.loads(answer([*call, "--set", "hardware.clock=1880 MHz"], capsys))
    assert base["latency_s"] / doubled["latency_s"] == pytest.approx(2)


def test_compare_is_relative_to_the_first_mapping_of_each_length(capsys: pytest.CaptureFixture[str]) -> None:
    call = ["compare", "--model", "bert", "--seq-len", "1K,4K", "--mapping", "flat,binding", "--json"]
    runs = json.loads(answer(call, capsys))
    assert [run["speedup"] for run in runs[::2]] == [1, 1]
    assert [run["speedup"] for run in runs[1::2]] == [
        first["latency_s"] / second["latency_s"] for first, second in zip(runs[::2], runs[1::2], strict=True)
    ]


def test_compare_prints_a_row_for_each_combination(capsys: pytest.CaptureFixture[str]) -> None:
    shown = answer(["compare", "--model", "bert,xlm", "--seq-len", "1K,4K", "--mapping", "flat,binding"], capsys)
    heading, *rows = shown.splitlines()
    assert heading.split()[:4] == ["model", "tokens", "hardware", "mapping"]
    assert [tuple(row.split()[:4]) for row in rows] == [
        (model, tokens, hardware, mapping)
        for model in ("bert", "xlm")
        for tokens in ("1K", "4K")
        for hardware, mapping in (("flat", "flat"), ("fusemax", "binding"))
    ]


def test_trace_writes_events_that_perfetto_opens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "trace.json"
    shown = answer(["trace", *CALL, "--mapping", "binding", "--out", str(out), "--tasks", "500"], capsys)
    assert shown.startswith(f"{out}: ")
    assert "attention, attention: the first " in shown
    events = json.loads(out.read_text(encoding="utf-8"))["traceEvents"]
    named = {event["args"]["name"] for event in events if event["name"] == "process_name"}
    assert {"array_2d", "array_1d", "dram"} <= named
    assert {event["ph"] for event in events} <= {"X", "C", "M", "i"}
    assert all(event["ts"] >= 0 and event["dur"] >= 0 for event in events if event["ph"] == "X")


@pytest.mark.parametrize("call", [["--mapping", "unfused"], ["--mapping", "flat", "--scope", "layer"]], ids=" ".join)
def test_slices_on_one_track_of_a_trace_never_overlap(
    call: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "trace.json"
    answer(["trace", *CALL, *call, "--out", str(out), "--tasks", "300"], capsys)
    events = [e for e in json.loads(out.read_text(encoding="utf-8"))["traceEvents"] if e["ph"] == "X"]
    ordered = sorted((e["pid"], e["tid"], e["ts"], e["ts"] + e["dur"]) for e in events)
    pairs = itertools.pairwise(ordered)
    assert [(a, b) for a, b in pairs if a[:2] == b[:2] and b[2] < a[3] - 1e-6] == []


TOO_SMALL = ["--mapping", "binding", "--set", "hardware.memories.global_buffer.capacity=64 KiB"]


def test_a_mapping_that_does_not_fit_says_by_how_much(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *CALL, *TOO_SMALL]) == 2
    assert "does not fit global_buffer" in capsys.readouterr().err
    assert main(["run", *CALL, *TOO_SMALL, "--json"]) == 2
    (misfit,) = json.loads(capsys.readouterr().out).values()
    assert misfit["gap_bytes"] == misfit["demand_bytes"] - 64 * 1024 > 0
    assert sum(misfit["parts"].values()) == misfit["demand_bytes"]


def test_compare_shows_what_fits_beside_what_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--set", "hardware.memories.global_buffer.capacity=64 KiB"]
    shown = answer(["compare", *CALL, "--mapping", "architecture,unfused", *small], capsys)
    assert "does not fit" in shown.splitlines()[1]
    assert "mapping architecture, phase" in shown


BAD_RUNS = [
    (["run", "--mapping", "bindin"], "did you mean binding"),
    (["run", "--model", "brt", "--mapping", "binding"], "did you mean bert"),
    (["run"], "nothing says what to simulate"),
    (["run", *CALL, "--mapping", "binding", "--seq-len", "0"], "--seq-len: 0 is out of range"),
    (["run", *CALL, "--mapping", "binding", "--batch", "0"], "--batch"),
    (["run", *CALL, "--mapping", "binding", "--scope", "block"], "is not one of 'attention', 'layer', 'head', 'model'"),
    (["run", *CALL, "--mapping", "binding", "--extent", "e=64"], "is not an extent"),
    (
        ["run", *CALL, "--mapping", "binding", "--extent", "Z=64"],
        "--extent Z: there is no such rank; known: B, D, E, F",
    ),
    (["run", *CALL, "--mapping", "binding", "--set", "hardware.clok=1 GHz"], "did you mean clock"),
    (["run", *CALL, "--mapping", "binding", "--set", "hardware.clock=1 GiB"], "expected a frequency"),
    (["run", *CALL, "--mapping", "binding", "--set", "clock"], "path=value"),
    (
        ["run", *CALL, "--mapping", "binding", "--trace", "alpaca", "--phase", "prefill"],
        "--phase prefill: the requests of a trace decode; leave it out, or --trace\n--seq-len: the trace says",
    ),
    (
        ["run", "--model", "bert", "--mapping", "binding", "--scope", "model", "--pipeline-parallel", "5"],
        "take 1, 2, 3",
    ),
    (["run", "--model", "bert", "--mapping", "binding", "--pipeline-parallel", "2"], "give --scope model"),
    (["run", "--cascade", "gemm", "--hardware", "fusemax", "--scope", "model"], "needs a model"),
    (["run", "--model", "bert", "--mapping", "binding", "--trace", "alpac"], "did you mean alpaca?"),
    (["run", "--model", "bert", "--mapping", "binding", "--trace", "./none.csv"], "none.csv: there is no such file"),
    (["run", "--model", "bert", "--mapping", "binding", "--trace", "alpaca", "--seed", "-1"], "--seed"),
    (["run", *CALL, "--mapping", "binding", "--tensor-parallel", "2"], "bert does not say which ranks"),
    (["run", "--model", "gpt3-7b", "--hardware", "fusemax", "--tensor-parallel", "3"], "take 1, 2, 4, 8, 16, 32"),
    (["compare", *CALL, "--mapping", "flat,,binding"], "--mapping: 'flat,,binding' has an empty name"),
    (["compare", "--mapping", "flat,bindng", "--model", "bert"], "did you mean binding"),
    (["trace", *CALL, "--mapping", "binding", "--out", "/nowhere/trace.json"], "/nowhere/trace.json: no such file"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_RUNS, ids=str)
def test_bad_input_is_one_clear_message(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""
