"""Figures over the length of the sequence: utilization, speedup, energy, the whole layer, filling and draining."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from attnsim.report import plot
from attnsim.report.fusemax import cases
from attnsim.report.markdown import tokens
from attnsim.report.tables import Row, Tables, number, select

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

COLORS = {
    "unfused": plot.GREY,
    "flat": plot.ORANGE,
    "cascade": plot.SKY,
    "architecture": plot.GREEN,
    "binding": plot.BLUE,
}
DASHES: dict[str, Literal["-", "--", "-.", ":"]] = {
    "unfused": ":",
    "flat": "-",
    "cascade": "--",
    "architecture": "-.",
    "binding": "-",
}
LABELS = {"speedup": "speedup over unfused", "energy": "energy relative to unfused"}
LIMITS: dict[str, tuple[float, float]] = {"speedup": (0, 12.6), "energy": (0.65, 1.04)}
PUBLISHED = "published"


def utilization(tables: Tables) -> Figure:
    """Figures 6b and 6a: utilization of each array, one column for each head dimension."""
    metrics = {"utilization.array_2d": "2D array in use", "utilization.array_1d": "1D array in use"}
    figure, axes = plot.panels(2, 2, width_in=8.4, height_in=5.6)
    for line, (metric, label) in zip(axes, metrics.items(), strict=True):
        for panel, model in zip(line, cases.SHAPES, strict=True):
            _lines(panel, list(select(tables["attention"], model=model, metric=metric)), (0, 1.06))
        line[0].set_ylabel(label)
    _finish(figure, axes, list(cases.SHAPES.values()))
    return figure


def relative(tables: Tables, ratio: str) -> Figure:
    """Figures 8 and 9: attention relative to unfused."""
    figure, axes = plot.panels(1, 2, width_in=8.4, height_in=3.5)
    for panel, model in zip(axes[0], cases.SHAPES, strict=True):
        _lines(panel, _over_unfused(tables, "attention", model, ratio), LIMITS[ratio])
    axes[0][0].set_ylabel(LABELS[ratio])
    _finish(figure, axes, list(cases.SHAPES.values()))
    return figure


def layer(tables: Tables) -> Figure:
    """Figures 10 and 11: the whole encoder layer relative to unfused, all four models."""
    figure, axes = plot.panels(2, 4, width_in=10.4, height_in=5.2)
    for line, ratio in zip(axes, ("speedup", "energy"), strict=True):
        for panel, model in zip(line, cases.MODELS, strict=True):
            _lines(panel, _over_unfused(tables, "layer", model, ratio), LIMITS[ratio])
        line[0].set_ylabel(LABELS[ratio])
    _finish(figure, axes, [f"{name}, layer" for name in cases.MODELS.values()])
    return figure


def fill_drain(tables: Tables) -> Figure:
    """How much longer attention takes when arrays fill and drain and transfers are exposed."""
    figure, axes = plot.panels(1, 2, width_in=8.4, height_in=3.5)
    for panel, model in zip(axes[0], cases.SHAPES, strict=True):
        for mapping in cases.MAPPINGS:
            rows = list(select(tables["fill_drain"], model=model, mapping=mapping))
            values = [100 * number(row, "longer") for row in rows]
            panel.plot(_places(rows), values, color=COLORS[mapping], linestyle=DASHES[mapping], marker=".")
        panel.set_yscale("symlog", linthresh=0.01)
        panel.set_yticks([0, 0.01, 0.1, 1, 10, 100], ["0", "0.01", "0.1", "1", "10", "100"])
        panel.set_ylim(-0.001, 200)
    axes[0][0].set_ylabel("longer than ideal, %")
    _finish(figure, axes, list(cases.SHAPES.values()), published=False)
    return figure


def _over_unfused(tables: Tables, scope: str, model: str, ratio: str) -> list[Row]:
    return list(select(tables["ratios"], scope=scope, model=model, over="unfused", ratio=ratio))


def _lines(panel: Axes, rows: Sequence[Row], limits: tuple[float, float]) -> None:
    """Ours as one line for each configuration that has rows, published values as circles over it."""
    for mapping in cases.MAPPINGS:
        ours = list(select(rows, mapping=mapping))
        if not ours:
            continue
        values = [number(row, "ours") for row in ours]
        panel.plot(_places(ours), values, color=COLORS[mapping], linestyle=DASHES[mapping])
        known = [row for row in ours if row["published"] is not None]
        plot.hollow(panel, _places(known), [number(row, "published") for row in known])
    panel.set_ylim(*limits)


def _places(rows: Iterable[Row]) -> list[int]:
    return [cases.LENGTHS.index(int(number(row, "seq_len"))) for row in rows]


def _finish(figure: Figure, axes: Sequence[Sequence[Axes]], titles: Sequence[str], *, published: bool = True) -> None:
    """Titles above, lengths below, and one legend for all panels under them."""
    for panel, title in zip(axes[0], titles, strict=True):
        panel.set_title(title)
    for panel in axes[-1]:
        panel.set_xticks(range(len(cases.LENGTHS)), [tokens(length) for length in cases.LENGTHS])
        panel.set_xlabel("tokens")
    handles = list(_shown(axes[0][0]).values())
    labels = [cases.MAPPINGS[mapping] for mapping in _shown(axes[0][0])]
    if published:
        handles.append(plot.hollow(axes[0][0], [], []))
        labels.append(PUBLISHED)
    plot.legend(figure, handles, labels)


def _shown(panel: Axes) -> dict[str, Line2D]:
    """The first line of each configuration that the panel has."""
    lines = {line.get_color(): line for line in reversed(panel.lines)}
    return {mapping: lines[color] for mapping, color in COLORS.items() if color in lines}
