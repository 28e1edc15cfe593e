"""Values that must outlive a pass: what a phase makes and reads again only after a reduction over a whole loop.

A value that is made in one pass over a loop and read in a later one has to be held for all iterations in between
(FuseMax, MICRO 2024, section III: the live footprint of a further pass is the whole fiber). A phase that keeps it
nowhere would get its room for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attnsim.einsum.ast import Access
from attnsim.errors import MappingError, Problem
from attnsim.families.spatial_array.residency import Tensors
from attnsim.families.spatial_array.space import Space, reads_old_state
from attnsim.families.spatial_array.stages import Stage
from attnsim.specs.hardware import SpatialArray


def require_live_values_held(
    stages: Sequence[Stage],
    space: Space,
    roles: Tensors,
    blocks: Mapping[str, Mapping[str, frozenset[str]]],
    hardware: SpatialArray,
) -> None:
    """Raise MappingError for each value in the phase that a later pass reads and that no memory keeps."""
    problems = []
    by_name = {stage.einsum.name: stage for stage in stages}
    for position, loop in enumerate(space.loops):
        if loop.trip == 1:
            continue
        numbers = _pass_numbers(by_name, space, loop.part)
        for stage in stages:
            lost = [t for t in _read_later(stage, by_name, space, numbers, loop.part) if t in roles.internal]
            problems += [
                _problem(tensor, stage, space, position, hardware)
                for tensor in lost
                if not any(loop.part in kept.get(tensor, ()) for kept in blocks.values())
            ]
    if problems:
        raise MappingError(*dict.fromkeys(problems))


def _pass_numbers(by_name: Mapping[str, Stage], space: Space, part: str) -> dict[str, int]:
    """Pass over the loop `part` in which each stage runs: one more behind every complete reduction over the loop."""
    numbers = dict.fromkeys(by_name, 0)
    for _ in by_name:
        for name, stage in by_name.items():
            read = [a for a in stage.einsum.inputs if a.tensor in by_name and not reads_old_state(a, space)]
            after = [numbers[a.tensor] + _is_complete(a, by_name[a.tensor], space, part) for a in read]
            numbers[name] = max([numbers[name], *after])
    return numbers


def _is_complete(access: Access, producer: Stage, space: Space, part: str) -> bool:
    """Whether an access reads what its producer has only after the whole loop: a reduction, or the last state."""
    return part in producer.each and part not in space.loops_of(access.variables)


def _read_later(
    stage: Stage, by_name: Mapping[str, Stage], space: Space, numbers: Mapping[str, int], part: str
) -> list[str]:
    """Tensors of the phase that vary along the loop and that a stage reads in a later pass than that of their maker."""
    return [
        access.tensor
        for access in stage.einsum.inputs
        if access.tensor in by_name
        and part in space.loops_of(access.variables) - space.batch
        and numbers[stage.einsum.name] > numbers[access.tensor]
    ]


def _problem(tensor: str, stage: Stage, space: Space, position: int, hardware: SpatialArray) -> Problem:
    loops = [loop.part for loop in space.loops]
    memory = next(iter(hardware.memories))
    what = f"{stage.einsum.name} reads {tensor} in a later pass over {loops[position]}, but nothing keeps it until then"
    if position == 0:
        return Problem(path="keep", what=what, remedy="put the two Einsums into different phases")
    remedy = (
        f"add keep: {{{memory}: {{{tensor}: {loops[position - 1]}}}}}, or put the two Einsums into different phases"
    )
    return Problem(path="keep", what=what, remedy=remedy)
