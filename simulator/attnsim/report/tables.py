"""Tables of numbers: what a report knows, as JSON in which every row stands on a line of its own.

A page and its figures are made from these tables and from nothing else, so that they can be made again without a single
run. Values are rounded, so that two machines whose last digits differ write the same bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias, cast

from attnsim.errors import AttnSimError, Problem

Cell: TypeAlias = str | int | float | bool | None
Row: TypeAlias = Mapping[str, Cell]
Tables: TypeAlias = Mapping[str, Sequence[Row]]

DIGITS = 6
SMALLEST_ERROR = 1e-8
"""Relative errors below this come from times in whole picoseconds and from rounding; they are written as 0."""


def rounded(value: float, digits: int = DIGITS) -> float:
    """A number with so many significant digits."""
    return float(f"{value:.{digits - 1}e}") if math.isfinite(value) else value


def relative_error(published: float, ours: float) -> float:
    """Ours over published, less one, with two digits; 0 below `SMALLEST_ERROR`."""
    error = ours / published - 1.0
    return 0.0 if abs(error) < SMALLEST_ERROR else rounded(error, 2)


def select(rows: Sequence[Row], **wanted: Cell) -> Iterator[Row]:
    """The rows that have these values in these columns."""
    return (row for row in rows if all(row[column] == value for column, value in wanted.items()))


def only(rows: Sequence[Row], **wanted: Cell) -> Row:
    """The single row that has these values."""
    (row,) = select(rows, **wanted)
    return row


def number(row: Row, column: str) -> float:
    """The number in a column of a row that has one."""
    value = row[column]
    assert isinstance(value, int | float), (column, row)
    return float(value)


def text(row: Row, column: str) -> str:
    """The text in a column."""
    return str(row[column])


def dumps(tables: Tables) -> str:
    """Tables as JSON, one row a line."""
    parts = (f"{json.dumps(name)}: [\n{_lines(rows)}\n]" for name, rows in tables.items())
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _lines(rows: Sequence[Row]) -> str:
    return ",\n".join(_row(row) for row in rows)


def _row(row: Row) -> str:
    return json.dumps(dict(row), ensure_ascii=False, allow_nan=False)


def loads(source: str, file: str = "") -> Tables:
    """Tables that `dumps` wrote; AttnSimError for anything else."""
    try:
        document = json.loads(source)
    except json.JSONDecodeError as error:
        remedy = "write it again with `attnsim report`"
        raise AttnSimError(
            Problem(file=file, line=error.lineno, what=f"not JSON: {error.msg}", remedy=remedy)
        ) from None
    return cast("Tables", document)
