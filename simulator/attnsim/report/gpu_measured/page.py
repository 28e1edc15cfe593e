"""The page on measured timings: a template with prose, and the tables that it asks for."""

from __future__ import annotations

from pathlib import Path

from attnsim.measured_validation.unseen import SLICE_MEDIAN, TRANSFER_MAPE
from attnsim.report.gpu_measured import sections, unseen_sections
from attnsim.report.gpu_measured.sections import share
from attnsim.report.tables import Tables, number

TEMPLATE = "gpu_measured.md.j2"
SECTIONS = {
    "targets": sections.targets,
    "anchors": sections.anchors,
    "cells": sections.cells,
    "unanswered": sections.unanswered,
    "lengths": sections.lengths,
    "limits": sections.limits,
    "worst": sections.worst,
    "misses": sections.misses,
    "noise": sections.noise,
    "constants": sections.constants,
    "transfer": unseen_sections.transfer,
    "sources": unseen_sections.sources,
    "slices": unseen_sections.slices,
}


def page(tables: Tables) -> str:
    """The page as markdown."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    shown = {name: lambda *given, draw=draw, **named: draw(tables, *given, **named) for name, draw in SECTIONS.items()}
    return environment.get_template(TEMPLATE).render(shown, facts=facts(tables))


def facts(tables: Tables) -> dict[str, str]:
    """Numbers that the prose names."""
    (rows,) = tables["rows"]
    fitted = [int(number(row, "fitted")) for row in tables["constants"]]
    return {
        "package": str(rows["package"]),
        "judged": f"{number(rows, 'judged'):,.0f}",
        "held_out": f"{number(rows, 'held_out'):,.0f}",
        "per_cell": f"{number(rows, 'per_cell'):,.0f}",
        "coverage": share(rows["coverage"]),
        "dropped": f"{sum(number(row, 'rows') for row in tables['dropped']):,.0f}",
        "most_constants": str(max(fitted, default=0)),
        "transfer_aim": share(TRANSFER_MAPE),
        "slice_aim": share(SLICE_MEDIAN),
    }
