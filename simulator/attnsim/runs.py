"""Runs by their inputs, as claims and studies name them: what is simulated, and a number at a path of its JSON.

From a `RunRequest` to a request of the pipeline, or of a system, and to the JSON document of what was simulated.
"""

from __future__ import annotations

from attnsim.errors import AttnSimError, Problem
from attnsim.pipeline import Request, require_mapping_fits, simulate
from attnsim.results import JsonObject, run_json
from attnsim.serving.asked import IterationRequest, ServeRequest
from attnsim.specs.claims import RunRequest
from attnsim.specs.library import suggest


def run_key(run: RunRequest) -> str:
    """Equal for runs with the same inputs, whether or not they spell out what is the default."""
    return repr(system_request(run) if run.system else request_of(run))


def document_of(run: RunRequest) -> JsonObject:
    """Simulate a run and give its JSON; raises AttnSimError for one that cannot be made, or does not fit."""
    if run.system is None:
        return run_json(require_mapping_fits(simulate(request_of(run))))
    from attnsim.serving.results import iteration_json, serving_json

    asked = system_request(run)
    if isinstance(asked, ServeRequest):
        from attnsim.serving.outcome import Outcome
        from attnsim.serving.simulate import serve

        return serving_json(Outcome(serve(asked)))
    from attnsim.serving.steady import iterate

    return iteration_json(iterate(asked))


def system_request(run: RunRequest) -> ServeRequest | IterationRequest:
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


def is_null(document: JsonObject, metric: str) -> bool:
    """Whether a run has a metric whose value is not known, such as the energy of hardware that gives none."""
    *path, last = metric.split(".")
    value: object = document
    for step in path:
        value = _members(value).get(step)
    members = _members(value)
    return last in members and members[last] is None


def number_at(document: JsonObject, metric: str) -> float:
    """The number at a dotted path of a run's JSON; AttnSimError names what is there instead."""
    value: object = document
    for step in metric.split("."):
        known = _members(value)
        if step not in known:
            what, remedy = f"a run has no {step!r} there", suggest(step, tuple(known))
            raise AttnSimError(Problem(path=metric, what=what, remedy=remedy))
        value = known[step]
    if not isinstance(value, int | float):
        raise AttnSimError(Problem(path=metric, what="is not a number", remedy="name a single number of the JSON"))
    return float(value)
