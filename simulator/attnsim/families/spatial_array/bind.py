"""Bind a workload to a spatial array under a mapping: Workload x mapping x hardware -> BoundWorkload or Infeasible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from attnsim.errors import MappingError, Problem
from attnsim.families.spatial_array.bound import DRAIN, BoundPhase, BoundWorkload, Lane
from attnsim.families.spatial_array.capacity import Demand, fit_space, infeasible, memory_demands
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
from attnsim.specs.hardware import SpatialArray
from attnsim.specs.mapping import Mapping as MappingSpec
from attnsim.specs.mapping import Phase
from attnsim.workload import Step, Workload


def bind(
    workload: Workload, hardware: SpatialArray, mappings: Mapping[str, MappingSpec], *, fill_drain: str
) -> BoundWorkload | Infeasible:
    """Bind every step with the mapping of its cascade.

    `mappings` is keyed by step name. Returns Infeasible when a phase does not fit a memory; raises MappingError when a
    mapping does not belong to its cascade or hardware.
    """
    phases: list[BoundPhase] = []
    for step in workload.steps:
        mapping = mappings[step.name]
        _check_complete(step, mapping)
        for phase in mapping.phases:
            bound = _bind_phase(step, phase, mapping, hardware)
            if isinstance(bound, Infeasible):
                return bound
            phases.append(bound)
    return BoundWorkload(hardware=hardware, phases=tuple(phases), fill_drain=fill_drain)


def _check_complete(step: Step, mapping: MappingSpec) -> None:
    placed = [name for phase in mapping.phases for names in phase.place.values() for name in names]
    names = [einsum.name for einsum in step.cascade.einsums]
    missing = [name for name in names if name not in placed]
    unknown = [name for name in placed if name not in names]
    problems = []
    if missing:
        what = f"mapping {mapping.name} places no {', '.join(missing)} of cascade {step.cascade.name}"
        problems.append(Problem(path="phases", what=what, remedy="add them to `place` of a phase"))
    if unknown:
        what = f"mapping {mapping.name} places {', '.join(unknown)}, which cascade {step.cascade.name} does not have"
        problems.append(Problem(path="phases", what=what, remedy=f"it is written for cascade {mapping.target.cascade}"))
    if problems:
        raise MappingError(*problems)


def _bind_phase(step: Step, phase: Phase, mapping: MappingSpec, hardware: SpatialArray) -> BoundPhase | Infeasible:
    placed = {name for names in phase.place.values() for name in names}
    einsums = tuple(e for e in step.cascade.einsums if e.name in placed)
    space, fitted = build_space(step.cascade, einsums, step.extents, phase, hardware, pad=mapping.remainder == "pad")
    blocks = held_blocks(space, phase, hardware)

    def demands_of(candidate: Space) -> tuple[Demand, ...]:
        stages = build_stages(einsums, candidate, phase, mapping, hardware)
        return memory_demands(stages, candidate, phase, tensor_roles(step.cascade, stages), blocks, hardware)

    if fitted is not None:
        space = fit_space(space, fitted, demands_of)
    stages = build_stages(einsums, space, phase, mapping, hardware)
    roles = tensor_roles(step.cascade, stages)
    _check_tensors(phase, stages)
    demands = memory_demands(stages, space, phase, roles, blocks, hardware)
    tight = next((demand for demand in demands if not demand.fits), None)
    if tight is not None and phase.overflow == "reject":
        return infeasible(mapping.name, phase, tight, fitted)
    return BoundPhase(
        step=step.name,
        name=phase.name,
        space=space,
        stages=stages,
        steps=_steps(phase, stages, hardware),
        transfers=tuple(_spill(_all_transfers(stages, space, phase, roles, blocks, hardware), demands, hardware)),
        demands=demands,
        in_flight=phase.in_flight,
        beside=phase.beside,
        uncounted=frozenset(mapping.uncounted),
    )


def _check_tensors(phase: Phase, stages: Sequence[Stage]) -> None:
    known = {access.tensor for stage in stages for access in (stage.einsum.output, *stage.einsum.inputs)}
    einsums = {stage.einsum.name for stage in stages}
    fields = [("keep", [t for kept in phase.keep.values() for t in kept], known)]
    fields += [("buffers", list(phase.buffers), known)]
    fields += [("nests", [n for nest in phase.nests for n in nest], einsums)]
    fields += [("spatial", list(phase.spatial), einsums)]
    problems = [
        Problem(
            path=f"phases.{phase.name}.{field}",
            what=f"unknown name {name}",
            remedy=f"this phase has {', '.join(sorted(allowed))}",
        )
        for field, names, allowed in fields
        for name in names
        if name not in allowed
    ]
    if problems:
        raise MappingError(*problems)


def _all_transfers(
    stages: Sequence[Stage],
    space: Space,
    phase: Phase,
    roles: Tensors,
    blocks: Mapping[str, Mapping[str, frozenset[str]]],
    hardware: SpatialArray,
) -> list[Transfer]:
    uses = [use for nest in nests_of(stages, phase) for use in nest_uses(nest, space)]
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


def _steps(phase: Phase, stages: Sequence[Stage], hardware: SpatialArray) -> tuple[tuple[Lane, ...], ...]:
    """The `overlap` lines as lanes; without any, one step with a lane per array."""
    if not phase.overlap:
        return (tuple(Lane(stages=tuple(names)) for names in phase.place.values() if names),)
    names = [stage.einsum.name for stage in stages]
    steps = tuple(tuple(_lane(text) for text in line.split("|")) for line in phase.overlap)
    listed = [name for step in steps for lane in step for name in lane.stages]
    wrong = [name for name in listed if name not in names or listed.count(name) > 1]
    wrong += [name for name in names if name not in listed]
    wrong += [lane.drain for step in steps for lane in step if lane.drain and lane.drain not in hardware.arrays]
    if wrong:
        what = f"unknown, repeated or missing in overlap: {', '.join(dict.fromkeys(wrong))}"
        remedy = f"name each of {', '.join(names)} once"
        raise MappingError(Problem(path=f"phases.{phase.name}.overlap", what=what, remedy=remedy))
    return steps


def _lane(text: str) -> Lane:
    words = text.replace(",", " ").split()
    if words and words[0] == DRAIN:
        return Lane(stages=(), drain=words[1] if len(words) > 1 else "")
    return Lane(stages=tuple(words))
