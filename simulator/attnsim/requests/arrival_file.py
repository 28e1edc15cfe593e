"""Trace files with arrival times: CSV, JSON lines or Parquet to requests, with every problem at its line.

The forms that are known are those of `attnsim.requests.arrival_forms`. Further columns are left out.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from attnsim.errors import AttnSimError, Problem
from attnsim.requests.arrival_forms import REMEDY, TOKENS_REMEDY, Clock, nanoseconds, tokens
from attnsim.requests.arrival_rows import READERS, Broken, Row, Table
from attnsim.requests.arrival_trace import LONGEST_S, PS_PER_S, ArrivalTrace
from attnsim.specs.trace import MOST_REQUESTS

ENDINGS = tuple(READERS)
MOST_SHOWN = 10
PS_PER_NS = 1000
_BATCH = 2**14
_LONGEST_VALUE = 40
_WHOLE_ROW = -1

Counts = npt.NDArray[np.int64]
Part = tuple[Counts, Counts, Counts]
Fault = tuple[int, int, str, str]
"""Line or row, column, what is wrong, what to do."""


def read_arrivals(path: Path) -> ArrivalTrace:
    """Requests of a trace file, in its order; time begins at the first of them.

    AttnSimError lists what is wrong with the file, the first problems each with its line: no such file, no known form,
    rows of another width, times that are none, negative or smaller than the one before, counts that are no whole
    numbers from 1 on, no rows, more than 10 million of them, more than 9 million seconds.
    """
    file = str(path)
    _require_file(path)
    try:
        table = READERS[path.suffix](path)
        arrival_ns, prompt, generated = _joined(table, file)
    except UnicodeDecodeError:
        what, line = "not text in UTF-8", _first_other_line(path)
        raise AttnSimError(Problem(file=file, line=line, what=what, remedy="save it in UTF-8")) from None
    except (csv.Error, OSError) as error:
        remedy = f"give a readable file that ends in {', '.join(ENDINGS)}"
        raise AttnSimError(Problem(file=file, what=f"it cannot be read: {error}", remedy=remedy)) from None
    since_first = arrival_ns - arrival_ns[0]
    if since_first[-1] > LONGEST_S * (PS_PER_S // PS_PER_NS):
        what = f"the last request comes more than {LONGEST_S} s after the first"
        raise AttnSimError(Problem(file=file, what=what, remedy="take a part of the file"))
    return ArrivalTrace(name=path.name, arrival_ps=since_first * PS_PER_NS, prompt=prompt, generated=generated)


def _require_file(path: Path) -> None:
    """Raise AttnSimError unless a path is that of a file with a known ending."""
    try:
        what = "" if path.is_file() else "is a folder" if path.is_dir() else "there is no such file"
    except OSError as error:
        what = f"it cannot be read: {error.strerror}"
    if not what and path.suffix not in ENDINGS:
        what = f"files ending in {path.suffix!r} are not read" if path.suffix else "the name has no ending"
    if what:
        remedy = f"give the path of a file that ends in {', '.join(ENDINGS)}"
        raise AttnSimError(Problem(file=str(path)[:200], what=what, remedy=remedy))


def _joined(table: Table, file: str) -> Part:
    """All rows of a table; AttnSimError lists the first problems and counts the others."""
    parts: list[Part] = []
    shown: list[Problem] = []
    rows = found = 0
    before = np.iinfo(np.int64).min
    while batch := list(islice(table.rows, _BATCH)):
        rows += len(batch)
        if rows > MOST_REQUESTS:
            what = f"there are more than {MOST_REQUESTS} rows"
            raise AttnSimError(Problem(file=file, what=what, remedy="take fewer requests"))
        part, problems = _part(batch, table, file, before)
        parts.append(part)
        before = max(before, part[0].max(initial=before))
        found += len(problems)
        shown += problems[: MOST_SHOWN - len(shown)]
    if not rows:
        raise AttnSimError(Problem(file=file, what="there are no rows", remedy="write one request a row"))
    if found > len(shown):
        shown.append(Problem(file=file, what=f"{found - len(shown)} more problems", remedy="mend those above first"))
    if shown:
        raise AttnSimError(*shown)
    times, prompts, generated = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return times, prompts, generated


def _part(batch: Sequence[Row], table: Table, file: str, before: int) -> tuple[Part, list[Problem]]:
    """Values of a batch of rows and its problems: those of single values, and times smaller than one before them."""
    lines, times, prompts, generated = zip(*batch, strict=True)
    clock = table.form.clock
    try:
        part = nanoseconds(times, clock), tokens(prompts), tokens(generated)
        faults: list[Fault] = []
    except ValueError:
        lines, arrivals, faults = _judged(batch, clock)
        part = arrivals, np.empty(0, np.int64), np.empty(0, np.int64)
    remedy = f"sort the rows by {table.form.time}"
    what = "the request comes before the one above it"
    faults += [(line, 0, what, remedy) for line in _unsorted(lines, part[0], before)]
    return part, [_problem(fault, table, file) for fault in sorted(faults)]


def _judged(batch: Sequence[Row], clock: Clock) -> tuple[tuple[int, ...], Counts, list[Fault]]:
    """What is wrong with the values of a batch; lines and times of those rows whose time can be read."""
    faults = [(row[0], _WHOLE_ROW, row[1].what, row[1].remedy) for row in batch if isinstance(row[1], Broken)]
    whole = [row for row in batch if not isinstance(row[1], Broken)]
    late = set(_faulty([row[1] for row in whole], lambda values: nanoseconds(values, clock)))
    faults += [(whole[place][0], 0, f"{_shown(whole[place][1])} is no time", REMEDY[clock]) for place in late]
    for column in (1, 2):
        values = [row[column + 1] for row in whole]
        faults += [
            (whole[place][0], column, f"{_shown(values[place])} is no number of tokens", TOKENS_REMEDY)
            for place in _faulty(values, tokens)
        ]
    timed = [row for place, row in enumerate(whole) if place not in late]
    return tuple(row[0] for row in timed), nanoseconds([row[1] for row in timed], clock), faults


def _faulty(values: Sequence[object], read: Callable[[Sequence[object]], Counts], start: int = 0) -> list[int]:
    """Places of the values that cannot be read, counted from `start`, by halving."""
    try:
        read(values)
    except ValueError:
        half = len(values) // 2
        return [*_faulty(values[:half], read, start), *_faulty(values[half:], read, start + half)] if half else [start]
    return []


def _unsorted(lines: Sequence[int], times: Counts, before: int) -> list[int]:
    """Lines whose time is smaller than one before them."""
    if not len(times):
        return []
    largest = np.maximum.accumulate(np.concatenate(([before], times[:-1])))
    return [lines[place] for place in np.flatnonzero(times < largest).tolist()]


def _problem(fault: Fault, table: Table, file: str) -> Problem:
    line, column, what, remedy = fault
    name = "" if column == _WHOLE_ROW else table.form.columns[column]
    if table.numbered:
        return Problem(file=file, path=": ".join(filter(None, (f"row {line}", name))), what=what, remedy=remedy)
    return Problem(file=file, line=line, path=name, what=what, remedy=remedy)


def _shown(value: object) -> str:
    """A value as messages show it: short, and named where it is empty."""
    if value is None or value == "":
        return "an empty field"
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def _first_other_line(path: Path) -> int:
    """Number of the first line that is not UTF-8."""
    with path.open("rb") as lines:
        return next((number for number, line in enumerate(lines, start=1) if not _is_text(line)), 0)


def _is_text(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
