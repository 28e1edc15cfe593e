"""The whole flow: names or paths in, a simulated Run out.

load -> Workload -> family.bind -> family.lower -> engine -> metrics; every hardware family goes this way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from attnsim.einsum.ast import Cascade
from attnsim.errors import AttnSimError, MappingError, Problem, SpecError
from attnsim.families.base import Assumptions, Family
from attnsim.mapping.choose import resolve
from attnsim.mapping.infeasible import Infeasible
from attnsim.metrics import Metrics, PhaseTime, Trust, measure
from attnsim.requests import is_trace_file, load_requests
from attnsim.specs.cascade import load_cascade
from attnsim.specs.hardware import Hardware, load_hardware
from attnsim.specs.library import find, is_path
from attnsim.specs.loop_nest import LoopNest
from attnsim.specs.mapping import Mapping as MappingSpec
from attnsim.specs.mapping import load_mapping
from attnsim.specs.model import Model, devices_of, load_model, one_of, stages_of
from attnsim.specs.model import Step as LayerStep
from attnsim.specs.overrides import Override, parse_override
from attnsim.specs.spec import problem_at
from attnsim.specs.targets import for_target
from attnsim.workload import (
    PHASES,
    SCOPES,
    Sequences,
    Step,
    Workload,
    cascade_step,
    contracts_part,
    decode_batch,
    model_extents,
    phase_extents,
    require_positive,
    step_extents,
)

TARGETS = ("hardware", "mapping", "model", "cascade")
"""Kinds of file that an override of a request may be meant for."""
_OF_SEQUENCES = ("B", "P", "M", "PAST")
_PS_PER_S = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to simulate; names of shipped specs or paths of the user's own. None means: what the others imply.

    overrides: `path=value` texts; a path may begin with hardware, mapping, model or cascade to say which file is meant.
    extents: rank name -> size, which wins over the model's. phase: `decode` is one query after seq_len - 1 keys of the
    past, `prefill` as many queries as keys; None: as the model or the extents say. calibration: file of constants of
    a GPU kernel. cold: nothing of an earlier run is in the caches, see `Assumptions`.

    trace: a batch of decode requests of different lengths, by name (`share-gpt` ...: drawn with `seed`) or as the
    path of a CSV file; it stands in place of seq_len and phase. tensor_parallel: devices that share a layer, of which
    one is simulated; pipeline_parallel: stages that share all layers; None: as the model says.
    """

    model: str | None = None
    cascade: str | None = None
    hardware: str | None = None
    mapping: str | None = None
    scope: str = "attention"
    phase: str | None = None
    seq_len: int | None = None
    batch: int | None = None
    trace: str | None = None
    seed: int = 0
    tensor_parallel: int | None = None
    pipeline_parallel: int | None = None
    extents: Mapping[str, int] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    fill_drain: str | None = None
    register_files: str | None = None
    calibration: str | None = None
    cold: bool = False
    engine: str = "fast"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A request with everything loaded: the workload, the hardware and the mapping of each step.

    by_family: steps for which nothing but the hardware's family says the mapping.
    """

    request: Request
    workload: Workload
    hardware: Hardware
    mappings: Mapping[str, MappingSpec]
    assumptions: Assumptions
    files: Mapping[str, Path]
    by_family: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A simulated request: the plan, the metrics, and what is known of the error of each step."""

    plan: Plan
    metrics: Metrics
    trust: tuple[Trust, ...] = ()


def simulate(request: Request) -> Run | Infeasible:
    """Simulate a request.

    Returns Infeasible when the mapping does not fit the hardware; raises AttnSimError for anything wrong in the input.
    """
    return simulate_plan(make_plan(request))


def simulate_plan(plan: Plan) -> Run | Infeasible:
    """Bind, lower, run and measure a plan."""
    metrics = measure_plan(plan)
    if isinstance(metrics, Infeasible):
        return metrics
    family = family_of(plan.hardware)
    return Run(plan=plan, metrics=metrics, trust=family.trust(plan.hardware, plan.mappings, plan.assumptions))


def measure_plan(plan: Plan) -> Metrics | Infeasible:
    """The metrics of a plan, without what is known of their error."""
    from attnsim.engine.phases import run_phases

    family = family_of(plan.hardware)
    bound = family.bind(plan.workload, plan.hardware, plan.mappings, plan.assumptions)
    if isinstance(bound, Infeasible):
        return bound
    workload = plan.workload
    timeline = run_phases(family.lower(bound), layers=workload.layers, engine=plan.request.engine)
    phases = [
        PhaseTime(
            step=span.step,
            name=span.name,
            latency_s=span.makespan_ps / _PS_PER_S,
            busy_s={name: busy / _PS_PER_S for name, busy in span.busy_ps.items() if name not in family.delays},
            exact=span.exact,
        )
        for span in timeline.spans
    ]
    latency_s = timeline.makespan_ps / _PS_PER_S
    accounting = family.account(bound, plan.assumptions).times(workload.layers)
    tokens_per_s = workload.tokens * workload.stages / latency_s if workload.tokens is not None else None
    return replace(measure(latency_s, phases, accounting), tokens_per_s=tokens_per_s)


def family_of(hardware: Hardware) -> Family:
    """The family that simulates this hardware."""
    from attnsim.families.registry import FAMILIES

    return FAMILIES[hardware.family]


def make_plan(request: Request) -> Plan:
    """Load everything that a request names, fill in what it leaves out, and bind extents."""
    if request.scope not in SCOPES:
        raise AttnSimError(
            Problem(path="scope", what=f"unknown scope {request.scope!r}", remedy=f"use {' or '.join(SCOPES)}")
        )
    if request.phase not in (None, *PHASES):
        what = f"unknown phase {request.phase!r}"
        raise AttnSimError(Problem(path="phase", what=what, remedy=f"use {' or '.join(PHASES)}"))
    if request.pipeline_parallel is not None and request.scope != "model":
        what = "only a whole model is divided into stages"
        raise AttnSimError(Problem(path="--pipeline-parallel", what=what, remedy="give --scope model, or leave it out"))
    overrides = [parse_override(text) for text in request.overrides]
    mapping = _main_mapping(request, overrides)
    model = load_model(request.model, for_target(overrides, "model", TARGETS)) if request.model else None
    cascade_name = request.cascade or (_own_cascade(mapping, request, model) if mapping else None)
    hardware_name = request.hardware or (mapping.target.hardware if mapping else None)
    if cascade_name is None or hardware_name is None:
        missing = "--cascade" if cascade_name is None else "--hardware"
        raise AttnSimError(
            Problem(what=f"nothing says what to simulate: no {missing}", remedy=f"give --mapping, or {missing}")
        )
    hardware = load_hardware(hardware_name, for_target(overrides, "hardware", TARGETS))
    asked = _workload(request, model, load_cascade(cascade_name, for_target(overrides, "cascade", TARGETS)))
    workload = _of_family(asked, family_of(hardware))
    _require_known(request.extents, workload, model)
    named = {step.name: _step_mapping(step, request, mapping) for step in workload.steps}
    by_family = frozenset(step for step, own in named.items() if own is None)
    switches = mapping if isinstance(mapping, LoopNest) else None
    default_files = switches.register_file_energy if switches else "full"
    default_fill = switches.fill_drain if switches else "ideal"
    files = {"hardware": find("hardware", hardware_name), "cascade": find("cascade", cascade_name)}
    files |= {"model": find("model", request.model)} if request.model else {}
    files |= {"mapping": find("mapping", request.mapping)} if request.mapping else {}
    files |= {"trace": Path(request.trace)} if request.trace and is_trace_file(request.trace) else {}
    mappings = {step.name: named[step.name] or _by_family(step, hardware) for step in workload.steps}
    return Plan(
        request=request,
        workload=workload,
        hardware=hardware,
        mappings=mappings,
        assumptions=Assumptions(
            fill_drain=request.fill_drain or default_fill,
            register_files=request.register_files or default_files,
            calibration=request.calibration,
            cold=request.cold,
        ),
        files=files,
        by_family=by_family,
    )


def with_hardware(plan: Plan, hardware: Hardware) -> Plan:
    """The plan on another hardware of the same family, of which the workload does not depend on anything else."""
    assert hardware.family == plan.hardware.family
    if not plan.by_family:
        return replace(plan, hardware=hardware)
    chosen = {step.name: _by_family(step, hardware) for step in plan.workload.steps if step.name in plan.by_family}
    return replace(plan, hardware=hardware, mappings={**plan.mappings, **chosen})


def _by_family(step: Step, hardware: Hardware) -> MappingSpec:
    return family_of(hardware).default_mapping(step, hardware)


def _own_cascade(mapping: MappingSpec, request: Request, model: Model | None) -> str:
    """The cascade that a mapping is written for: the grouped one for a model in which heads share keys and values."""
    group = request.extents.get("G", model.ranks.get("G", 1) if model else 1)
    return mapping.target.grouped if group > 1 and mapping.target.grouped else mapping.target.cascade


def _main_mapping(request: Request, overrides: Sequence[Override]) -> MappingSpec | None:
    """The named mapping; the hardware's default when it is written for the cascade asked for; else None."""
    chosen = for_target(overrides, "mapping", TARGETS) if request.mapping else ()
    if request.mapping:
        return load_mapping(request.mapping, chosen)
    if request.hardware is None:
        return None
    name = load_hardware(request.hardware).default_mapping
    if name is None:
        return None
    mapping = load_mapping(name)
    return mapping if request.cascade in (None, *_written_for(mapping)) else None


def _workload(request: Request, whole: Model | None, cascade: Cascade) -> Workload:
    if whole is None:
        return _cascade_workload(request, cascade)
    devices = devices_of(whole, request.tensor_parallel)
    model = one_of(whole, devices)
    sequences = _sequences(request, model.seq_len, model.batch)
    ranks = model_extents(model, sequences, request.extents)
    subject = cascade.name if request.cascade else request.scope
    phase = f" {sequences.phase}" if sequences.phase else ""
    label = f"{model.name} {subject}{phase}, {sequences}" + (f", 1 of {devices} devices" if devices > 1 else "")
    if request.scope == "attention":
        step = cascade_step(subject, cascade, ranks)
        return Workload(label=label, steps=(step,), requests=sequences.requests)
    if request.scope == "head" and not model.head:
        what = f"{model.name} does not say what follows its last layer"
        raise SpecError(problem_at(model, "head", what, "write head: into it, or take --scope layer"))
    asked = model.head if request.scope == "head" else model.layer
    steps = tuple(_layer_step(step, model, cascade, ranks, devices) for step in asked)
    layer = Workload(label=label, steps=steps, requests=sequences.requests)
    return _all_layers(layer, model, request, ranks["B"] * ranks["P"]) if request.scope == "model" else layer


def _all_layers(layer: Workload, model: Model, request: Request, tokens: int) -> Workload:
    """All layers of a model, in stages of a pipeline."""
    layers, stages = stages_of(model, request.pipeline_parallel)
    told = f", {layers} layers" + (f" in {stages} stages" if stages > 1 else "")
    return replace(layer, label=layer.label + told, layers=layers, stages=stages, tokens=tokens)


def _layer_step(step: LayerStep, model: Model, attention: Cascade, ranks: Mapping[str, int], devices: int) -> Step:
    cascade = load_cascade(step.cascade) if step.cascade else attention
    bound = cascade_step(step.name, cascade, step_extents(step.extents, ranks) if step.extents else ranks)
    divided = model.tensor_parallel.ranks if model.tensor_parallel is not None else ()
    parted = contracts_part(cascade, step.extents, divided)
    return replace(bound, summed_over=devices if parted else 1)


def _sequences(request: Request, seq_len: int | None, batch: int) -> Sequences:
    """The sequences that a request asks for; `seq_len` and `batch` where it says none."""
    if request.trace is None:
        return Sequences(
            seq_len=seq_len if request.seq_len is None else request.seq_len,
            batch=batch if request.batch is None else request.batch,
            phase=request.phase,
        )
    told = [("--phase prefill", "the requests of a trace decode")] if request.phase == "prefill" else []
    told += [("--seq-len", "the trace says how long each sequence is")] if request.seq_len is not None else []
    told += [(f"--extent {name}", "the trace sets this rank") for name in request.extents if name in _OF_SEQUENCES]
    if told:
        raise AttnSimError(
            *(Problem(path=path, what=what, remedy="leave it out, or --trace") for path, what in told),
        )
    requests = load_requests(request.trace, batch=request.batch, usual_batch=batch, seed=request.seed)
    trace = Path(request.trace).name if is_trace_file(request.trace) else request.trace
    return decode_batch(trace, requests)


def _of_family(workload: Workload, family: Family) -> Workload:
    """The workload as a family takes it: one that does not look at the keys of each request takes their mean."""
    if family.takes_requests or len({request.keys for request in workload.requests}) < 2:
        return workload
    return replace(workload, label=f"{workload.label}, as if each had the mean", averaged=True)


def _require_known(extents: Mapping[str, int], workload: Workload, model: Model | None) -> None:
    """Raise AttnSimError for extents of ranks that neither the model nor any step has; they would change nothing."""
    known = {"B", "P", "M", *(model.ranks if model else ())}
    for step in workload.steps:
        known |= {rank for rank, _ in step.cascade.ranks} | {name for name, _ in step.cascade.constants}
        known |= {part for split in step.cascade.splits for part in split.parts}
    wrong = [name for name in extents if name not in known]
    if wrong:
        what, remedy = "there is no such rank", f"known: {', '.join(sorted(known))}"
        raise AttnSimError(*(Problem(path=f"--extent {name}", what=what, remedy=remedy) for name in wrong))


def _cascade_workload(request: Request, cascade: Cascade) -> Workload:
    if request.scope != "attention":
        what = f"a {request.scope} needs a model, which says its steps"
        raise AttnSimError(Problem(path="scope", what=what, remedy="give --model, for example bert"))
    if request.tensor_parallel not in (None, 1):
        what = "only the layer of a model is divided over devices"
        raise AttnSimError(Problem(path="--tensor-parallel", what=what, remedy="give --model, or leave it out"))
    sequences = _sequences(request, None, 1)
    ranks = {"B": sequences.batch, "H": 1, **request.extents}
    if sequences.seq_len is not None:
        ranks = {**phase_extents(sequences.seq_len, sequences.phase), **ranks}
    constants = {name for name, _ in cascade.constants}
    require_positive({name: size for name, size in ranks.items() if name not in constants})
    step = cascade_step(cascade.name, cascade, ranks)
    sizes = " ".join(f"{rank}={size}" for rank, size in step.extents.items())
    label = f"{cascade.name} {sizes}" + (f", {sequences}" if sequences.requests else "")
    return Workload(label=label, steps=(step,), requests=sequences.requests)


def _step_mapping(step: Step, request: Request, mapping: MappingSpec | None) -> MappingSpec | None:
    """The mapping for one step: the main one, or a companion; None where the family has to choose."""
    name = step.cascade.name
    if mapping is not None and (
        name in _written_for(mapping) or (request.cascade and step.name in ("attention", name))
    ):
        return resolve(mapping, step.extents, load_mapping)
    if mapping is not None and name in mapping.companions:
        return resolve(load_mapping(mapping.companions[name]), step.extents, load_mapping)
    return None


def _written_for(mapping: MappingSpec) -> tuple[str, ...]:
    """Names of the cascades that a mapping is written for, which it may give as paths."""
    targets = (mapping.target.cascade, *mapping.target.also)
    return tuple(load_cascade(target).name if is_path(target) else target for target in targets)


def file_hashes(plan: Plan) -> dict[str, str]:
    """SHA-256 of each spec file of a plan, first 16 hex digits, for provenance."""
    return {kind: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for kind, path in plan.files.items()}


def require_mapping_fits(result: Run | Infeasible) -> Run:
    """The run, or MappingError with what was missing when the mapping did not fit."""
    if isinstance(result, Infeasible):
        raise MappingError(Problem(what=str(result)))
    return result
