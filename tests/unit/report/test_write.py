"""Writing reports: what is committed is what the numbers give, and wrong names are messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from attnsim.cli import main
from attnsim.measured import package
from attnsim.report import write
from attnsim.report.fusemax.summary import summary
from attnsim.report.registry import REPORTS
from attnsim.report.tables import loads
from attnsim.report.write import INDEX, default_folder, index, render

COMMITTED = default_folder()
NAMES = sorted(REPORTS)
KNOWN_TO_MISS = {"gpu_published", "npu_pim", "offloading"}
"""Reports with claims that miss: tests/fidelity says which."""


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_page_and_figures_are_those_that_the_committed_numbers_give(name: str) -> None:
    tables = loads((COMMITTED / f"{name}.json").read_text(encoding="utf-8"))
    made = render(REPORTS[name], tables)
    changed = [path for path, text in made.items() if (COMMITTED / path).read_text(encoding="utf-8") != text]
    assert changed == [], "write them again: attnsim report --redraw"


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_shown_and_every_figure_shown_is_there(name: str) -> None:
    page = (COMMITTED / f"{name}.md").read_text(encoding="utf-8")
    shown = {part.partition(")")[0] for part in page.split("](")[1:] if part.startswith("figures/")}
    assert shown == {f"figures/{path.name}" for path in (COMMITTED / "figures").glob(f"{name}_*.svg")}


def test_the_index_leads_to_every_report() -> None:
    tables = {name: loads((COMMITTED / f"{name}.json").read_text(encoding="utf-8")) for name in REPORTS}
    assert (COMMITTED / INDEX).read_text(encoding="utf-8") == index(tables)


@pytest.mark.parametrize("name", NAMES)
def test_no_claim_of_a_committed_report_fails_but_known_misses(name: str) -> None:
    tables = loads((COMMITTED / f"{name}.json").read_text(encoding="utf-8"))
    fails = [claim["claim"] for claim in tables.get("claims", ()) if not claim["holds"]]
    assert bool(fails) == (name in KNOWN_TO_MISS), fails


def test_redrawing_writes_what_is_committed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in NAMES:
        (tmp_path / f"{name}.json").write_bytes((COMMITTED / f"{name}.json").read_bytes())
    assert main(["report", "--redraw", "--out", str(tmp_path)]) == 0
    written = [Path(line).relative_to(tmp_path) for line in capsys.readouterr().out.splitlines()]
    assert Path("fusemax.md") in written
    assert [str(p) for p in written if (tmp_path / p).read_bytes() != (COMMITTED / p).read_bytes()] == []


def test_without_the_timings_only_a_report_that_is_named_needs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(package, "MODULE", "no_such_package_of_timings")
    monkeypatch.setattr(write, "REPORTS", {"gpu_measured": REPORTS["gpu_measured"]})
    (tmp_path / "gpu_measured.json").write_bytes((COMMITTED / "gpu_measured.json").read_bytes())
    assert main(["report", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "gpu_measured.md").read_bytes() == (COMMITTED / "gpu_measured.md").read_bytes()
    assert main(["report", "gpu_measured", "--out", str(tmp_path)]) == 2
    assert "pip install 'attnsim[measured]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fusemx"], "there is no report 'fusemx'; did you mean fusemax?"),
        (["fusemax", "--redraw", "--out", "nowhere"], "there are no numbers to draw; write it first: attnsim report"),
    ],
)
def test_what_cannot_be_written_is_a_message(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_the_readme_shows_the_errors_of_the_report() -> None:
    readme = (COMMITTED.parent / "README.md").read_text(encoding="utf-8")
    assert summary(loads((COMMITTED / "fusemax.json").read_text(encoding="utf-8"))) in readme
