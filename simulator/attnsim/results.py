"""Runs as JSON objects: SI units, and keys that stay the same from release to release (docs/command-line.md)."""

from __future__ import annotations

import dataclasses
import json
from typing import TypeAlias

from attnsim import __version__
from attnsim.mapping.infeasible import Infeasible
from attnsim.pipeline import Plan, Run, file_hashes
from attnsim.requests import is_trace_file, largest_keys, mean_keys

JsonObject: TypeAlias = dict[str, object]


def result_json(result: Run | Infeasible) -> JsonObject:
    """A run under its stable keys, or what did not fit under the single key `infeasible`."""
    return _infeasible_json(result) if isinstance(result, Infeasible) else run_json(result)


def run_json(run: Run) -> JsonObject:
    """The metrics of a run with its provenance; data in bytes, everything else in SI units."""
    metrics = run.metrics
    return {
        "latency_s": metrics.latency_s,
        "utilization": dict(metrics.utilization),
        "utilization_by_einsum": {name: dict(parts) for name, parts in metrics.utilization_by_einsum.items()},
        "energy_j": {"total": metrics.total_energy_j, **metrics.energy_j},
        "trust": [dataclasses.asdict(one) for one in run.trust],
        "average_power_w": metrics.average_power_w,
        "power_limited": metrics.power_limited,
        "useful_flops_per_s": metrics.useful_flops_per_s,
        "tokens_per_s": metrics.tokens_per_s,
        "bytes": dict(metrics.bytes),
        "area_m2": metrics.total_area_m2,
        "area_by_component_m2": dict(metrics.area_m2),
        "bottleneck": metrics.limiter,
        "bottleneck_share": dict(metrics.bottleneck),
        "lower_bounds_s": dict(metrics.bounds_s),
        "phases": [
            {
                "step": phase.step,
                "name": phase.name,
                "latency_s": phase.latency_s,
                "busy_s": dict(phase.busy_s),
                "exact": phase.exact,
            }
            for phase in metrics.phases
        ],
        "requests": _requests(run.plan),
        "provenance": _provenance(run.plan),
    }


def json_text(document: object) -> str:
    """A document as indented JSON with a newline at its end; numbers that are not finite are refused."""
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _requests(plan: Plan) -> JsonObject | None:
    """The batch that a trace gave; the seed is null for a file. None without a trace."""
    requests, trace = plan.workload.requests, plan.request.trace
    if trace is None or not requests:
        return None
    return {
        "trace": trace,
        "seed": None if is_trace_file(trace) else plan.request.seed,
        "batch": len(requests),
        "mean_keys": mean_keys(requests),
        "largest_keys": largest_keys(requests),
    }


def _provenance(plan: Plan) -> JsonObject:
    request = dataclasses.asdict(plan.request)
    if plan.request.trace is None:
        del request["seed"]
    if not plan.request.cold:
        del request["cold"]
    return {
        "attnsim": __version__,
        "workload": plan.workload.label,
        "hardware": plan.hardware.name,
        "mappings": {step: mapping.name for step, mapping in plan.mappings.items()},
        "assumptions": dataclasses.asdict(plan.assumptions),
        "request": {key: value for key, value in request.items() if value not in (None, (), {})},
        "sha256": file_hashes(plan),
    }


def _infeasible_json(misfit: Infeasible) -> JsonObject:
    details = dataclasses.asdict(misfit)
    return {"infeasible": {**details, "parts": dict(misfit.parts), "gap_bytes": misfit.gap_bytes}}
