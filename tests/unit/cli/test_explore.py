"""`attnsim explore`, `pareto` and `best` from the outside: what they print, exit codes, interrupts."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from attnsim.cli import main

STUDY = {
    "name": "small",
    "source": "made for tests",
    "base": {"hardware": "fusemax", "mapping": "cascade", "model": "bert", "batch": 1, "seq_len": 1024},
    "vary": {
        "hardware.memories.dram.bandwidth": {"from": "200 GB/s", "to": "1600 GB/s", "factor": 2},
        "mapping": ["cascade", "unfused"],
    },
    "minimize": ["latency_s", "energy_j.total"],
}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(json.dumps(STUDY))
    return path


@pytest.fixture
def long_study(tmp_path: Path) -> Path:
    """Minutes of designs."""
    path = tmp_path / "long.yaml"
    vary = {**STUDY["vary"], "seq_len": {"from": 1024, "to": 103168, "steps": 400, "whole": True}}  # type: ignore[dict-item]
    path.write_text(json.dumps({**STUDY, "name": "long", "vary": vary}))
    return path


def test_a_study_its_front_and_its_best_design_which_runs_alike(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["explore", str(study), "--out", str(out), "--batch-size", "3", "--json"]) == 0
    explored = json.loads(capsys.readouterr().out)
    assert (explored["designs"], explored["feasible"]) == (8, 8)
    assert main(["pareto", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == explored
    assert main(["best", str(out), "--by", "latency_s", "--out", str(tmp_path / "best")]) == 0
    command = capsys.readouterr().out.splitlines()[-1]
    assert main([*shlex.split(command)[1:], "--json"]) == 0
    run = json.loads(capsys.readouterr().out)
    least = min(explored["front"], key=lambda row: row["metrics"]["latency_s"])
    assert run["latency_s"] == least["metrics"]["latency_s"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["explore", "fusemax_aray"], "did you mean fusemax_array?"),
        (["explore", "STUDY", "--set", "sampler=tpe"], "a tpe search needs a budget"),
        (["explore", "STUDY", "--storage", "sqlite:///x.db"], "a grid needs no database"),
        (["explore", "STUDY", "--scheduler", "tcp://127.0.0.1:9", "--processes", "2"], "a cluster has workers of its"),
        (["explore", "STUDY", "--set", "vary.mapping=[cascad]"], "did you mean cascade?"),
        (["explore", "STUDY", "--set", "vary={seq_len: [1024, 1024.5]}"], "1024.5 is no whole number"),
        (["pareto", "nowhere"], "is no results folder of a study"),
        (["best", "nowhere"], "is no results folder of a study"),
    ],
)
def test_bad_input_is_told_with_exit_code_2(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    given = [str(study) if word == "STUDY" else word for word in arguments]
    given += ["--out", str(tmp_path / "out")] if given[0] == "explore" else []
    assert main(given) == 2
    assert told in capsys.readouterr().err


def test_a_dry_run_writes_nothing(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", str(study), "--dry-run", "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.startswith("small: 8 designs, about ")
    assert not (tmp_path / "out").exists()


def children_of(process: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True)
    return [int(word) for word in listed.stdout.split()]


def lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("sent", "code", "options"),
    [
        (signal.SIGINT, 130, ["--processes", "2"]),
        (signal.SIGTERM, 143, []),
        (signal.SIGINT, 130, ["--set", "sampler=nsga2", "--set", "budget=2000"]),
    ],
)
def test_an_interrupted_study_keeps_what_is_done_and_leaves_no_process(
    long_study: Path, tmp_path: Path, sent: signal.Signals, code: int, options: list[str]
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "attnsim", "explore", str(long_study), "--out", str(out), "--batch-size", "4"]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline_s = time.monotonic() + 60
    while len(list(out.glob("part-*"))) < 2 and process.poll() is None and time.monotonic() < deadline_s:
        time.sleep(0.05)
    children = children_of(process.pid)
    os.killpg(process.pid, sent)
    printed, told = process.communicate(timeout=30)
    assert process.returncode == code, told
    assert told == f"interrupted: what is done lies in {out}; go on with --resume\n"
    assert "on the front" in printed
    deadline_s = time.monotonic() + 10
    while any(map(lives, children)) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not any(map(lives, children))
    assert main(["pareto", str(out)]) == 0
