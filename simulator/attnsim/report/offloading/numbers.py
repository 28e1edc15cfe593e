"""Serving with and without offloaded attention, as rows: cases of Lamina, switches, networks, loads, other systems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from attnsim.claims import Point, points_of
from attnsim.errors import AttnSimError
from attnsim.report.offloading.cases import (
    CROSS,
    CROSS_BATCH,
    CROSS_KEYS,
    DATASET,
    LOAD_REQUESTS,
    LOADED,
    MODELS,
    NETWORK_BATCHES,
    NETWORK_KEYS,
    OLD,
    OLD_KEYS,
    RATES,
    SLO,
    SLO_SYSTEMS,
    SWITCHED,
    SWITCHES,
    Old,
)
from attnsim.report.tables import Row, Tables, rounded
from attnsim.results import JsonObject
from attnsim.serving.asked import IterationRequest, ServeRequest
from attnsim.serving.fit import fit
from attnsim.serving.outcome import Outcome, distribution
from attnsim.serving.results import iteration_json
from attnsim.serving.simulate import Setup, serve_on, silent
from attnsim.serving.slo import parse_slo
from attnsim.serving.steady import iterate
from attnsim.specs.claims import load_claims
from attnsim.validate import Measured, Track, judge, measure, run_key, runs_of

_DIGITS = 4
_MILLION = 1e6


def collect(track: Track) -> Tables:
    """Simulate everything of the page."""
    claims = load_claims(DATASET)
    points = points_of(claims)
    measured = measure(runs_of(points), track)
    judged = judge(claims, points, measured)
    return {
        "cases": list(_cases(points, measured)),
        "switches": list(_switches()),
        "network": [_network(batch, keys) for keys in NETWORK_KEYS for batch in NETWORK_BATCHES],
        "objective": [_objective(system) for system in SLO_SYSTEMS],
        "loads": [row for system in LOADED for row in _loads(system)],
        "cross": [_cross(system) for system in CROSS],
        "old": [row for old in OLD for row in _old(old)],
        "claims": [
            {
                "claim": result.claim.name,
                "statement": result.claim.statement,
                "published": result.worst.point.value,
                "ours": rounded(result.worst.ours, _DIGITS),
                "error": rounded(result.worst.relative_error, 2),
                "side": result.claim.side or "",
                "holds": result.holds,
            }
            for result in judged.results
        ],
    }


def _cases(points: Sequence[Point], measured: Measured) -> Iterator[Row]:
    """The twelve cases of the claim on batches, which has all the runs that are needed."""
    (ratio,) = [point for point in points if point.claim.name == "batch-ratio"]
    for term in ratio.terms:
        assert term.over is not None
        ours, other = measured[run_key(term.run)], measured[run_key(term.over)]
        yield {
            "model": str(term.run.model),
            "trace": term.run.requests.trace if term.run.requests else "",
            **{f"offloaded_{name}": value for name, value in _served(ours).items()},
            **{f"other_{name}": value for name, value in _served(other).items()},
        }


def _served(document: JsonObject) -> dict[str, float]:
    """What the table of cases tells of a run."""
    steady, tbt, busy = document["steady"], document["tbt_s"], document["utilization"]
    assert isinstance(steady, dict)
    assert isinstance(tbt, dict)
    assert isinstance(busy, dict)
    price = document["price_usd_per_hour"]
    assert isinstance(price, float)
    speed = float(steady["tokens_per_s"])
    return {
        "batch": rounded(float(steady["batch"]), _DIGITS),
        "tokens_per_s": rounded(speed, _DIGITS),
        "tbt_s": rounded(float(tbt["mean"]), _DIGITS),
        "usd_per_million": rounded(price / 3600 / speed * _MILLION, _DIGITS),
        "layers": rounded(float(busy.get("layers", 0.0)), _DIGITS),
        "attention": rounded(float(busy.get("attention", 0.0)), _DIGITS),
    }


def _switches() -> Iterator[Row]:
    for (model, trace), count in SWITCHED.items():
        offloaded, other = MODELS[model]
        for switch in SWITCHES:
            pair = [
                _steady(
                    ServeRequest(
                        system=system, model=model, trace=trace, requests=count, saturated=True, overrides=set_
                    )
                )
                for system, set_ in ((offloaded, switch.offloaded), (other, switch.other))
            ]
            yield {
                "model": model,
                "trace": trace,
                "switch": switch.title,
                "gain": rounded(pair[0][0] / pair[1][0], _DIGITS),
                "batches": rounded(pair[0][1] / pair[1][1], _DIGITS),
                "tokens_per_s": rounded(pair[0][0], _DIGITS),
            }


@cache
def _steady(request: ServeRequest) -> tuple[float, float]:
    """Tokens a second and batch in the steady part."""
    outcome = Outcome(serve_on(Setup(request.system, request.model, request.overrides), request))
    return outcome.steady_tokens_per_s, outcome.batch(*outcome.window_s)


def _network(batch: int, keys: int) -> Row:
    """The bandwidth that 70B needs on H100 and H20, with memory for any batch."""
    roomy = ("system.pools.memory.memory=10 TB",)
    request = IterationRequest(system="lamina", model="llama3_70b", batch=batch, keys=keys, overrides=roomy)
    network = iterate(request).network
    assert network is not None
    needs = {"formula": network.formula, "chain": network.chain, "schedule": network.schedule}
    told = {name: None if value is None else rounded(value, _DIGITS) for name, value in needs.items()}
    return {"batch": batch, "keys": keys, **told, "offered": rounded(network.offered, _DIGITS)}


def _objective(system: str) -> Row:
    """70B under a limit on the time between tokens, with the largest batch that keeps it."""
    request = ServeRequest(system=system, model="llama3_70b", trace="azure-conv", requests=3000, saturated=True)
    outcome = fit(request, parse_slo(SLO), silent)
    return {"system": system, **_told(outcome)}


def _told(outcome: Outcome) -> dict[str, float | int | None]:
    price = outcome.price_usd_per_hour
    speed = outcome.steady_tokens_per_s
    return {
        "tokens_per_s": rounded(speed, _DIGITS),
        "batch": rounded(outcome.batch(*outcome.window_s), _DIGITS),
        "tbt_p99_s": rounded(outcome.tbt.percentiles[2], _DIGITS),
        "tokens_per_usd": None if price is None else rounded(speed * 3600 / price, _DIGITS),
        "kept": outcome.kept.share if outcome.kept else None,
    }


def _loads(system: str) -> Iterator[Row]:
    """Latencies of 70B under load, prompts included."""
    setup = Setup(system, "llama3_70b")
    for rate in RATES:
        request = ServeRequest(system=system, model="llama3_70b", trace="azure-conv", requests=LOAD_REQUESTS, rate=rate)
        outcome = Outcome(serve_on(setup, request))
        first = distribution(outcome.ttft).percentiles
        yield {
            "system": system,
            "rate": rate,
            "ttft_p50_s": rounded(first[0], _DIGITS),
            "ttft_p99_s": rounded(first[2], _DIGITS),
            "tbt_mean_s": rounded(outcome.tbt.mean, _DIGITS),
            "tbt_p99_s": rounded(outcome.tbt.percentiles[2], _DIGITS),
            "batch": rounded(outcome.batch(*outcome.window_s), _DIGITS),
            "usd_per_hour": outcome.price_usd_per_hour,
        }


def _cross(system: str) -> Row:
    """The same decode on each system."""
    document = iteration_json(
        iterate(IterationRequest(system=system, model="llama3_70b", batch=CROSS_BATCH, keys=CROSS_KEYS))
    )
    return {
        "system": system,
        **{
            name: _round(document[name])
            for name in ("tbt_s", "tokens_per_s", "price_usd_per_hour", "tokens_per_usd", "energy_per_token_j")
        },
    }


def _round(value: object) -> float | None:
    return rounded(float(value), _DIGITS) if isinstance(value, int | float) else None


def _old(old: Old) -> Iterator[Row]:
    """Throughput per dollar with as many requests as fit."""
    settings = tuple(f"{path}={value}" for path, value in old.set.items())
    for keys in OLD_KEYS:
        row: dict[str, str | int | float | None] = {
            "model": old.model,
            "offloaded": old.offloaded,
            "other": old.other,
            "devices": 1 if "system.pools.gpus.devices" in old.set else int(old.other[-1]),
            "keys": keys,
        }
        for name, system, set_ in (("offloaded", old.offloaded, ()), ("other", old.other, settings)):
            row |= {f"{name}_{key}": value for key, value in _full(system, old.model, keys, set_).items()}
        yield row


def _full(system: str, model: str, keys: int, overrides: tuple[str, ...]) -> dict[str, float | int | None]:
    """A steady iteration of as many requests as fit; nothing where not one does."""
    try:
        one = iterate(IterationRequest(system=system, model=model, batch=1, keys=keys, overrides=overrides))
    except AttnSimError:
        return {"batch": 0, "tokens_per_usd": None}
    batch = one.memory.pages // one.memory.pages_for(keys)
    full = iterate(IterationRequest(system=system, model=model, batch=batch, keys=keys, overrides=overrides))
    price = full.price_usd_per_hour
    assert price is not None
    return {"batch": batch, "tokens_per_usd": rounded(full.tokens_per_s * 3600 / price, _DIGITS)}
