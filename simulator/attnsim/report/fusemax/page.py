"""The FuseMax page: a template with prose, and the tables that it asks for."""

from __future__ import annotations

from pathlib import Path

from attnsim.report.fusemax import cases, sections
from attnsim.report.fusemax.summary import summary
from attnsim.report.tables import Tables

TEMPLATE = "fusemax.md.j2"
SECTIONS = {
    "summary": summary,
    "headlines": sections.headlines,
    "attention": sections.attention,
    "relative": sections.relative,
    "layer": sections.layer,
    "sweep": sections.sweep,
    "bottlenecks": sections.bottlenecks,
    "errors": sections.errors,
    "claims": sections.claims,
    "reasons": sections.reasons,
    "fill_drain": sections.fill_drain,
    "register_files": sections.register_files,
}


def page(tables: Tables) -> str:
    """The page as markdown."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    shown = {name: lambda *given, draw=draw, **named: draw(tables, *given, **named) for name, draw in SECTIONS.items()}
    return environment.get_template(TEMPLATE).render(shown, facts=sections.facts(tables), names=cases.MAPPINGS)
