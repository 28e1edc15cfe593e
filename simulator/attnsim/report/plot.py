"""Figures as svg: one style, colours that colour-blind people tell apart, the same bytes at every run.

Colours are those of Okabe and Ito (Color Universal Design, 2008). Letters stay letters in the svg, so that they can be
searched and are shown in the reader's own font.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE, GREY = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
    "#999999",
)


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the common style, whatever the user's own settings are."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rc("svg", hashsalt="attnsim", fonttype="none")
        matplotlib.rc("font", **{"family": "sans-serif", "sans-serif": ["DejaVu Sans"], "size": 9})
        matplotlib.rc("axes", titlesize=10, titleweight="bold", grid=True, axisbelow=True)
        matplotlib.rc("axes.spines", top=False, right=False)
        matplotlib.rc("grid", color="#e5e5e5", linewidth=0.8)
        matplotlib.rc("legend", frameon=False)
        matplotlib.rc("lines", linewidth=1.6)
        matplotlib.rc("figure", facecolor="white")
        matplotlib.rc("path", simplify=False)
        yield


def panels(rows: int, columns: int, *, width_in: float, height_in: float) -> tuple[Figure, list[list[Axes]]]:
    """A figure without a window, and its panels by row and column, with common axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in))
    axes = figure.subplots(rows, columns, sharex=True, sharey="row", squeeze=False)
    return figure, [list(row) for row in axes]


def hollow(panel: Axes, places: Sequence[float], values: Sequence[float]) -> Line2D:
    """Published values as hollow circles over whatever is ours; the line is one for a legend if there are none."""
    (line,) = panel.plot(
        places,
        values,
        linestyle="none",
        marker="o",
        markersize=5.5,
        markerfacecolor="none",
        markeredgecolor=BLACK,
        markeredgewidth=0.9,
        zorder=5,
    )
    return line


def legend(figure: Figure, handles: Sequence[Artist], labels: Sequence[str], columns: int = 0) -> None:
    """One legend for all panels, under them, and room for it; in one line unless `columns` are given."""
    height_in = figure.get_figheight()
    lines = math.ceil(len(labels) / columns) if columns else 1
    ncols = columns or len(labels)
    figure.legend(handles, labels, loc="lower center", ncols=ncols, columnspacing=1.5, handlelength=2.4)
    bottom = (0.84 + 0.2 * (lines - 1)) / height_in
    figure.subplots_adjust(left=0.09, right=0.985, top=1 - 0.32 / height_in, bottom=bottom, wspace=0.08, hspace=0.12)


def svg(figure: Figure) -> str:
    """A figure as svg text without dates or versions."""
    page = io.StringIO()
    figure.savefig(page, format="svg", metadata={"Date": None, "Creator": None})
    return "".join(f"{line.rstrip()}\n" for line in page.getvalue().splitlines())
