"""Validation: every claim of a dataset against simulated runs.

Claims -> Points -> runs, each simulated once however many claims share it -> ClaimResults. `attnsim validate` prints
them, and reports take their errors from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from attnsim.claims import Comparison, Point, compare, evenly, points_of
from attnsim.errors import AttnSimError, Problem
from attnsim.results import JsonObject
from attnsim.runs import document_of, number_at
from attnsim.runs import request_of as request_of
from attnsim.runs import run_key as run_key
from attnsim.specs.claims import Claim, Claims, RunRequest, load_claims
from attnsim.specs.library import suggest

ANALYSIS = "analysis."
Measured: TypeAlias = dict[str, JsonObject]
"""What each run gave, by `run_key`."""
Track: TypeAlias = Callable[[Sequence[RunRequest]], Iterable[RunRequest]]
"""Hands on the runs one by one; a progress bar, for example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesResult:
    """One series of a claim: how far ours is from the source on average, without regard to signs."""

    name: str
    points: int
    mean_error: float
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimResult:
    """A claim with its comparisons, at least one."""

    claim: Claim
    comparisons: tuple[Comparison, ...]

    @property
    def holds(self) -> bool:
        """Whether every comparison and every series is within tolerance."""
        return all(c.holds for c in self.comparisons) and all(series.holds for series in self.series)

    @property
    def series(self) -> tuple[SeriesResult, ...]:
        """The series of a claim about series, in the order of the data; none for other claims."""
        if self.claim.tolerance.mean_relative is None:
            return ()
        names = dict.fromkeys(comparison.point.series for comparison in self.comparisons)
        return tuple(self._series(name, self.claim.tolerance.mean_relative) for name in names)

    def _series(self, name: str, most: float) -> SeriesResult:
        errors = [abs(c.relative_error) for c in self.comparisons if c.point.series == name]
        mean = sum(errors) / len(errors)
        return SeriesResult(name=name, points=len(errors), mean_error=mean, holds=mean <= most)

    @property
    def worst(self) -> Comparison:
        """The comparison with the largest relative error, the first of them if several share it."""
        return max(self.comparisons, key=lambda comparison: abs(comparison.relative_error))


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """The results of a dataset; `left_out` names claims that a sample cannot judge."""

    claims: Claims
    results: tuple[ClaimResult, ...]
    left_out: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether every claim holds."""
        return all(result.holds for result in self.results)


def validate(name: str, *, sample: int | None = None, track: Track = iter) -> Validation:
    """Simulate what the claims of a dataset (by name or path) are about, and compare.

    `sample` limits each claim to so many points, spread evenly. Claims about means, be it of runs or of the errors of a
    series, need all of their runs and are left out then. Raises AttnSimError for claims that cannot be read, and for
    runs that cannot be made.
    """
    claims = load_claims(name)
    points = _sampled(points_of(claims), sample)
    return judge(claims, points, measure(runs_of(points), track))


def judge(claims: Claims, points: Sequence[Point], measured: Mapping[str, JsonObject]) -> Validation:
    """Compare points with runs that are simulated already; claims without a point are left out."""
    by_claim: dict[str, list[Comparison]] = {}
    for point in points:
        comparison = compare(point, lambda run, metric: lookup(measured, run, metric))
        by_claim.setdefault(point.claim.name, []).append(comparison)
    return Validation(
        claims=claims,
        results=tuple(
            ClaimResult(claim=claim, comparisons=tuple(by_claim[claim.name]))
            for claim in claims.claims
            if claim.name in by_claim
        ),
        left_out=tuple(claim.name for claim in claims.claims if claim.name not in by_claim),
    )


def _sampled(points: tuple[Point, ...], sample: int | None) -> tuple[Point, ...]:
    if sample is None:
        return points
    single = [point for point in points if _judged_alone(point)]
    names = dict.fromkeys(point.claim.name for point in single)
    groups = [tuple(p for p in single if p.claim.name == name) for name in names]
    return tuple(point for group in groups for point in evenly(group, sample))


def _judged_alone(point: Point) -> bool:
    """Whether a point can be judged without the others of its claim."""
    claim = point.claim
    return not claim.mean and claim.extreme is None and claim.tolerance.mean_relative is None


def runs_of(points: Iterable[Point]) -> tuple[RunRequest, ...]:
    """The different runs that the points need."""
    runs = (run for point in points for term in point.terms if not is_analysis(term.metric) for run in term.runs)
    return tuple({run_key(run): run for run in runs}.values())


def is_analysis(metric: str) -> bool:
    """Whether a metric comes from the cascade alone, without a run."""
    return metric.startswith(ANALYSIS)


def measure(runs: Sequence[RunRequest], track: Track = iter) -> Measured:
    """Simulate each run and keep its JSON."""
    return {run_key(run): document_of(run) for run in track(runs)}


def lookup(measured: Mapping[str, JsonObject], run: RunRequest, metric: str) -> float:
    """The number at a dotted path of a run's JSON, or from the analysis of its cascade."""
    if is_analysis(metric):
        return _analysed(run, metric)
    return number_at(measured[run_key(run)], metric)


def _analysed(run: RunRequest, metric: str) -> float:
    """`analysis.passes.M`: passes of the run's cascade over a rank."""
    from attnsim.analysis.passes import count_passes
    from attnsim.specs.cascade import load_cascade

    _, what, rank = (*metric.split("."), "", "")[:3]
    if what != "passes" or run.cascade is None:
        remedy = "write analysis.passes.M, with a cascade in `run`"
        raise AttnSimError(Problem(path=metric, what="is not an analysis of a cascade", remedy=remedy))
    passes = count_passes(load_cascade(run.cascade), {})
    if rank not in passes:
        raise AttnSimError(Problem(path=metric, what=f"there is no rank {rank!r}", remedy=suggest(rank, tuple(passes))))
    return float(passes[rank].count)
