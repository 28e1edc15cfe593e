"""Runs of serving as JSON in SI units, as a Parquet table of requests, and as a timeline for Perfetto."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from attnsim import __version__
from attnsim.serving.costs import Check
from attnsim.serving.outcome import PERCENTILES, Distribution, Kept, Outcome, distribution
from attnsim.serving.server import Server
from attnsim.serving.steady import Iteration, utilized
from attnsim.specs.library import find
from attnsim.taskgraph import PS_PER_S

if TYPE_CHECKING:
    import polars as pl

JsonObject: TypeAlias = dict[str, object]
MOST_EVENTS = 20_000
US_PER_S = 1e6


def serving_json(outcome: Outcome) -> JsonObject:
    """The numbers of a run under keys that stay the same (docs/serving.md)."""
    served, records = outcome.served, outcome.served.records
    memory = served.machine.memory
    since, until = outcome.window_s
    usd, energy, tokens = outcome.usd, outcome.energy_j, outcome.tokens
    return {
        "requests": {
            "total": len(served.load),
            "completed": int(outcome.ended.sum()),
            "rejected": len(records.rejected),
            "unfinished": len(served.load) - int(outcome.ended.sum()) - len(records.rejected),
            "preemptions": sum(records.preempted),
            "mean_prompt": served.trace.mean_prompt,
            "mean_generated": served.trace.mean_generated,
        },
        "duration_s": outcome.duration_s,
        "interrupted": served.interrupted,
        "tokens_per_s": outcome.tokens_per_s,
        "requests_per_s": float(outcome.ended.sum()) / outcome.duration_s if outcome.duration_s else 0.0,
        "steady": {"tokens_per_s": outcome.steady_tokens_per_s, "batch": outcome.batch(since, until)},
        "ttft_s": _measure(distribution(outcome.ttft)),
        "tbt_s": _measure(outcome.tbt),
        "tpot_s": _measure(distribution(outcome.tpot)),
        "request_s": _measure(distribution(outcome.latency)),
        "queue_s": _measure(distribution(outcome.queueing)),
        "batch": {"mean": outcome.batch(), "largest": outcome.largest_batch},
        "kv": {
            "token_bytes": memory.token_bytes,
            "capacity_bytes": memory.kv_bytes,
            "capacity_tokens": memory.tokens,
            "page_tokens": memory.page,
            "mean_used": _mean_pages(outcome) / memory.pages,
            "most_used": max((max(s.history.pages, default=0) for s in served.servers), default=0) / memory.pages,
        },
        "weights_bytes": memory.weights_bytes,
        "weights_read_bytes": memory.read_bytes,
        "utilization": outcome.utilization,
        "price_usd_per_hour": outcome.price_usd_per_hour,
        "usd_per_million_tokens": usd / tokens * 1e6 if usd is not None and tokens else None,
        "tokens_per_usd": tokens / usd if usd else None,
        "energy_j": energy,
        "energy_per_token_j": energy / tokens if energy is not None and tokens else None,
        "average_power_w": energy / outcome.duration_s if energy is not None and outcome.duration_s else None,
        "slo": _kept(outcome.kept),
        "iterations": _iterations(outcome),
        "trust": [{"hardware": name, **dataclasses.asdict(one)} for name, one in outcome.trust],
        "provenance": _provenance(outcome),
    }


def iteration_json(iteration: Iteration) -> JsonObject:
    """A steady iteration under keys that stay the same (docs/serving.md)."""
    memory, network = iteration.memory, iteration.network
    price = iteration.price_usd_per_hour
    return {
        "tbt_s": iteration.seconds,
        "tokens_per_s": iteration.tokens_per_s,
        "utilization": iteration.utilization,
        "layers": {"seconds": iteration.layers.seconds, **dataclasses.asdict(utilized(iteration.layers))},
        "attention": {"seconds": iteration.attention.seconds, **dataclasses.asdict(utilized(iteration.attention))},
        "kv": {
            "token_bytes": memory.token_bytes,
            "capacity_bytes": memory.kv_bytes,
            "capacity_tokens": memory.tokens,
            "requests": iteration.fits,
        },
        "weights_bytes": memory.weights_bytes,
        "weights_read_bytes": memory.read_bytes,
        "network": None if network is None else dataclasses.asdict(network),
        "price_usd_per_hour": price,
        "tokens_per_usd": None if price is None else iteration.tokens_per_s * 3600 / price,
        "energy_per_token_j": iteration.energy_per_token_j,
        "system": iteration.system.name,
        "model": iteration.machine.model.name,
        "batch": iteration.batch,
        "keys": iteration.keys,
    }


def _measure(found: Distribution) -> JsonObject:
    names = [f"p{share}" for share in PERCENTILES]
    values = {"mean": found.mean, **dict(zip(names, found.percentiles, strict=True)), "largest": found.largest}
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def _mean_pages(outcome: Outcome) -> float:
    pages, periods = 0.0, 0.0
    for server in outcome.served.servers:
        period = np.array(server.history.period_ps, np.float64)[: len(server.history.pages)]
        pages += float((np.array(server.history.pages) * period).sum())
        periods += float(period.sum())
    return pages / periods if periods else 0.0


def _kept(kept: Kept | None) -> JsonObject | None:
    if kept is None:
        return None
    return {
        "limits_s": dict(kept.slo.limits_s),
        "kept": kept.share,
        "kept_by_limit": dict(kept.shares),
        "best_s": {name: None if math.isnan(best) else best for name, best in kept.best_s.items()},
        "tokens_per_s": kept.tokens_per_s,
    }


def _iterations(outcome: Outcome) -> JsonObject:
    served = outcome.served
    check: Check = served.costs.check()
    return {
        "count": sum(len(server.history.end_ps) for server in served.servers),
        "simulated_shapes": served.costs.simulated,
        "interpolation_error": {"mean": check.mean, "largest": check.largest, "shapes": check.shapes},
    }


def _provenance(outcome: Outcome) -> JsonObject:
    request = outcome.served.request
    files = {"system": find("system", request.system), "model": find("model", request.model)}
    asked = {key: value for key, value in dataclasses.asdict(request).items() if value not in (None, (), False)}
    return {
        "attnsim": __version__,
        "system": outcome.served.system.name,
        "model": outcome.served.machine.model.name,
        "trace": outcome.served.trace.name,
        "assumptions": _assumptions(outcome),
        "request": asked,
        "sha256": {kind: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for kind, path in files.items()},
    }


def _assumptions(outcome: Outcome) -> JsonObject:
    """Everything of a system that is a choice and no size."""
    system = outcome.served.system
    parts = {"prefill": system.prefill, "kv": system.kv, "schedule": system.schedule, "kernels": system.kernels}
    told: JsonObject = {name: part.model_dump(mode="json", exclude_none=True) for name, part in parts.items()}
    told["batches"] = system.batches
    if system.attention is not None:
        told["attention"] = system.attention.model_dump(mode="json", exclude_none=True)
    return told


def request_table(outcome: Outcome) -> pl.DataFrame:
    """A row for each request, in the order of the trace; times in seconds, null where nothing happened."""
    import polars as pl

    served, records = outcome.served, outcome.served.records
    rejected = np.zeros(len(served.load), np.bool_)
    rejected[records.rejected] = True
    status = np.where(outcome.ended, "completed", np.where(rejected, "rejected", "unfinished"))
    spans = np.where(outcome.ended, outcome.done - outcome.first, np.nan)
    frame = pl.DataFrame(
        {
            "request": np.arange(len(served.load)),
            "status": status,
            "server": np.array(records.server),
            "arrival_s": outcome.arrival,
            "prompt_tokens": outcome.prompt,
            "generated_tokens": outcome.generated,
            "admitted_s": _happened(outcome.admitted),
            "first_token_s": _happened(outcome.first),
            "done_s": _happened(outcome.done),
            "ttft_s": np.where(outcome.first >= 0, outcome.first - outcome.arrival, np.nan),
            "tpot_s": np.where(outcome.generated > 1, spans / np.maximum(outcome.generated - 1, 1), np.nan),
            "longest_gap_s": outcome.longest_gap,
            "preemptions": np.array(records.preempted),
        }
    )
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None))


def _happened(
    times: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.where(times >= 0, times, np.nan)


def write_requests(outcome: Outcome, path: Path) -> None:
    """Write the table of requests as Parquet, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        request_table(outcome).write_parquet(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def timeline(outcome: Outcome) -> JsonObject:
    """Batch, prompts and pages of each server over time, its iterations, and one iteration in detail.

    In Trace Event Format; the detailed iteration, that which stands for most of the time, is in processes of its own.
    """
    from attnsim.engine import run
    from attnsim.trace import chrome_trace

    events: list[Mapping[str, object]] = []
    for server in outcome.served.servers:
        events += _server_events(server)
    costs, machine = outcome.served.costs, outcome.served.machine
    if costs.simulated:
        batches, shape = costs.most_used
        graph = machine.template(batches).filled(machine.work(shape).kinds)
        detail = chrome_trace(graph, run(graph))["traceEvents"]
        assert isinstance(detail, list)
        shift = len(outcome.served.servers)
        events += [_moved(event, shift, f"one iteration, {batches} x {shape.decode} requests") for event in detail]
    return {"displayTimeUnit": "ms", "traceEvents": events}


def _moved(event: dict[str, object], shift: int, label: str) -> dict[str, object]:
    """An event of the detailed iteration, in a process of its own."""
    process = event["pid"]
    assert isinstance(process, int)
    if event["name"] == "process_name":
        args = event["args"]
        assert isinstance(args, dict)
        event = {**event, "args": {"name": f"{label}: {args['name']}"}}
    return {**event, "pid": process + shift}


def _server_events(server: Server) -> list[Mapping[str, object]]:
    """Counters of a server, and its iterations as far as there are not too many of them."""
    name = {"name": "process_name", "ph": "M", "pid": server.number, "tid": 0}
    events: list[Mapping[str, object]] = [{**name, "args": {"name": f"server {server.number}"}}]
    history = server.history
    count = len(history.pages)
    step = -(-count // MOST_EVENTS) or 1
    for place in range(0, count, step):
        begin = (history.end_ps[place] - history.period_ps[place]) / PS_PER_S * US_PER_S
        told = {"batch": history.decode[place], "prompt tokens": history.prefill[place], "pages": history.pages[place]}
        place_of = {"pid": server.number, "tid": 0, "ts": begin}
        events += [{"name": key, "ph": "C", **place_of, "args": {key: value}} for key, value in told.items()]
        if step == 1:
            length = history.period_ps[place] / PS_PER_S * US_PER_S
            events.append({"name": "iteration", "ph": "X", **place_of, "dur": length, "args": told})
    return events
