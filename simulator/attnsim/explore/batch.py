"""Many designs at once: requests -> the metrics of each, exactly those of a simulation of each request by itself.

Requests that differ in their hardware's values alone share one plan: the workload and the mappings are made once, the
hardware of each design is read with its overrides as always. Everything after that is the pipeline's own way, which
remembers what designs have in common.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from operator import attrgetter
from typing import TypeVar

from attnsim.errors import AttnSimError
from attnsim.mapping.infeasible import Infeasible
from attnsim.metrics import Metrics
from attnsim.pipeline import TARGETS, Plan, Request, Run, family_of, make_plan, measure_plan, with_hardware
from attnsim.results import run_json
from attnsim.specs.hardware import Hardware, hardware_problems, load_hardware, read_hardware
from attnsim.specs.load import files_at_rest
from attnsim.specs.merge import Change, changed, merged
from attnsim.specs.overrides import Override, parse_override
from attnsim.specs.same import Same
from attnsim.specs.spec import problem_at
from attnsim.specs.targets import for_target

T = TypeVar("T")
_MOST_KEPT = 4096
_SHARED = attrgetter(*(one.name for one in fields(Request) if one.name not in ("extents", "overrides")))


_CHANGED: dict[Hashable, Hardware | None] = {}
"""Overrides with the hardware of their file: the hardware after each alone, None where that cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """One point of a design space: a request with its overrides."""

    request: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """The metrics of a design in the order asked for, None where there is no such number.

    infeasible: why the design cannot be, in short; empty for one that can. Its values are then all None.
    """

    values: tuple[float | None, ...]
    infeasible: str = ""


@dataclass(slots=True)
class _Desk:
    """What the designs of one evaluation have in common; a plan that cannot be made is None."""

    plans: dict[Hashable, Plan | None] = field(default_factory=dict)
    hardware: dict[Hashable, Hardware] = field(default_factory=dict)


def evaluate(requests: Sequence[Request], metrics: Sequence[str]) -> list[Evaluated]:
    """The metrics of each request, in the order of the requests.

    metrics: dotted paths into `attnsim.results.run_json`, such as `latency_s`, `energy_j.total`, `area_m2` or
    `utilization.array_2d`. What does not fit, and whatever is wrong with the input of a request, makes that design
    infeasible and raises nothing. Files are read once.
    """
    asked = tuple(metrics)
    desk = _Desk()
    gc.freeze()  # what is remembered for long need not be looked through again and again
    try:
        with files_at_rest():
            return [_evaluated(request, asked, desk) for request in requests]
    finally:
        gc.unfreeze()


def reason(why: Infeasible | AttnSimError) -> str:
    """Why a design is infeasible, in short: the memory that is too small, or the first problem."""
    if isinstance(why, Infeasible):
        return f"{why.phase}: does not fit {why.memory}: {why.gap_bytes:,} B too many"
    return str(why.problems[0])


def metric_at(document: object, path: str) -> float | None:
    """The number at a dotted path of a JSON object, None if there is none; keys may have dots of their own."""
    if isinstance(document, int | float):
        return float(document) if not path else None
    if isinstance(document, list):
        head, _, rest = path.partition(".")
        return metric_at(document[int(head)], rest) if head.isdecimal() and int(head) < len(document) else None
    if not isinstance(document, Mapping) or not path:
        return None
    words = path.split(".")
    heads = [".".join(words[:count]) for count in range(len(words), 0, -1)]
    known = next((head for head in heads if head in document), None)
    return None if known is None else metric_at(document[known], path[len(known) + 1 :])


def _evaluated(request: Request, asked: tuple[str, ...], desk: _Desk) -> Evaluated:
    plan = None
    try:
        plan = _plan(request, desk)
        metrics = measure_plan(plan)
    except AttnSimError as error:
        return Evaluated(values=(None,) * len(asked), infeasible=_told(request, plan, error))
    if isinstance(metrics, Infeasible):
        return Evaluated(values=(None,) * len(asked), infeasible=reason(metrics))
    whole: object = None
    if not all(path.partition(".")[0] in _PARTS for path in asked):
        trust = family_of(plan.hardware).trust(plan.hardware, plan.mappings, plan.assumptions)
        whole = run_json(Run(plan=replace(plan, request=request), metrics=metrics, trust=trust))
    return Evaluated(values=tuple(_value(metrics, path, whole) for path in asked))


def _told(request: Request, plan: Plan | None, error: AttnSimError) -> str:
    """The reason as a simulation of the request by itself tells it, which knows the lines of overridden values."""
    if plan is not None and error.problems[0].file != problem_at(plan.hardware, "", "").file:
        return reason(error)
    try:
        measure_plan(make_plan(request))
    except AttnSimError as again:
        return reason(again)
    return reason(error)


def _value(metrics: Metrics, path: str, whole: object) -> float | None:
    head, _, rest = path.partition(".")
    if head not in _PARTS:
        return metric_at(whole, path)
    part = _PARTS[head](metrics)
    if isinstance(part, dict) and rest in part:
        found = part[rest]
        return None if found is None else float(found)
    return metric_at(part, rest)


_PARTS: Mapping[str, Callable[[Metrics], object]] = {
    "latency_s": lambda metrics: metrics.latency_s,
    "utilization": lambda metrics: metrics.utilization,
    "energy_j": lambda metrics: {"total": metrics.total_energy_j, **metrics.energy_j},
    "average_power_w": lambda metrics: metrics.average_power_w,
    "useful_flops_per_s": lambda metrics: metrics.useful_flops_per_s,
    "tokens_per_s": lambda metrics: metrics.tokens_per_s,
    "bytes": lambda metrics: metrics.bytes,
    "area_m2": lambda metrics: metrics.total_area_m2,
    "area_by_component_m2": lambda metrics: metrics.area_m2,
    "bottleneck_share": lambda metrics: metrics.bottleneck,
    "lower_bounds_s": lambda metrics: metrics.bounds_s,
}
"""Parts of a result that need no more than the metrics of a run."""


def _plan(request: Request, desk: _Desk) -> Plan:
    """The plan of a request: that of all which share its workload and mappings, on the hardware of this one."""
    split = _split(request.overrides)
    if split is None:
        return make_plan(request)
    texts, others = split
    key = (_SHARED(request), tuple(request.extents.items()), others)
    if key not in desk.plans:
        desk.plans[key] = _shared_plan(replace(request, overrides=others))
    plan = desk.plans[key]
    if plan is None:
        return make_plan(request)
    if not texts:
        return plan
    name = request.hardware or _target(plan)
    hardware = _hardware(name, texts, desk)
    return with_hardware(plan, hardware) if hardware.family == plan.hardware.family else make_plan(request)


def _target(plan: Plan) -> str:
    """The hardware that a plan was made for, where the request names none: that of its mapping."""
    return str(plan.files["hardware"])


def _shared_plan(request: Request) -> Plan | None:
    try:
        return make_plan(request)
    except AttnSimError:
        return None


def _hardware(name: str, texts: tuple[str, ...], desk: _Desk) -> Hardware:
    found = desk.hardware.get((name, texts))
    if found is None:
        found = _merged(name, texts) or read_hardware(name, [_of_hardware(text) for text in texts])
        _keep(desk.hardware, (name, texts), found)
    return found


def _merged(name: str, texts: tuple[str, ...]) -> Hardware | None:
    """The hardware put together from values that came before, None if one of them is new or they contradict."""
    base = load_hardware(name)
    changes: list[Change] = []
    for text in texts:
        one = _changed(name, base, text)
        if one is None:
            return None
        changes.append((_of_hardware(text).path, one))
    found = merged(base, changes)
    return None if found is None or hardware_problems(found) else found


def _changed(name: str, base: Hardware, text: str) -> Hardware | None:
    """The hardware after one override alone, None if it is wrong by itself."""
    key = (Same(base), text)
    if key not in _CHANGED:
        override = _of_hardware(text)
        _keep(_CHANGED, key, changed(base, override) or _read(name, override))
    return _CHANGED[key]


def _read(name: str, override: Override) -> Hardware | None:
    try:
        return read_hardware(name, [override])
    except AttnSimError:
        return None


def _keep(kept: dict[Hashable, T], key: Hashable, value: T) -> None:
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    kept[key] = value


@lru_cache(maxsize=_MOST_KEPT)
def _split(overrides: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """(overrides of the hardware, all others); None where one is wrong."""
    try:
        mine = tuple(text for text in overrides if _is_of_hardware(text))
    except AttnSimError:
        return None
    return mine, tuple(text for text in overrides if not _is_of_hardware(text))


@lru_cache(maxsize=16 * _MOST_KEPT)
def _is_of_hardware(text: str) -> bool:
    return bool(for_target([parse_override(text)], "hardware", TARGETS))


@lru_cache(maxsize=16 * _MOST_KEPT)
def _of_hardware(text: str) -> Override:
    """An override of the hardware, its path inside the file."""
    (override,) = for_target([parse_override(text)], "hardware", TARGETS)
    return override
