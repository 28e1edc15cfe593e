"""Claims as single comparisons: which runs a published value is compared with, and whether ours is near enough.

Claim file and its data rows -> Points (a value and the runs that must give it) -> Comparisons, once somebody has
simulated the runs. Nothing is simulated here; see `attnsim.validate`.
"""

from __future__ import annotations

import csv
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from attnsim.errors import AttnSimError, Problem, SpecError
from attnsim.requests import is_trace_file
from attnsim.specs.claims import OVER, Claim, Claims, Kind, RunRequest, Tolerance
from attnsim.specs.library import shown_path, suggest
from attnsim.specs.spec import problem_at

NUMBERS = ("seq_len", "batch", "tensor_parallel", "pipeline_parallel")
EXTENTS = "extents."
"""What the name of a rank follows in a column or a key that sets its size."""
REQUESTS = "requests."
"""What a setting begins with that both runs of a ratio share, whatever `over` says of its requests."""
_MAPPINGS = ("set", "extents")
_COLUMN = re.compile(r"\{(\w+)\}")

Lookup = Callable[[RunRequest, str], float]
"""Gives the value of a metric, by its path, of a simulated run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One quantity of a claim: a metric of a run, over that of `over`, less that of `less`, or plus that of `plus`."""

    metric: str
    run: RunRequest
    over: RunRequest | None
    less: RunRequest | None
    plus: RunRequest | None
    inverse: bool

    @property
    def runs(self) -> tuple[RunRequest, ...]:
        """The runs that must be simulated to know the term."""
        return tuple(run for run in (self.run, self.over, self.less, self.plus) if run is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One claimed value and the terms whose mean must give it; `where` tells it from the other points of its claim.

    series: what the rows of its series have in common; empty for a claim without series.
    """

    claim: Claim
    kind: Kind
    where: str
    terms: tuple[Term, ...]
    value: float
    source: str
    series: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A claimed value beside ours."""

    point: Point
    ours: float

    @property
    def relative_error(self) -> float:
        """Ours over the claimed value, less one; infinite when zero is claimed and missed."""
        gap = self.ours - self.point.value
        if gap == 0:
            return 0.0
        return gap / abs(self.point.value) if self.point.value else float("inf")

    @property
    def holds(self) -> bool:
        """Whether ours is within the claim's tolerance for single points, if it has one, or on the side it allows."""
        side = self.point.claim.side
        if (side == "at_most" and self.ours <= self.point.value) or (
            side == "at_least" and self.ours >= self.point.value
        ):
            return True
        return _within(self.point.claim.tolerance, self.ours - self.point.value, self.relative_error)


def _within(tolerance: Tolerance, gap: float, relative_error: float) -> bool:
    if tolerance.mean_relative is not None:
        return True
    near = tolerance.relative is not None and abs(relative_error) <= tolerance.relative
    return near or (tolerance.absolute is not None and abs(gap) <= tolerance.absolute)


def compare(point: Point, lookup: Lookup) -> Comparison:
    """Compare a point with the mean of its terms, or with their smallest or largest."""
    values = [_value(term, lookup) for term in point.terms]
    chosen = {"smallest": min, "largest": max}.get(point.claim.extreme or "")
    return Comparison(point=point, ours=chosen(values) if chosen else sum(values) / len(values))


def _value(term: Term, lookup: Lookup) -> float:
    value = lookup(term.run, term.metric)
    if term.over is not None:
        other = lookup(term.over, term.metric)
        return _ratio(term, other, value) if term.inverse else _ratio(term, value, other)
    if term.plus is not None:
        return value + lookup(term.plus, term.metric)
    return value - lookup(term.less, term.metric) if term.less is not None else value


def _ratio(term: Term, over: float, under: float) -> float:
    if under == 0:
        remedy = "claim a difference with `less`, or another metric"
        raise AttnSimError(Problem(path=term.metric, what="is zero in the run that it is divided by", remedy=remedy))
    return over / under


def points_of(claims: Claims) -> tuple[Point, ...]:
    """All points of a claim file, its data rows included; SpecError lists everything wrong with the rows."""
    problems: list[Problem] = []
    found: list[Point] = []
    for position, claim in enumerate(claims.claims):
        try:
            found += _row_points(claims, claim, position) if claim.data else _varied_points(claims, claim)
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(*problems)
    return tuple(found)


def _varied_points(claims: Claims, claim: Claim) -> list[Point]:
    """A point for each combination of `vary`, or a single one for their mean."""
    choices = [[(key, value) for value in values] for key, values in claim.vary.items()]
    cases: list[dict[str, str | int | float]] = claim.cases or [{}]
    varied = [{**case, **dict(chosen)} for case in cases for chosen in itertools.product(*choices)]
    terms = [_term(claims, claim, claim.metric, settings) for settings in varied]
    if claim.mean or claim.extreme:
        sizes = ([f"{len(cases)} cases"] if claim.cases else []) + [f"{len(v)} {key}" for key, v in claim.vary.items()]
        label = f"{claim.extreme or 'mean'} of {' x '.join(sizes)}" if sizes else ""
        return [_point(claims, claim, label, tuple(terms), claim.value, "")]
    return [
        _point(claims, claim, _label(term.run, settings), (term,), claim.value, "")
        for term, settings in zip(terms, varied, strict=True)
    ]


def _row_points(claims: Claims, claim: Claim, position: int) -> list[Point]:
    """A point for each row of the claim's data file that its `where` takes."""
    assert claim.data is not None
    path = Path(claims._origin.folder) / claim.data.file
    rows = _rows(path)
    columns = tuple(rows[0][1]) if rows else ()
    wanted = {claim.data.value, *claim.data.run.values(), *claim.data.where, *claim.data.series}
    wanted |= set(_COLUMN.findall(claim.metric))
    unknown = sorted(wanted - set(columns))
    if unknown:
        what = f"{shown_path(path)} has no column {unknown[0]!r}"
        raise SpecError(problem_at(claims, f"claims.{position}.data", what, suggest(unknown[0], columns)))
    kept = [(line, row) for line, row in rows if _taken(row, claim.data.where)]
    if not kept:
        what = f"no row of {shown_path(path)} is taken"
        raise SpecError(problem_at(claims, f"claims.{position}.data.where", what, "name values that the file has"))
    return [_row_point(claims, claim, row, Problem(what="", file=shown_path(path), line=line)) for line, row in kept]


def _row_point(claims: Claims, claim: Claim, row: Mapping[str, str], place: Problem) -> Point:
    assert claim.data is not None
    columns = claim.data.run or {key: key for key in _run_keys(row)}
    settings = {key: _setting(key, row[column], place) for key, column in columns.items() if row[column]}
    metric = _COLUMN.sub(lambda match: row[match[1]], claim.metric)
    term = _term(claims, claim, metric, settings)
    parts = [row[column] for column in _COLUMN.findall(claim.metric)]
    where = " ".join([_label(term.run, settings), *parts])
    series = " ".join(row[column] for column in claim.data.series)
    return _point(claims, claim, where, (term,), _number(row[claim.data.value], place), row.get("source", ""), series)


def _run_keys(columns: Iterable[str]) -> list[str]:
    """The columns that are named like a setting of a run, in the order of a command line."""
    named = list(columns)
    extents = [column for column in named if column.startswith(EXTENTS)]
    return [*(key for key in RunRequest.model_fields if key in named), *extents]


def _point(
    claims: Claims,
    claim: Claim,
    where: str,
    terms: tuple[Term, ...],
    value: float | None,
    source: str,
    series: str = "",
) -> Point:
    assert value is not None
    kind = claim.kind or claims.kind
    source = source or claim.source or claims.source
    return Point(claim=claim, kind=kind, where=where, terms=terms, value=value, source=source, series=series)


def _term(claims: Claims, claim: Claim, metric: str, settings: Mapping[str, str | int | float]) -> Term:
    folder = Path(claims._origin.folder)
    others = {key: value for key, value in settings.items() if key.startswith(REQUESTS)}
    others |= {key.removeprefix(OVER): value for key, value in settings.items() if key.startswith(OVER)}
    settings = {key: value for key, value in settings.items() if not key.startswith(OVER)}
    common = _merged(claims.run, _request(settings))

    def second(other: RunRequest | None) -> RunRequest | None:
        if other is None:
            return None
        return _placed(_merged(_merged(common, other), _request(others)), folder)

    return Term(
        metric=metric,
        run=_placed(_merged(_merged(claims.run, claim.run), _request(settings)), folder),
        over=second(claim.over),
        less=second(claim.less),
        plus=second(claim.plus),
        inverse=claim.inverse,
    )


def _request(settings: Mapping[str, str | int | float]) -> RunRequest:
    nested: dict[str, dict[str, str | int | float]] = {}
    for key, value in settings.items():
        group, _, name = key.partition(".")
        nested.setdefault(group, {})[name] = value
    try:
        return RunRequest.model_validate({key: parts.get("", parts) for key, parts in nested.items()})
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(step) for step in problem["loc"])
        remedy = suggest(key, tuple(RunRequest.model_fields))
        raise SpecError(Problem(path=f"run.{key}", what=problem["msg"].lower(), remedy=remedy)) from None


def _merged(first: RunRequest, second: RunRequest) -> RunRequest:
    """`second` where it says something, else `first`; overrides, extents and what is said of requests of both."""
    chosen = {name: getattr(second, name) for name in second.model_fields_set}
    if first.requests is not None and second.requests is not None:
        told = {name: getattr(second.requests, name) for name in second.requests.model_fields_set}
        chosen["requests"] = first.requests.model_copy(update=told)
    both = {"set": {**first.set, **second.set}, "extents": {**first.extents, **second.extents}}
    return first.model_copy(update={**chosen, **both})


def _placed(run: RunRequest, folder: Path) -> RunRequest:
    """The run with the file of its requests, if they come from one, where it lies: beside the claim file."""
    if run.requests is None or not is_trace_file(run.requests.trace):
        return run
    trace = str(folder / run.requests.trace)
    return run.model_copy(update={"requests": run.requests.model_copy(update={"trace": trace})})


def _label(run: RunRequest, settings: Mapping[str, str | int | float]) -> str:
    """The settings in the order of a command line; a mapping or hardware that the claim names comes first."""
    plain = [str(getattr(run, key)) for key in RunRequest.model_fields if key in settings and key not in _MAPPINGS]
    ranks = [key.removeprefix(EXTENTS) for key in settings if key.startswith(EXTENTS)]
    return " ".join([*plain, *(f"{rank}={run.extents[rank]}" for rank in ranks)])


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Rows of a CSV file with their line numbers; SpecError names every row with too few or too many fields."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="", restval=None)
            rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        remedy = "save it as comma-separated text in UTF-8"
        raise SpecError(Problem(file=shown_path(path), what=f"not a CSV file: {error}", remedy=remedy)) from None
    ragged = [line for line, row in rows if "" in row or None in row.values()]
    if ragged:
        remedy = "write as many fields as the first line has"
        raise SpecError(*(Problem(file=shown_path(path), line=n, what="ragged row", remedy=remedy) for n in ragged))
    return rows


def _taken(row: Mapping[str, str], where: Mapping[str, object]) -> bool:
    return all(
        row[column] in ([str(value) for value in wanted] if isinstance(wanted, list) else [str(wanted)])
        for column, wanted in where.items()
    )


def _setting(key: str, text: str, place: Problem) -> str | int:
    if key not in NUMBERS and not key.startswith(EXTENTS):
        return text
    if not text.isdigit():
        remedy = f"write {key} as digits, for example 16384"
        raise SpecError(
            Problem(file=place.file, line=place.line, what=f"{text!r} is not a whole number", remedy=remedy)
        )
    return int(text)


def _number(text: str, place: Problem) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isfinite(value):
        return value
    what, remedy = f"{text!r} is not a number", "write it as 0.125 or 1e9"
    raise SpecError(Problem(file=place.file, line=place.line, what=what, remedy=remedy))


def evenly(points: tuple[Point, ...], most: int) -> Iterator[Point]:
    """At most `most` of the points, spread from the first to the last."""
    if len(points) <= most:
        yield from points
        return
    steps = max(1, most - 1)
    yield from (points[round(i * (len(points) - 1) / steps)] for i in range(most))
