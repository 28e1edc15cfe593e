"""Writing reports: the numbers as JSON, the page and figures made from them, and the index of all pages."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from attnsim.errors import AttnSimError, Problem, UnknownNameError
from attnsim.report import markdown
from attnsim.report.registry import REPORTS, Report
from attnsim.report.tables import Tables, dumps, loads
from attnsim.specs.library import data_root, unknown_name
from attnsim.validate import Track

FIGURES = "figures"
INDEX = "index.md"
INDEX_HEAD = """\
# Reports

Written by `make reports`, each from the numbers in the JSON file beside it; the same inputs give the same bytes.
How fast the tool is, measured by `make bench`: [engines](performance/engine.md), [runs](performance/runs.md),
[GPU predictions](performance/gpu.md), [NPUs with PIM](performance/npu_pim.md),
[serving](performance/serving.md), [exploring designs](performance/explore.md), [studies](performance/studies.md),
[finding mappings](performance/mapping.md).
"""


def default_folder() -> Path:
    """`reports/` of the checkout; AttnSimError for an installed package, which has none."""
    if not (data_root() / "pyproject.toml").is_file():
        what = "an installed package has no reports folder"
        raise AttnSimError(Problem(path="--out", what=what, remedy="name a folder"))
    return data_root() / "reports"


def write_report(report: Report, folder: Path, track: Track = iter) -> tuple[Path, ...]:
    """Simulate what a report is about and write its JSON, page and figures; returns what was written."""
    return write_tables(report, report.collect(track), folder)


def write_tables(report: Report, tables: Tables, folder: Path) -> tuple[Path, ...]:
    """Write the JSON, page and figures of a report from its numbers; returns what was written."""
    path = _put(folder / f"{report.name}.json", dumps(tables))
    return (path, *redraw_report(report, folder))


def redraw_report(report: Report, folder: Path) -> tuple[Path, ...]:
    """Write the page and figures of a report from the JSON in the folder; returns what was written."""
    path = folder / f"{report.name}.json"
    if not path.is_file():
        remedy = f"write it first: attnsim report {report.name}"
        raise AttnSimError(Problem(file=str(path), what="there are no numbers to draw", remedy=remedy))
    tables = loads(path.read_text(encoding="utf-8"), str(path))
    return tuple(_put(folder / name, content) for name, content in render(report, tables).items())


def render(report: Report, tables: Tables) -> dict[str, str]:
    """Page and figures of a report by path below the reports folder, from its numbers alone."""
    figures = {f"{FIGURES}/{report.name}_{name}.svg": drawn for name, drawn in report.figures(tables).items()}
    return {f"{report.name}.md": report.page(tables), **figures}


def write_index(folder: Path) -> Path:
    """Write the page that leads to every report whose numbers lie in the folder."""
    found = {name: folder / f"{name}.json" for name in REPORTS if (folder / f"{name}.json").is_file()}
    tables = {name: loads(path.read_text(encoding="utf-8"), str(path)) for name, path in found.items()}
    return _put(folder / INDEX, index(tables))


def index(tables: dict[str, Tables]) -> str:
    """The index page: a line for each report, with how many of its claims hold."""
    rows = [(f"[{REPORTS[name].title}]({name}.md)", REPORTS[name].says, _claims(t)) for name, t in tables.items()]
    listed = markdown.table(("report", "what it compares", "claims that hold"), rows, left=2)
    return f"{INDEX_HEAD}\n{listed}\n"


def _claims(tables: Tables) -> str:
    claims = tables.get("claims", ())
    return f"{sum(bool(claim['holds']) for claim in claims)} of {len(claims)}" if claims else ""


def chosen(names: Iterable[str]) -> tuple[Report, ...]:
    """Reports by name, all of them if none is named; UnknownNameError for a name that is not in the table."""
    wanted = tuple(names) or tuple(REPORTS)
    unknown = [name for name in wanted if name not in REPORTS]
    if unknown:
        raise UnknownNameError(*(unknown_name("report", name, tuple(REPORTS)) for name in unknown))
    return tuple(REPORTS[name] for name in wanted)


def _put(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8", newline="\n")
    return path
