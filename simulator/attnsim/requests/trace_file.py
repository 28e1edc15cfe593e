"""Trace files: CSV with the column `seq_len`, or `seq_len,ch_idx`, to decode requests in the order of the rows.

This is the form of the traces in the artifact of NeuPIMs (ASPLOS 2024): keys of a sequence, and the channel it lies in.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from attnsim.errors import AttnSimError, Problem
from attnsim.requests.request import DecodeRequest

KEYS, CHANNEL = "seq_len", "ch_idx"
HEADERS = ([KEYS], [KEYS, CHANNEL])
MOST_REQUESTS = 2**20
LONGEST = 2**40
MOST_DIGITS = 15

Row = tuple[int, list[str]]


def read_trace(path: Path) -> tuple[DecodeRequest, ...]:
    """Requests of a trace file; AttnSimError lists all that is wrong with it, each with its line.

    Refused are other columns, rows of another width, a length that is no whole number from 1 to 2^40, a channel that is
    none from 0 to 2^40, channels in some rows only, no rows, and more than 2^20 of them.
    """
    rows = _rows(path)
    file = str(path)
    if not rows:
        raise AttnSimError(Problem(file=file, what="the file is empty", remedy=f"begin it with the line {KEYS}"))
    _require_header([name.strip() for name in rows[0][1]], file, rows[0][0])
    body = rows[1:]
    if not body:
        raise AttnSimError(Problem(file=file, what="there are no rows", remedy="write the length of one request a row"))
    if len(body) > MOST_REQUESTS:
        what = f"there are more than {MOST_REQUESTS} rows"
        raise AttnSimError(Problem(file=file, what=what, remedy="take fewer requests for one batch"))
    width = len(rows[0][1])
    problems = [problem for line, row in body for problem in _problems(row, width, file, line)]
    problems += _gaps(body, file) if width > 1 and not problems else []
    if problems:
        raise AttnSimError(*problems)
    return tuple(
        DecodeRequest(keys=int(row[0]), channel=int(row[1]) if width > 1 and row[1].strip() else None)
        for _, row in body
    )


def _rows(path: Path) -> list[Row]:
    """Rows with their line numbers, blank lines left out; no more of them than it takes to see that they are many."""
    file = str(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "there is no such file"
        raise AttnSimError(Problem(file=file, what=what, remedy="give the path of a CSV file"))
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text)
            filled = ((reader.line_num, row) for row in reader if row)
            return list(islice(filled, MOST_REQUESTS + 2))
    except (UnicodeDecodeError, csv.Error) as error:
        remedy = "save it as comma-separated text in UTF-8"
        raise AttnSimError(Problem(file=file, what=f"not a CSV file: {error}", remedy=remedy)) from None


def _require_header(header: Sequence[str], file: str, line: int) -> None:
    """Raise AttnSimError unless the columns are those of a trace, in their order."""
    if list(header) in HEADERS:
        return
    further = [name for name in header if name not in (KEYS, CHANNEL)]
    if KEYS not in header:
        what, remedy = f"there is no column {KEYS!r}", f"name the columns {KEYS}, or {KEYS},{CHANNEL}"
    elif further:
        what, remedy = f"unknown column {further[0][:80]!r}", f"leave it out; known: {KEYS}, {CHANNEL}"
    else:
        what, remedy = f"the columns are {','.join(header)[:80]}", f"write {KEYS}, or {KEYS},{CHANNEL}"
    raise AttnSimError(Problem(file=file, line=line, what=what, remedy=remedy))


def _problems(row: Sequence[str], width: int, file: str, line: int) -> list[Problem]:
    if len(row) != width:
        what = f"the row has {len(row)} field{'s' if len(row) > 1 else ''}"
        return [Problem(file=file, line=line, what=what, remedy=f"write {width}, as many as the first line has")]
    found = [(KEYS, row[0], 1)] + [(CHANNEL, text, 0) for text in row[1:] if text.strip()]
    return [
        Problem(file=file, line=line, path=column, what=what, remedy=f"write a whole number of at least {least}")
        for column, text, least in found
        if (what := _fault(text.strip(), least))
    ]


def _fault(text: str, least: int) -> str:
    """What keeps a text from being a whole number of at least `least`; nothing if it is one."""
    shown = repr(text if len(text) <= 40 else f"{text[:40]}...")
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        return f"{shown} is not a whole number"
    if len(digits) > MOST_DIGITS or int(text) > LONGEST:
        return f"{shown} is out of range"
    return f"{text} is below {least}" if int(text) < least else ""


def _gaps(body: Sequence[Row], file: str) -> list[Problem]:
    """Rows without a channel where others have one."""
    empty = [line for line, row in body if not row[1].strip()]
    if len(empty) in (0, len(body)):
        return []
    what, remedy = "this row has no channel, and others have one", "give every row a channel, or none"
    return [Problem(file=file, line=line, path=CHANNEL, what=what, remedy=remedy) for line in empty]
