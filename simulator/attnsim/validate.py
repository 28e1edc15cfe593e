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
from attnsim.pipeline import Request, require_mapping_fits, simulate
from attnsim.results import JsonObject, run_json
from attnsim.serving.asked import IterationRequest, ServeRequest
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


def run_key(run: RunRequest) -> str:
    """Equal for runs with the same inputs, whether or not they spell out what is the default."""
    return repr(_system_request(run) if run.system else request_of(run))


def is_analysis(metric: str) -> bool:
    """Whether a metric comes from the cascade alone, without a run."""
    return metric.startswith(ANALYSIS)


def measure(runs: Sequence[RunRequest], track: Track = iter) -> Measured:
    """Simulate each run and keep its JSON."""
    return {run_key(run): _measured(run) for run in track(runs)}


def _measured(run: RunRequest) -> JsonObject:
    from attnsim.serving.results import iteration_json, serving_json

    if run.system is None:
        return run_json(require_mapping_fits(simulate(request_of(run))))
    asked = _system_request(run)
    if isinstance(asked, ServeRequest):
        from attnsim.serving.outcome import Outcome
        from attnsim.serving.simulate import serve

        return serving_json(Outcome(serve(asked)))
    from attnsim.serving.steady import iterate

    return iteration_json(iterate(asked))


def _system_request(run: RunRequest) -> ServeRequest | IterationRequest:
    """Requests served on a system, or a steady iteration where there are none."""
    if run.system is None or run.model is None:
        raise AttnSimError(Problem(path="run", what="a system needs a model", remedy="write model: llama3_70b"))
    overrides = tuple(f"{path}={value}" for path, value in run.set.items())
    if run.requests is not None:
        return ServeRequest(
            system=run.system,
            model=run.model,
            trace=run.requests.trace,
            seed=run.requests.seed,
            requests=run.requests.count,
            saturated=run.requests.saturated,
            overrides=overrides,
        )
    if run.batch is None or run.seq_len is None:
        what = "an iteration of a system needs batch and seq_len"
        raise AttnSimError(Problem(path="run", what=what, remedy="write both, or requests: {trace: ...}"))
    return IterationRequest(system=run.system, model=run.model, batch=run.batch, keys=run.seq_len, overrides=overrides)


def request_of(run: RunRequest) -> Request:
    """The pipeline's request for a run of a claim."""
    return Request(
        model=run.model,
        cascade=run.cascade,
        hardware=run.hardware,
        mapping=run.mapping,
        scope=run.scope or "attention",
        seq_len=run.seq_len,
        batch=run.batch,
        phase=run.phase,
        trace=run.requests.trace if run.requests else None,
        seed=run.requests.seed if run.requests else 0,
        tensor_parallel=run.tensor_parallel,
        pipeline_parallel=run.pipeline_parallel,
        extents=dict(sorted(run.extents.items())),
        overrides=tuple(f"{path}={value}" for path, value in run.set.items()),
        fill_drain=run.fill_drain,
        register_files=run.register_file_energy,
    )


def _members(value: object) -> dict[str, object]:
    """What may follow in a path: keys of an object, names of the objects in a list."""
    if isinstance(value, list):
        return {str(member["name"]): member for member in value if isinstance(member, dict) and "name" in member}
    return {str(key): member for key, member in value.items()} if isinstance(value, dict) else {}


def lookup(measured: Mapping[str, JsonObject], run: RunRequest, metric: str) -> float:
    """The number at a dotted path of a run's JSON, or from the analysis of its cascade."""
    if is_analysis(metric):
        return _analysed(run, metric)
    value: object = measured[run_key(run)]
    for step in metric.split("."):
        known = _members(value)
        if step not in known:
            what, remedy = f"a run has no {step!r} there", suggest(step, tuple(known))
            raise AttnSimError(Problem(path=metric, what=what, remedy=remedy))
        value = known[step]
    if not isinstance(value, int | float):
        raise AttnSimError(Problem(path=metric, what="is not a number", remedy="name a single number of the JSON"))
    return float(value)


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
