"""Figures of a study: the front in two dimensions at a time, its designs over all parameters, sensitivities, roofs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from attnsim.report import plot
from attnsim.report.tables import Row, Tables, number, only, select, text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = (plot.BLUE, plot.ORANGE, plot.GREEN, plot.PURPLE, plot.SKY, plot.BLACK, plot.YELLOW)
MOST_PAIRS, MOST_TICKS, COLUMNS = 6, 10, 3
_WIDE_RATIO = 8.0
"""From largest over smallest on, an axis is logarithmic."""


def figures(tables: Tables) -> dict[str, str]:
    """Every figure that the tables have numbers for, as svg by name."""
    drawn = {}
    with plot.styled():
        if len(tables["objectives"]) > 1:
            drawn["front"] = plot.svg(_fronts(tables))
        if tables["front"]:
            drawn["parallel"] = plot.svg(_parallel(tables))
        if tables["around"]:
            drawn["around"] = plot.svg(_around(tables))
        if tables["shares"]:
            drawn["shares"] = plot.svg(_shares(tables))
        if tables["busy"]:
            drawn["busy"] = plot.svg(_busy(tables))
    return drawn


_LEAST_WIDTH = 0.25
"""Share of a panel's width from which on both ends of a line are labelled."""


def _figure(rows: int, columns: int, height_in: float) -> tuple[Figure, list[Axes]]:
    """A figure whose panels have axes of their own."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, height_in * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    return figure, [panel for row in panels for panel in row]


def _fronts(tables: Tables) -> Figure:
    names = [text(row, "name") for row in tables["objectives"]]
    pairs = list(itertools.combinations(names, 2))[:MOST_PAIRS]
    columns = min(COLUMNS, len(pairs))
    figure, panels = _figure(-(-len(pairs) // columns), columns, 3.2)
    balanced = _balanced(tables)
    groups = [text(row, "group") for row in tables["groups"]]
    for panel in panels[len(pairs) :]:
        panel.set_visible(False)
    for panel, (across, up) in zip(panels, pairs, strict=False):
        panel.plot(*_points(tables["cloud"], across, up), ".", color="#cccccc", markersize=3, zorder=1)
        for place, group in enumerate(groups):
            rows = list(select(tables["front"], group=group))
            panel.plot(*_points(rows, across, up), "o", color=COLORS[place % len(COLORS)], markersize=4, zorder=3)
        if len(groups) == 1:
            panel.plot(*_points([balanced], across, up), "D", color=plot.VERMILION, markersize=6, zorder=4)
        _axis(panel, tables, across, "x")
        _axis(panel, tables, up, "y")
    return figure


def _points(rows: Sequence[Row], across: str, up: str) -> tuple[list[float], list[float]]:
    return [number(row, across) for row in rows], [number(row, up) for row in rows]


def _axis(panel: Axes, tables: Tables, name: str, side: str) -> None:
    found = only(tables["objectives"], name=name)
    low, high = number(found, "low"), number(found, "high")
    label = f"{name}{'' if found['goal'] == 'least' else ' (more is better)'}"
    panel.set(**{f"{side}label": label})
    if low > 0 and high / low > _WIDE_RATIO:
        panel.set(**{f"{side}scale": "log"})


def _balanced(tables: Tables) -> Row:
    """The row of the balanced design."""
    return only(tables["front"], design=tables["study"][0]["balanced"])


def _parallel(tables: Tables) -> Figure:
    """Designs of the front as lines over all parameters and objectives; the balanced one stands out."""
    figure, (panel,) = _figure(1, 1, 4.2)
    labels = [text(row, "label") for row in tables["paths"]]
    names = [text(row, "name") for row in tables["objectives"]]
    balanced = _balanced(tables)
    groups = [text(row, "group") for row in tables["groups"]]
    for row in tables["front"]:
        heights = [_height(tables, row, place) for place in range(len(labels) + len(names))]
        color = COLORS[groups.index(text(row, "group")) % len(COLORS)]
        panel.plot(range(len(heights)), heights, color=color, alpha=0.55, linewidth=1.1, zorder=2)
    if len(groups) == 1:
        heights = [_height(tables, balanced, place) for place in range(len(labels) + len(names))]
        panel.plot(range(len(heights)), heights, color=plot.VERMILION, linewidth=2.4, zorder=3)
    for place in range(len(labels) + len(names)):
        panel.axvline(place, color=plot.GREY, linewidth=0.8, zorder=1)
        for height, label in _ticks(tables, place):
            panel.annotate(label, (place, height), textcoords="offset points", xytext=(3, 2), fontsize=7, zorder=4)
    panel.set_xticks(range(len(labels) + len(names)), [*labels, *names], fontsize=8, rotation=12)
    panel.set_yticks([])
    panel.set_xlim(-0.2, len(labels) + len(names) - 0.4)
    panel.grid(visible=False)
    return figure


def _height(tables: Tables, row: Row, place: int) -> float:
    """Where a design crosses an axis: the place of its value among all, or its objective between least and most."""
    paths = tables["paths"]
    if place < len(paths):
        path = text(paths[place], "path")
        values = [text(one, "value") for one in select(tables["values"], path=path)]
        return values.index(text(row, path)) / max(len(values) - 1, 1)
    low, high, name = _span(tables, place - len(paths))
    return (number(row, name) - low) / (high - low) if high > low else 0.5


def _span(tables: Tables, place: int) -> tuple[float, float, str]:
    name = text(tables["objectives"][place], "name")
    values = [number(row, name) for row in tables["front"]]
    return min(values), max(values), name


def _ticks(tables: Tables, place: int) -> list[tuple[float, str]]:
    paths = tables["paths"]
    if place >= len(paths):
        low, high, _ = _span(tables, place - len(paths))
        return [(0.0, f"{low:.3g}"), (1.0, f"{high:.3g}")] if high > low else [(0.5, f"{low:.3g}")]
    values = [text(one, "value") for one in select(tables["values"], path=text(paths[place], "path"))]
    step = max(1, -(-len(values) // MOST_TICKS))
    last = max(len(values) - 1, 1)
    return [(at / last, values[at]) for at in range(0, len(values), step)]


def _around(tables: Tables) -> Figure:
    """Objectives of designs that differ from the balanced one in one parameter, a panel an objective."""
    names = [text(row, "name") for row in tables["objectives"]]
    paths = [row for row in tables["paths"] if len(list(select(tables["around"], path=row["path"]))) > 1]
    figure, panels = _figure(1, len(names), 0.9 + 0.42 * max(len(paths), 2))
    for panel, name in zip(panels, names, strict=True):
        for at, path in enumerate(paths):
            rows = [row for row in select(tables["around"], path=path["path"]) if row[name] is not None]
            _dots(panel, rows, name, at)
        _label_ends(panel, tables, paths, name)
        panel.axvline(1.0, color=plot.GREY, linewidth=0.8)
        panel.set_title(name)
        panel.set_xlabel("over the balanced design")
        shown = panel is panels[0]
        panel.set_yticks(range(len(paths)), [text(path, "label") for path in paths] if shown else [""] * len(paths))
        panel.set_ylim(len(paths) - 0.4, -0.6)
        panel.margins(x=0.15)
    return figure


def _dots(panel: Axes, rows: Sequence[Row], name: str, at: int) -> None:
    panel.plot([number(row, name) for row in rows], [at] * len(rows), "-", color=plot.GREY, linewidth=1.0)
    for row in rows:
        color = plot.VERMILION if row["same"] else plot.BLUE
        panel.plot([number(row, name)], [at], "o", color=color, markersize=4.5, zorder=4 if row["same"] else 3)


def _label_ends(panel: Axes, tables: Tables, paths: Sequence[Row], name: str) -> None:
    """The values of the smallest and largest ratio of a parameter, where they are far enough apart to be read."""
    ratios = [number(row, name) for row in tables["around"] if row[name] is not None]
    if not ratios:
        return
    low, high = min(ratios), max(ratios)
    if low > 0 and high / low > _WIDE_RATIO:
        panel.set_xscale("log")
    for at, path in enumerate(paths):
        rows = [row for row in select(tables["around"], path=path["path"]) if row[name] is not None]
        least, most = (one(rows, key=lambda row: number(row, name)) for one in (min, max))
        if number(most, name) - number(least, name) < _LEAST_WIDTH * (high - low):
            continue
        for row in (least, most):
            place = (number(row, name), at)
            panel.annotate(
                text(row, "value"), place, textcoords="offset points", xytext=(0, 5), fontsize=7, ha="center"
            )


def _shares(tables: Tables) -> Figure:
    """Sobol indices as bars, a panel an objective."""
    names = list(dict.fromkeys(text(row, "objective") for row in tables["shares"]))
    paths = tables["paths"]
    figure, panels = _figure(1, len(names), 0.9 + 0.36 * max(len(paths), 2))
    for panel, name in zip(panels, names, strict=True):
        rows = [only(tables["shares"], objective=name, path=path["path"]) for path in paths]
        totals = [number(row, "total") if row["total"] is not None else 0.0 for row in rows]
        panel.barh([at + 0.18 for at in range(len(rows))], totals, height=0.34, color=plot.SKY, label="with others")
        firsts = [number(row, "first") for row in rows]
        panel.barh([at - 0.18 for at in range(len(rows))], firsts, height=0.34, color=plot.BLUE, label="alone")
        panel.set_title(name)
        panel.set_xlim(0, 1.05)
        panel.set_xlabel("share of the variance")
        shown = panel is panels[0]
        panel.set_yticks(range(len(paths)), [text(path, "label") for path in paths] if shown else [""] * len(paths))
        panel.invert_yaxis()
    handles, words = panels[0].get_legend_handles_labels()
    panels[-1].legend(handles, words, loc="lower right", fontsize=8)
    return figure


def _busy(tables: Tables) -> Figure:
    """Designs by FLOP/s and intensity, or by how busy the DRAM and an array are; those of the front stand out."""
    figure, (panel,) = _figure(1, 1, 4.0)
    kind = text(tables["busy"][0], "kind")
    for front, color, size in ((False, "#bbbbbb", 4), (True, plot.BLUE, 5)):
        rows = list(select(tables["busy"], front=front))
        label = "on the front" if front else "others"
        panel.plot(*_points(rows, "x", "y"), "o", color=color, markersize=size, label=label, zorder=2 + front)
    if kind == "roofline":
        panel.set(xscale="log", yscale="log", xlabel="useful FLOP per byte of DRAM", ylabel="useful FLOP/s")
    else:
        panel.set(xlabel="utilization.dram", ylabel=kind, xlim=(0, 1.03), ylim=(0, 1.03))
    panel.legend(loc="best", fontsize=8)
    return figure
