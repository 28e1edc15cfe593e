"""docs/explore.md: its study loads, its commands run and print what the page says, and it lists every shipped study.

`pytest --update-golden tests/unit/explore/test_explore_page.py` writes what they print now into the page.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from attnsim.cli import main
from attnsim.specs.library import names
from attnsim.specs.study import Derived, Range, Study

PAGE = Path(__file__).parents[3] / "docs" / "explore.md"
FILE = re.compile(r"```yaml\n# study: (\S+)\n(.*?)```", re.DOTALL)
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)


def replay(block: str, capsys: pytest.CaptureFixture[str]) -> str:
    """A console block with what its commands print now."""
    told = ""
    for command in (line for line in block.splitlines() if line.startswith("$ attnsim ")):
        main(shlex.split(command)[2:])
        shown = capsys.readouterr()
        told += f"{command}\n{shown.out}{shown.err}"
    return told


def test_the_page_prints_what_it_says(
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


def test_the_page_lists_every_study_and_every_key() -> None:
    page = PAGE.read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \| .*\| \d+ \|$", page, re.MULTILINE)
    assert sorted(listed) == sorted(names("study"))
    keys = [*Study.model_fields, *Derived.model_fields, *(f.alias or n for n, f in Range.model_fields.items())]
    assert [key for key in keys if f"`{key}`" not in page and f"`{key}:" not in page] == []
