"""Rows of trace files with arrival times: CSV, JSON lines or Parquet to the three values of each request, not yet read.

A row is (line, time, prompt, generated), values as the file has them; in place of the time of a row that cannot be
taken apart stands what is wrong with it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from attnsim.errors import AttnSimError, Problem
from attnsim.requests.arrival_forms import Form, form_of, no_form

Row = tuple[int, object, object, object]
_SLICE = 2**14


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """What is wrong with a row as a whole, and what to do."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A file of one form. rows: in its order; numbered: whether a row is a line of text, or counted from 1."""

    form: Form
    rows: Iterator[Row]
    numbered: bool = False


def csv_table(path: Path) -> Table:
    """Comma-separated text in UTF-8 whose first line names the columns; blank lines are left out."""
    rows = _csv_rows(path)
    line, header = next(rows, (0, []))
    names = [name.strip() for name in header]
    form = _required(form_of(names), names, str(path), line)
    places = [names.index(name) for name in form.columns]
    return Table(form=form, rows=_picked(rows, len(names), (places[0], places[1], places[2])))


def jsonl_table(path: Path) -> Table:
    """An object a line; the first one decides on the form, and further keys are left out."""
    file = str(path)
    line, first = next(_json_lines(path), (0, {}))
    if isinstance(first, Broken):
        raise AttnSimError(Problem(file=file, line=line, what=first.what, remedy=first.remedy))
    form = _required(form_of(list(first)), list(first), file, line)
    return Table(form=form, rows=(_values(number, found, form) for number, found in _json_lines(path)))


def parquet_table(path: Path) -> Table:
    """A Parquet file; dates and times may be columns of that type, in UTC or without a zone."""
    import polars as pl

    file = str(path)
    try:
        frame = pl.scan_parquet(path)
        schema = frame.collect_schema()
        form = _required(form_of(schema.names()), schema.names(), file, 0)
        columns = [pl.col(name) for name in form.columns]
        dated = schema[form.time]
        if isinstance(dated, pl.Datetime):
            columns[0] = columns[0].dt.convert_time_zone("UTC") if dated.time_zone else columns[0]
            columns[0] = columns[0].dt.to_string("%Y-%m-%d %H:%M:%S%.9f")
        found = frame.select(columns).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        what = f"not a Parquet file: {str(error).partition(chr(10))[0][:200]}"
        raise AttnSimError(Problem(file=file, what=what, remedy="write it anew, or as CSV")) from None
    taken = (row for part in found.iter_slices(_SLICE) for row in part.rows())
    rows = ((number, *row) for number, row in enumerate(taken, start=1))
    return Table(form=form, rows=rows, numbered=True)


READERS: Mapping[str, Callable[[Path], Table]] = {
    ".csv": csv_table,
    ".jsonl": jsonl_table,
    ".parquet": parquet_table,
}
"""By the ending of the file."""


def _required(form: Form | None, names: list[str], file: str, line: int) -> Form:
    """The form; AttnSimError if there is none, or one of its columns stands twice."""
    if not names and not line:
        raise AttnSimError(Problem(file=file, what="the file is empty", remedy=no_form(names)[1]))
    if form is None:
        what, remedy = no_form(names)
        raise AttnSimError(Problem(file=file, line=line, what=what, remedy=remedy))
    twice = [name for name in form.columns if names.count(name) > 1]
    if twice:
        what = f"the column {twice[0]!r} stands there twice"
        raise AttnSimError(Problem(file=file, line=line, what=what, remedy="leave one of them out"))
    return form


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the number of its last line."""
    with path.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text)
        yield from ((reader.line_num, row) for row in reader if row)


def _picked(rows: Iterator[tuple[int, list[str]]], width: int, places: tuple[int, int, int]) -> Iterator[Row]:
    time, prompt, generated = places
    for line, row in rows:
        if len(row) == width:
            yield line, row[time], row[prompt], row[generated]
        else:
            what = f"the row has {len(row)} field{'s' if len(row) > 1 else ''}"
            yield line, Broken(what=what, remedy=f"write {width}, as many as the first line has"), None, None


def _json_lines(path: Path) -> Iterator[tuple[int, dict[str, object] | Broken]]:
    """Objects of the lines that are not blank, each with the number of its line."""
    with path.open(encoding="utf-8-sig") as text:
        filled = ((number, line) for number, line in enumerate(text, start=1) if not line.isspace())
        yield from ((number, _object(line)) for number, line in filled)


def _object(line: str) -> dict[str, object] | Broken:
    remedy = 'write one object a line, as {"arrival_s": 0.5, "prompt_tokens": 80, "generated_tokens": 12}'
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Broken(what=f"not JSON: {str(error)[:100]}", remedy=remedy)
    return found if isinstance(found, dict) else Broken(what="the line is no JSON object", remedy=remedy)


def _values(number: int, found: dict[str, object] | Broken, form: Form) -> Row:
    if isinstance(found, Broken):
        return number, found, None, None
    try:
        return number, found[form.time], found[form.prompt], found[form.generated]
    except KeyError as error:
        what = f"there is no {error.args[0]!r}"
        return number, Broken(what=what, remedy=f"write {', '.join(form.columns)}"), None, None
