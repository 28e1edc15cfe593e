"""Figures of shares and sizes: Einsums on the 2D array, where the energy goes, area against latency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attnsim.report import plot
from attnsim.report.fusemax import cases
from attnsim.report.markdown import tokens
from attnsim.report.tables import Row, Tables, number, select, text

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EINSUM_COLORS = {
    "QK": plot.BLUE,
    "LM": plot.YELLOW,
    "SLN": plot.VERMILION,
    "SLD": plot.PURPLE,
    "SLNV": plot.SKY,
    "AV": plot.SKY,
}
PARTS = {
    "MAC of the 2D array": ("array_2d.mac", plot.BLUE),
    "register files of the 2D array": ("array_2d.registers", plot.ORANGE),
    "global buffer": ("global_buffer", plot.GREEN),
    "DRAM": ("dram", plot.BLACK),
    "everything else": ("", plot.GREY),
}
MODEL_STYLE = {"bert": (plot.BLUE, "BERT (E = F = 64)"), "xlm": (plot.VERMILION, "XLM (E = F = 128)")}


def einsums(tables: Tables) -> Figure:
    """Figure 7: which Einsum keeps the 2D array busy, BERT; circles mark where published values end."""
    figure, axes = plot.panels(1, 4, width_in=10.4, height_in=3.6)
    for panel, mapping in zip(axes[0], tuple(cases.MAPPINGS)[1:], strict=True):
        _stack(panel, list(select(tables["einsums"], mapping=mapping)))
        panel.set_title(cases.MAPPINGS[mapping])
        panel.set_xticks(range(len(cases.LENGTHS)), [tokens(length) for length in cases.LENGTHS])
        panel.set_xlabel("tokens")
        panel.set_ylim(0, 1.06)
    axes[0][0].set_ylabel("2D array in use")
    named = {"SLNV": "SLNV (FLAT: AV)"}
    shown = {named.get(name, name): color for name, color in EINSUM_COLORS.items() if name != "AV"}
    _legend(figure, shown, published=True)
    return figure


def _stack(panel: Axes, rows: list[Row]) -> None:
    """One bar a length, Einsums from the bottom up."""
    for place, length in enumerate(cases.LENGTHS):
        ours = published = 0.0
        for row in select(rows, seq_len=length):
            share = number(row, "ours")
            panel.bar(place, share, bottom=ours, width=0.7, color=EINSUM_COLORS[text(row, "einsum")], linewidth=0)
            ours, published = ours + share, published + number(row, "published")
            plot.hollow(panel, [place], [published])


def energy_parts(tables: Tables) -> Figure:
    """Where the energy goes, with one register file of each array counted and with all of them."""
    figure, axes = plot.panels(1, 2, width_in=8.4, height_in=3.6)
    for panel, (column, title) in zip(
        axes[0], {"artifact_j": "one register file, as published", "full_j": "all register files"}.items(), strict=True
    ):
        for place, mapping in enumerate(cases.MAPPINGS):
            _energy_bar(panel, place, list(select(tables["energy_parts"], mapping=mapping)), column)
        panel.set_xticks(
            range(len(cases.MAPPINGS)), [name.replace("Architecture", "Arch.") for name in cases.MAPPINGS.values()]
        )
        panel.set_title(title)
    axes[0][0].set_ylabel("energy, J")
    _legend(figure, {label: color for label, (_, color) in PARTS.items()}, published=False)
    return figure


def _energy_bar(panel: Axes, place: int, rows: list[Row], column: str) -> None:
    named = {component for component, _ in PARTS.values()}
    bottom = 0.0
    for component, color in PARTS.values():
        chosen = [
            row for row in rows if (row["component"] == component if component else row["component"] not in named)
        ]
        height_j = sum(number(row, column) for row in chosen)
        panel.bar(place, height_j, bottom=bottom, width=0.7, color=color, linewidth=0)
        bottom += height_j


def array_sweep(tables: Tables) -> Figure:
    """Figure 12: area and latency of FuseMax with 16x16 to 512x512 PEs."""
    figure, axes = plot.panels(1, 1, width_in=5.6, height_in=4.2)
    panel = axes[0][0]
    for model, (color, _) in MODEL_STYLE.items():
        rows = list(select(tables["array_sweep"], model=model))
        panel.loglog(*_area_latency(rows, "ours"), color=color, marker=".")
        known = [row for row in rows if row["area_m2 published"] is not None]
        plot.hollow(panel, *_area_latency(known, "published"))
    for row in select(tables["array_sweep"], model="xlm"):
        size = row["array"]
        at = (number(row, "area_m2 ours") * 1e6, number(row, "latency_s ours"))
        panel.annotate(f"{size}x{size}", at, xytext=(5, 4), textcoords="offset points", fontsize=8)
    panel.set_xlabel("chip area, mm$^2$")
    panel.set_ylabel("latency of attention at 256K tokens, s")
    panel.set_xlim(3, 1.6e4)
    _legend(figure, {label: color for color, label in MODEL_STYLE.values()}, published=True)
    figure.subplots_adjust(left=0.14)
    return figure


def _area_latency(rows: list[Row], column: str) -> tuple[list[float], list[float]]:
    areas_mm2 = [number(row, f"area_m2 {column}") * 1e6 for row in rows]
    return areas_mm2, [number(row, f"latency_s {column}") for row in rows]


def _legend(figure: Figure, colors: dict[str, str], *, published: bool) -> None:
    """A patch for each name, and the circle of published values."""
    from matplotlib.patches import Patch

    handles: list[Artist] = [Patch(color=color) for color in colors.values()]
    names = list(colors)
    if published:
        handles.append(plot.hollow(figure.axes[0], [], []))
        names.append("published")
    plot.legend(figure, handles, names)
