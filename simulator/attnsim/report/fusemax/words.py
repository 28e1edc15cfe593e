"""What limits a configuration, said in words: neighbouring lengths with the same limits are taken together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from attnsim.report import markdown
from attnsim.report.fusemax import cases
from attnsim.report.tables import Row, Tables, number, select, text

RESOURCES = {
    "array_1d": "the 1D array",
    "array_2d": "the 2D array",
    "dram": "DRAM",
    "dependencies": "waiting for one another",
}
WHOLE = 0.9995
LEAST = 0.0005
Limits = tuple[int, dict[str, float]]


def limits(tables: Tables, model: str, mapping: str) -> tuple[str, ...]:
    """A phrase for each range of lengths: `1K to 64K: the 1D array all the time`."""
    rows = list(select(tables["bottlenecks"], model=model, mapping=mapping))
    found = [(length, _shares(list(select(rows, seq_len=length)))) for length in cases.LENGTHS]
    groups = (list(group) for _, group in groupby(found, key=lambda limit: tuple(limit[1])))
    return tuple(_phrase(group) for group in groups)


def _shares(rows: Sequence[Row]) -> dict[str, float]:
    return {text(row, "resource"): number(row, "share") for row in rows if number(row, "share") >= LEAST}


def _phrase(group: Sequence[Limits]) -> str:
    lengths = markdown.spread([length for length, _ in group])
    parts = [_part(name, [shares[name] for _, shares in group]) for name in group[0][1]]
    return f"{lengths}: {', '.join(parts)}"


def _part(resource: str, shares: Sequence[float]) -> str:
    name = RESOURCES.get(resource, resource)
    low, high = min(shares), max(shares)
    if low >= WHOLE:
        return f"{name} all the time"
    span = f"{low * 100:.0f}" if round(low * 100) == round(high * 100) else f"{low * 100:.0f} to {high * 100:.0f}"
    return f"{name} {span} % of it"
