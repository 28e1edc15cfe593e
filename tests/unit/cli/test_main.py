"""What the command does with bad input, with a terminal that goes away, and with the clock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from attnsim.cli import main

BAD_COMMANDS = [
    (["lst"], "Did you mean 'list'?"),
    (["list", "--kidn"], "No such option: --kidn"),
    (["list", "hardwear"], "did you mean hardware?"),
    (["show"], "Missing argument"),
    (["show", "fusemx"], "did you mean fusemax"),
    (["show", "nowhere/own.yaml"], "nowhere/own.yaml"),
    (["show", "fusemax", "--kind", "model"], "there is no model 'fusemax'"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_COMMANDS, ids=str)
def test_bad_input_is_one_clear_message_on_stderr_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr()
    assert "Usage: attnsim" in shown.out + shown.err


def test_list_names_what_is_shipped_with_titles(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "hardware"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("hardware\n")
    assert "  fusemax" in shown
    assert "model" not in shown.split()


@pytest.mark.parametrize(("kind", "gpu", "array"), [("hardware", "h100_sxm", "fusemax"), ("mapping", "fa3", "flat")])
def test_list_puts_names_under_the_family_that_they_belong_to(
    kind: str, gpu: str, array: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", kind]) == 0
    words = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert words.index("gpu_tile") < words.index(gpu) < words.index("spatial_array") < words.index(array)


def test_list_without_a_kind_lists_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    headings = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert {"hardware", "mapping", "model"} <= set(headings)


def test_show_prints_the_file_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "bert"]) == 0
    shipped = Path(__file__).parents[3] / "workloads" / "models" / "bert.yaml"
    assert capsys.readouterr().out == shipped.read_text(encoding="utf-8")


def run_in_shell(command: str) -> subprocess.CompletedProcess[str]:
    attnsim = f"{sys.executable} -m attnsim"
    return subprocess.run(["bash", "-c", command.format(attnsim=attnsim)], capture_output=True, text=True, check=False)


def test_a_reader_that_goes_away_is_no_error() -> None:
    # The reader is gone before the first byte is written.
    done = run_in_shell("(sleep 1; {attnsim} show fusemax; echo $? >&2) | true")
    assert done.stderr == "141\n"


def test_a_full_disk_is_a_message() -> None:
    done = run_in_shell("{attnsim} list > /dev/full")
    assert done.returncode == 2
    assert (
        done.stderr
        == "cannot write: no space left on device; check the path, its permissions and the space left on its disk\n"
    )


def test_help_imports_nothing_heavy() -> None:
    heavy = "numpy numba pydantic yaml networkx matplotlib simpy pint jinja2"
    code = "import sys, attnsim.cli; attnsim.cli.main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert set(done.stderr.split()) & set(heavy.split()) == set()
