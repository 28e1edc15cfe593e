"""The pages that teach cascades work as written: files load, examples print what they show, tables are complete."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from attnsim.einsum.operators import OPERATORS, POPULATE
from attnsim.specs.cascade import CascadeFile, load_cascade
from attnsim.specs.library import names

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "cascades.md").read_text(encoding="utf-8")
NAMING = (DOCS / "naming.md").read_text(encoding="utf-8")
FILE = re.compile(r"```yaml\n# file: (\S+)\n(.*?)```", re.DOTALL)
EXAMPLES = "\n".join(re.findall(r"```pycon\n(.*?)```", PAGE, re.DOTALL))


def section(title: str) -> str:
    """The text below a heading, up to the next one."""
    return re.split(r"^#+ ", PAGE.split(f"# {title}\n")[1], flags=re.MULTILINE)[0]


def first_column(text: str) -> set[str]:
    """Names in backticks in the first column of a table."""
    return {name for row in re.findall(r"^\|(.*?)\|", text, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)}


def test_every_example_prints_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in FILE.findall(PAGE):
        (tmp_path / name).write_text(f"\n{text}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    example = doctest.DocTestParser().get_doctest(EXAMPLES, {}, "cascades.md", str(DOCS / "cascades.md"), 0)
    report: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(example, out=report.append)
    assert result.failed == 0, "".join(report)
    assert result.attempted > 20


def test_the_table_of_operators_is_complete() -> None:
    assert first_column(section("Map operators")) == set(OPERATORS)


def test_every_populate_operator_is_explained() -> None:
    assert [name for name in POPULATE if f"`{name}(" not in section("Populate")] == []


def test_the_table_of_keys_is_complete() -> None:
    assert first_column(section("The keys of a cascade file")) == set(CascadeFile.model_fields)


def test_the_table_of_shipped_cascades_is_complete() -> None:
    assert first_column(section("What is shipped")) == set(names("cascade"))


def test_every_rank_letter_of_a_shipped_cascade_is_named() -> None:
    letters = "".join(re.findall(r"^\| ((?:[A-Z](?:, )?)+) \|", NAMING.split("## Tensors")[0], re.MULTILINE))
    used = {rank for name in names("cascade") for rank, _ in load_cascade(name).ranks if len(rank) == 1}
    assert used <= set(letters)


def test_every_tensor_of_the_softmax_forms_is_named() -> None:
    table = NAMING.split("## Tensors of attention")[1].split("##")[0]
    cells = {name for row in re.findall(r"^\| ([A-Z, ]+) \|", table, re.MULTILINE) for name in row.split(", ")}
    forms = ("attention_3pass", "attention_3pass_deferred", "attention_2pass", "attention_1pass")
    made = {einsum.name for name in forms for einsum in load_cascade(name).einsums}
    assert made <= cells
