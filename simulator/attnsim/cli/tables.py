"""Rich tables as text, as wide as the terminal but never cut, in plain characters where nobody looks at one."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from attnsim.units import in_units

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

PIPE_WIDTH = 200
LEAST_WIDTH = 120


def render(*parts: RenderableType, least_width: int = LEAST_WIDTH) -> str:
    """The parts below one another as text of at least that width; colours only for a terminal."""
    from rich.console import Console

    seen = sys.stdout.isatty()
    width = max(shutil.get_terminal_size().columns if seen else PIPE_WIDTH, least_width)
    page = io.StringIO()
    console = Console(file=page, width=width, force_terminal=seen, highlight=False, markup=False)
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))
    lines = page.getvalue().split("\n")
    return "\n".join(line if seen else line.rstrip() for line in lines)


def grid(rows: Iterable[tuple[str, str]]) -> Table:
    """Two columns without lines: a name and what it is."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, left: Sequence[str]) -> Table:
    """A table whose columns are aligned to the right but for those named in `left`; empty columns are left out."""
    from rich.table import Table

    kept = list(rows)
    columns = [place for place in range(len(headings)) if any(len(row) > place and row[place] for row in kept)]
    shown = Table(box=None, padding=(0, 2, 0, 0))
    for place in columns:
        shown.add_column(headings[place], justify="left" if headings[place] in left else "right", no_wrap=True)
    for row in kept:
        shown.add_row(*(row[place] if place < len(row) else "" for place in columns))
    return shown


def shares(values: Mapping[str, float], show: int = 6) -> str:
    """The largest parts of a sum with their percentages: `array_2d 98.6 %, dram 1.4 %`."""
    total = sum(values.values()) or 1.0
    largest = sorted(values.items(), key=lambda item: (-item[1], item[0]))[:show]
    return ", ".join(f"{name} {percent(value / total)}" for name, value in largest if value > 0)


def share_list(fractions: Mapping[str, float], least: float = 0.0005) -> str:
    """Fractions with their names, `array_2d 98.6 %, dram 1.4 %`, leaving out what is next to nothing."""
    return ", ".join(f"{name} {percent(share)}" for name, share in fractions.items() if share >= least)


def percent(fraction: float) -> str:
    """A fraction in percent with three significant digits."""
    return f"{fraction * 100:.3g} %"


def seconds(time_s: float) -> str:
    """A time with four significant digits, `465.2 ms`, `16,220 s`."""
    return in_units(time_s, "s") if time_s < 1000 else f"{float(f'{time_s:.4g}'):,.0f} s"
