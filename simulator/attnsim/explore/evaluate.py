"""Designs to numbers: every design on every workload, its metrics over all of them, and why one is not feasible."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from attnsim.errors import AttnSimError
from attnsim.explore.batch import evaluate as evaluate_requests
from attnsim.explore.space import Design, Space
from attnsim.results import JsonObject
from attnsim.runs import document_of, is_null, number_at, request_of
from attnsim.specs.claims import RunRequest
from attnsim.specs.study import Study, limits_of

_LONGEST_REASON = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A design: its metrics in the order of `Study.metrics` (None where there are none), and why it is not feasible:
    what does not fit, what cannot be made, or the bound that it breaks; nothing if it is."""

    values: tuple[float | None, ...]
    infeasible: str


def judge(space: Space, designs: Sequence[Design]) -> list[Judged]:
    """Simulate designs; the result is in their order. Only errors of a single design become its reason."""
    study = space.study
    metrics = study.metrics
    runs = [space.runs(design) for design in designs]
    flat = [run for own in runs for run in own]
    found = iter(_simulated(flat, metrics))
    return [_judged(study, [next(found) for _ in own]) for own in runs]


def _simulated(runs: Sequence[RunRequest], metrics: Sequence[str]) -> list[tuple[tuple[float | None, ...], str]]:
    plain = [place for place, run in enumerate(runs) if run.system is None]
    results: dict[int, tuple[tuple[float | None, ...], str]] = {}
    for place, one in zip(plain, evaluate_requests([request_of(runs[p]) for p in plain], metrics), strict=True):
        results[place] = (one.values, one.infeasible)
    for place, run in enumerate(runs):
        if place not in results:
            results[place] = _on_system(run, metrics)
    return [results[place] for place in range(len(runs))]


def _on_system(run: RunRequest, metrics: Sequence[str]) -> tuple[tuple[float | None, ...], str]:
    try:
        document = document_of(run)
    except AttnSimError as error:
        return (None,) * len(metrics), shortened(error.problems[0].what)
    return tuple(_number(document, metric) for metric in metrics), ""


def _number(document: JsonObject, metric: str) -> float | None:
    return None if is_null(document, metric) else number_at(document, metric)


def shortened(reason: str) -> str:
    """A reason on one line, cut where it is long."""
    line = " ".join(reason.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 3]}..."


def _judged(study: Study, results: Sequence[tuple[tuple[float | None, ...], str]]) -> Judged:
    reasons = [reason for _, reason in results if reason]
    if reasons:
        return Judged(values=(None,) * len(study.metrics), infeasible=reasons[0])
    columns = list(zip(*(values for values, _ in results), strict=True))
    values = tuple(_aggregated(column, study.aggregate) for column in columns)
    at = dict(zip(study.metrics, values, strict=True))
    missing = [name for name in study.objectives if at[name] is None]
    if missing:
        return Judged(values=values, infeasible=f"{missing[0]} is not known")
    for limit in limits_of(study):
        value = at[limit.metric]
        if value is None or not limit.holds(value):
            return Judged(values=values, infeasible=f"bound: {limit.text}")
    return Judged(values=values, infeasible="")


def _aggregated(column: Sequence[float | None], how: str) -> float | None:
    known = [value for value in column if value is not None]
    if len(known) != len(column):
        return None
    if how == "largest":
        return max(known)
    if how == "geometric":
        return math.exp(sum(map(math.log, known)) / len(known)) if min(known) > 0 else None
    return sum(known) / (len(known) if how == "mean" else 1)
