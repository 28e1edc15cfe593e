"""Figures of the FuseMax report, by name: ours as lines and bars, published values as hollow circles over them."""

from __future__ import annotations

from attnsim.report.fusemax.curves import fill_drain, layer, relative, utilization
from attnsim.report.fusemax.parts import array_sweep, einsums, energy_parts
from attnsim.report.plot import styled, svg
from attnsim.report.tables import Tables

FIGURES = {
    "utilization": utilization,
    "einsums": einsums,
    "speedup": lambda tables: relative(tables, "speedup"),
    "energy": lambda tables: relative(tables, "energy"),
    "layer": layer,
    "array_sweep": array_sweep,
    "fill_drain": fill_drain,
    "energy_parts": energy_parts,
}


def figures(tables: Tables) -> dict[str, str]:
    """Each figure as svg."""
    with styled():
        return {name: svg(draw(tables)) for name, draw in FIGURES.items()}
