"""`attnsim report`: pages with figures and numbers, written to a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attnsim.cli.answer import Answer


def report(
    names: Annotated[list[str] | None, typer.Argument(help="reports; all of them if left out")] = None,
    out: Annotated[Path | None, typer.Option(help="folder; `reports` of the checkout if left out")] = None,
    redraw: Annotated[bool, typer.Option("--redraw", help="simulate nothing: pages from the numbers there")] = False,
) -> Answer:
    """Write reports: a page in markdown, its figures as svg and its numbers as JSON, and an index of all pages.

    Without the package of measured timings, reports that need it are made from the numbers there unless they are named.
    """
    from attnsim.cli.progress import track
    from attnsim.measured.package import is_installed
    from attnsim.report.write import chosen, default_folder, redraw_report, write_index, write_report

    reports = chosen(names or ())
    folder = out if out is not None else default_folder()
    written: list[Path] = []
    for one in reports:
        if redraw or (not names and one.needs_timings and not is_installed()):
            written += redraw_report(one, folder)
        else:
            written += write_report(one, folder, lambda runs: track(runs, "simulating"))
    written.append(write_index(folder))
    return Answer(text="".join(f"{path}\n" for path in written))
