"""Figures of the report on measured timings: predicted over measured, and the mean error by length and batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from attnsim.report import plot
from attnsim.report.gpu_measured import cases
from attnsim.report.tables import Row, Tables, number, select, text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = dict(zip(cases.GPUS, (plot.ORANGE, plot.BLUE, plot.SKY, plot.GREEN, plot.VERMILION, plot.PURPLE), strict=True))
BAND = 1.2
WORST_SHADE = 0.3
_LIGHT_TEXT_FROM = 0.2


def figures(tables: Tables) -> dict[str, str]:
    """Each figure as svg."""
    with plot.styled():
        drawn = {"scatter": scatter(tables)}
        drawn |= {name: heatmap(tables, phase) for phase, name in cases.PHASES.items()}
        return {name: plot.svg(figure) for name, figure in drawn.items()}


def scatter(tables: Tables) -> Figure:
    """Predicted over measured milliseconds, a panel for each phase, a colour for each GPU; lines at +-20 %."""
    figure, axes = plot.panels(1, len(cases.PHASES), width_in=9.0, height_in=4.9)
    handles = {}
    for panel, (phase, title) in zip(axes[0], cases.PHASES.items(), strict=True):
        panel.set_title(title)
        panel.set_xscale("log")
        panel.set_yscale("log")
        ends = [number(row, "measured_ms") for row in tables["points"]] or [1e-2, 1.0]
        span = [min(ends), max(ends)]
        for factor in (1 / BAND, 1.0, BAND):
            panel.plot(span, [factor * end for end in span], color=plot.GREY, linewidth=0.8, zorder=1)
        for gpu in cases.GPUS:
            rows = list(select(tables["points"], gpu=gpu, phase=phase))
            places = [number(row, "measured_ms") for row in rows], [number(row, "predicted_ms") for row in rows]
            (handles[gpu],) = panel.plot(*places, ".", color=COLORS[gpu], markersize=3.2, zorder=2)
        panel.set_xlabel("measured, ms")
    axes[0][0].set_ylabel("predicted, ms")
    plot.legend(figure, list(handles.values()), list(cases.GPUS.values()))
    return figure


def heatmap(tables: Tables, phase: str) -> Figure:
    """Mean absolute error by length and batch, a panel for each GPU; numbers are percent."""
    rows = list(select(tables["bins"], phase=phase))
    lengths, batches = (_in_order(text(row, name) for row in rows) for name in ("length_bin", "batch_bin"))
    figure, axes = plot.panels(2, 3, width_in=10.4, height_in=6.4)
    for panel, (gpu, title) in zip((panel for line in axes for panel in line), cases.GPUS.items(), strict=True):
        panel.set_title(title)
        _shade(panel, list(select(rows, gpu=gpu)), lengths, batches)
    for panel in axes[-1]:
        panel.set_xticks([place + 0.5 for place in range(len(lengths))], lengths, rotation=30, ha="right", fontsize=7)
        panel.set_xlabel("keys that a query may see")
    for line in axes:
        line[0].set_yticks([place + 0.5 for place in range(len(batches))], batches, fontsize=7)
        line[0].set_ylabel("batch")
    figure.subplots_adjust(left=0.08, right=0.985, top=0.95, bottom=0.14, wspace=0.06, hspace=0.16)
    return figure


def _shade(panel: Axes, rows: Sequence[Row], lengths: Sequence[str], batches: Sequence[str]) -> None:
    """A square for each bin that has rows, the darker the larger its error."""
    nothing = float("nan")
    grid = [[nothing] * len(lengths) for _ in batches]
    for row in rows:
        place, line = lengths.index(text(row, "length_bin")), batches.index(text(row, "batch_bin"))
        grid[line][place] = number(row, "mape")
        color = "white" if number(row, "mape") > _LIGHT_TEXT_FROM else plot.BLACK
        shown = f"{100 * number(row, 'mape'):.0f}"
        panel.text(place + 0.5, line + 0.5, shown, ha="center", va="center", fontsize=7, color=color)
    panel.grid(visible=False)
    panel.set_facecolor("#f4f4f4")
    panel.set_xlim(0, len(lengths))
    panel.set_ylim(0, len(batches))
    if rows:
        panel.pcolormesh(grid, cmap="YlOrRd", vmin=0.0, vmax=WORST_SHADE, edgecolors="white", linewidth=0.5)


def _in_order(labels: Iterable[str]) -> list[str]:
    """Labels of bins once each, by the first value of the bin."""
    return sorted(set(labels), key=lambda label: int(label.rstrip("+").partition("-")[0]))
