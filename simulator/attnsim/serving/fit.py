"""The largest batch that keeps an objective: bisection over the limit on requests that decode at once."""

from __future__ import annotations

from attnsim.serving.asked import ServeRequest
from attnsim.serving.outcome import Outcome
from attnsim.serving.simulate import Progress, Served, Setup, serve_on
from attnsim.serving.slo import Slo
from attnsim.specs.system import System

SHARE = 0.99
"""Of the requests that have to keep the objective."""


def fit(request: ServeRequest, slo: Slo, progress: Progress) -> Outcome:
    """Serve with the largest batch with which enough requests keep the objective; with the best one if none does.

    More requests at once are taken to keep it less often, so that halving the range finds the largest. What is found is
    served once more, since costs count the use of the last run only. Raises what `serve` raises.
    """
    setup = Setup(request.system, request.model, request.overrides)
    tried = Outcome(_served(setup, request, progress, None), slo)
    if tried.served.interrupted or _share(tried) >= SHARE:
        return tried
    low, high = 0, tried.largest_batch
    best, best_batch = _share(tried), None
    while high - low > 1:
        middle = (low + high) // 2
        tried = Outcome(_served(setup, request, progress, middle), slo)
        if tried.served.interrupted:
            return tried
        if _share(tried) >= SHARE:
            low = middle
        else:
            high = middle
        if _share(tried) > best:
            best, best_batch = _share(tried), middle
    return Outcome(_served(setup, request, progress, low or best_batch), slo)


def _served(setup: Setup, request: ServeRequest, progress: Progress, batch: int | None) -> Served:
    """Serve with at most so many requests at once; with the limit of the system if None."""
    if batch is None:
        return serve_on(setup, request, progress)
    schedule = setup.system.schedule.model_copy(update={"max_batch": batch})
    system: System = setup.system.model_copy(update={"schedule": schedule})
    return serve_on(setup, request, progress, system)


def _share(outcome: Outcome) -> float:
    return outcome.kept.share if outcome.kept is not None else 0.0
