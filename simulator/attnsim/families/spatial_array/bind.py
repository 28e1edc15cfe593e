"""Bind a workload to a spatial array under a mapping: Workload x mapping x hardware -> BoundWorkload or Infeasible."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from attnsim.errors import MappingError, Problem
from attnsim.families.spatial_array.bound import BoundPhase, BoundWorkload
from attnsim.families.spatial_array.capacity import Demand, demands_within, infeasible, usable_bytes
from attnsim.families.spatial_array.legality import require_legal
from attnsim.families.spatial_array.outline import Frame, frame_of, layout_of, outline_of
from attnsim.families.spatial_array.residency import Transfer
from attnsim.mapping.infeasible import Infeasible
from attnsim.specs.loop_nest import LoopNest, Phase
from attnsim.specs.same import Same, recalled
from attnsim.specs.spatial_array import SpatialArray
from attnsim.specs.spec import problem_at
from attnsim.workload import Step, Workload

_LEGAL: dict[Hashable, bool] = {}
_BOUND: dict[Hashable, tuple[BoundPhase, ...] | Infeasible] = {}


def bind(
    workload: Workload, hardware: SpatialArray, mappings: Mapping[str, LoopNest], *, fill_drain: str
) -> BoundWorkload | Infeasible:
    """Bind every step with the mapping of its cascade; remembered, since it depends on no rate and no energy.

    `mappings` is keyed by step name. Returns Infeasible when a phase does not fit a memory; raises MappingError when a
    mapping does not belong to its cascade or hardware.
    """
    frame = frame_of(hardware)
    capacities = tuple(memory.capacity_bytes for memory in hardware.memories.values())
    parts = tuple((Same(step), Same(mappings[step.name])) for step in workload.steps)
    found = recalled(
        _BOUND, (parts, frame, capacities, hardware.name), lambda: _phases(workload, hardware, mappings, frame)
    )
    if isinstance(found, Infeasible):
        return found
    return BoundWorkload(hardware=hardware, phases=found, fill_drain=fill_drain)


def _phases(
    workload: Workload, hardware: SpatialArray, mappings: Mapping[str, LoopNest], frame: Frame
) -> tuple[BoundPhase, ...] | Infeasible:
    phases: list[BoundPhase] = []
    problems: list[Problem] = []
    for step in workload.steps:
        _require_legal(step, mappings[step.name], hardware, frame)
    numbered = [(step, i, phase) for step in workload.steps for i, phase in enumerate(mappings[step.name].phases)]
    for step, position, phase in numbered:
        try:
            bound = _bind_phase(step, phase, mappings[step.name], hardware, frame)
        except MappingError as error:
            problems += [_placed(problem, mappings[step.name], position) for problem in error.problems]
            continue
        if isinstance(bound, Infeasible):
            return bound
        phases.append(bound)
    if problems:
        raise MappingError(*dict.fromkeys(problems))
    return tuple(phases)


def _require_legal(step: Step, mapping: LoopNest, hardware: SpatialArray, frame: Frame) -> None:
    """`require_legal`, asked once for what is alike; whatever is not legal is looked at again."""

    def legal() -> bool:
        require_legal(step, mapping, hardware)
        return True

    recalled(_LEGAL, (Same(step.cascade), Same(mapping), frame), legal)


def _placed(problem: Problem, mapping: LoopNest, position: int) -> Problem:
    """A problem with a path inside a phase, at its line of the mapping's file."""
    return problem_at(mapping, f"phases.{position}.{problem.path}", problem.what, problem.remedy)


def _bind_phase(
    step: Step, phase: Phase, mapping: LoopNest, hardware: SpatialArray, frame: Frame
) -> BoundPhase | Infeasible:
    outline = outline_of(step, phase, mapping, hardware, frame)
    usable = usable_bytes(phase, hardware)
    layout = layout_of(outline, phase, hardware, usable)
    demands = demands_within(layout.parts, usable)
    tight = next((demand for demand in demands if not demand.fits), None)
    if tight is not None and phase.overflow == "reject":
        return infeasible(mapping.name, phase, tight, outline.fitted)
    return BoundPhase(
        step=step.name,
        name=phase.name,
        space=layout.space,
        stages=outline.stages,
        steps=outline.steps,
        transfers=layout.transfers if tight is None else tuple(_spill(layout.transfers, demands, hardware)),
        demands=demands,
        in_flight=phase.in_flight,
        beside=phase.beside,
        uncounted=frozenset(mapping.uncounted),
    )


def _spill(transfers: Sequence[Transfer], demands: Sequence[Demand], hardware: SpatialArray) -> list[Transfer]:
    """Where a memory overflows, the spilled share of its tensors moves between the next memory and the array directly.

    The share that stays is filled once as mapped; the buffer itself is still passed by every word (FLAT artifact).
    """
    shares = {demand.memory: demand.spilled for demand in demands if demand.spilled}
    outer_of = dict(zip(hardware.memories, list(hardware.memories)[1:], strict=False))
    result: list[Transfer] = []
    for move in transfers:
        memory = next((m for m in (move.source, move.target) if m in shares), None)
        if memory is None:
            result.append(move)
            continue
        share, outer = shares[memory], outer_of[memory]
        if outer in (move.source, move.target):
            result.append(replace(move, fraction=1 - share))
            continue
        result.append(move)
        source = outer if move.source == memory else memory
        target = memory if move.source == memory else outer
        result.append(replace(move, source=source, target=target, fraction=share, bypass=True))
    return result
