"""The tutorial works as written: its files load, its commands run, and they print what the page says they print.

`pytest --update-golden tests/unit/test_tutorial.py` writes what they print now into the page.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from attnsim.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
FILE = re.compile(r"```yaml\n# file: (\S+)\n(.*?)```", re.DOTALL)
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)


def printed(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    main(shlex.split(command)[1:])
    shown = capsys.readouterr()
    return shown.out + shown.err


def replay(block: str, capsys: pytest.CaptureFixture[str]) -> str:
    """A console block with what its commands print now."""
    commands = [line for line in block.splitlines() if line.startswith("$ attnsim ")]
    return "".join(f"{command}\n{printed(command.removeprefix('$ '), capsys)}" for command in commands)


def test_the_tutorial_prints_what_it_says(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name, text in FILE.findall(page):
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    replayed = CONSOLE.sub(lambda match: f"```console\n{replay(match[1], capsys)}```", page)
    if request.config.getoption("--update-golden"):
        PAGE.write_text(replayed, encoding="utf-8")
    assert replayed == PAGE.read_text(encoding="utf-8")
