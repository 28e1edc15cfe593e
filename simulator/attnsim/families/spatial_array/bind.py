"""Bind a workload to a spatial array under a mapping: Workload x mapping x hardware -> BoundWorkload or Infeasible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from attnsim.errors import MappingError, Problem
from attnsim.families.spatial_array.bound import BoundPhase, BoundWorkload
from attnsim.families.spatial_array.capacity import Demand, fit_space, infeasible, memory_demands
from attnsim.families.spatial_array.lanes import lanes_of
from attnsim.families.spatial_array.legality import placed_einsums, require_legal
from attnsim.families.spatial_array.liveness import require_passes_possible
from attnsim.families.spatial_array.residency import (
    Tensors,
    Transfer,
    held_blocks,
    nest_uses,
    nests_of,
    tensor_roles,
    transfers_of,
)
from attnsim.families.spatial_array.space import Space, build_space
from attnsim.families.spatial_array.stages import Stage, build_stages
from attnsim.mapping.infeasible import Infeasible
from attnsim.specs.loop_nest import LoopNest, Phase
from attnsim.specs.spatial_array import SpatialArray
from attnsim.specs.spec import problem_at
from attnsim.workload import Step, Workload


def bind(
    workload: Workload, hardware: SpatialArray, mappings: Mapping[str, LoopNest], *, fill_drain: str
) -> BoundWorkload | Infeasible:
    """Bind every step with the mapping of its cascade.

    `mappings` is keyed by step name. Returns Infeasible when a phase does not fit a memory; raises MappingError when a
    mapping does not belong to its cascade or hardware.
    """
    phases: list[BoundPhase] = []
    problems: list[Problem] = []
    for step in workload.steps:
        require_legal(step, mappings[step.name], hardware)
    numbered = [(step, i, phase) for step in workload.steps for i, phase in enumerate(mappings[step.name].phases)]
    for step, position, phase in numbered:
        try:
            bound = _bind_phase(step, phase, mappings[step.name], hardware)
        except MappingError as error:
            problems += [_placed(problem, mappings[step.name], position) for problem in error.problems]
            continue
        if isinstance(bound, Infeasible):
            return bound
        phases.append(bound)
    if problems:
        raise MappingError(*dict.fromkeys(problems))
    return BoundWorkload(hardware=hardware, phases=tuple(phases), fill_drain=fill_drain)


def _placed(problem: Problem, mapping: LoopNest, position: int) -> Problem:
    """A problem with a path inside a phase, at its line of the mapping's file."""
    return problem_at(mapping, f"phases.{position}.{problem.path}", problem.what, problem.remedy)


def _bind_phase(step: Step, phase: Phase, mapping: LoopNest, hardware: SpatialArray) -> BoundPhase | Infeasible:
    einsums = placed_einsums(step.cascade, phase)
    space, fitted = build_space(step.cascade, einsums, step.extents, phase, hardware, pad=mapping.remainder == "pad")
    blocks = held_blocks(space, phase)

    def demands_of(candidate: Space) -> tuple[Demand, ...]:
        stages = build_stages(step.cascade, candidate, phase, mapping, hardware)
        return memory_demands(stages, candidate, phase, tensor_roles(step.cascade, stages), blocks, hardware)

    if fitted is not None:
        space = fit_space(space, fitted, demands_of)
    stages = build_stages(step.cascade, space, phase, mapping, hardware)
    roles = tensor_roles(step.cascade, stages)
    require_passes_possible(stages, space, phase, roles, blocks, hardware)
    demands = memory_demands(stages, space, phase, roles, blocks, hardware)
    tight = next((demand for demand in demands if not demand.fits), None)
    if tight is not None and phase.overflow == "reject":
        return infeasible(mapping.name, phase, tight, fitted)
    return BoundPhase(
        step=step.name,
        name=phase.name,
        space=space,
        stages=stages,
        steps=lanes_of(phase),
        transfers=tuple(_spill(_all_transfers(stages, space, phase, roles, blocks, hardware), demands, hardware)),
        demands=demands,
        in_flight=phase.in_flight,
        beside=phase.beside,
        uncounted=frozenset(mapping.uncounted),
    )


def _all_transfers(
    stages: Sequence[Stage],
    space: Space,
    phase: Phase,
    roles: Tensors,
    blocks: Mapping[str, Mapping[str, frozenset[str]]],
    hardware: SpatialArray,
) -> list[Transfer]:
    uses = [use for nest in nests_of(stages, space, phase) for use in nest_uses(nest, space)]
    return transfers_of(uses, space, roles, blocks, hardware)


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
