"""Values that must outlive a pass: what a phase makes and reads again only after a reduction over a whole loop.

A value that is made in one pass over a loop and read in a later one has to be held for all iterations in between
(FuseMax, MICRO 2024, section III: the live footprint of a further pass is the whole fiber). A phase that keeps it
nowhere would get its room for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attnsim.einsum.ast import Access
from attnsim.errors import MappingError, Problem
from attnsim.families.spatial_array.residency import Tensors
from attnsim.families.spatial_array.space import Space
from attnsim.families.spatial_array.stages import Stage
from attnsim.families.spatial_array.sweeps import pass_numbers
from attnsim.specs.loop_nest import Phase
from attnsim.specs.spatial_array import SpatialArray


def require_passes_possible(
    stages: Sequence[Stage],
    space: Space,
    phase: Phase,
    roles: Tensors,
    blocks: Mapping[str, Mapping[str, frozenset[str]]],
    hardware: SpatialArray,
) -> None:
    """Raise MappingError for values that a later pass reads and no memory keeps, and for nests that span passes."""
    numbers = pass_numbers(stages, space)
    problems = [*_lost(stages, space, numbers, roles, blocks, hardware), *_torn(phase, space, numbers)]
    if problems:
        raise MappingError(*dict.fromkeys(problems))


def _lost(
    stages: Sequence[Stage],
    space: Space,
    numbers: Mapping[str, tuple[int, ...]],
    roles: Tensors,
    blocks: Mapping[str, Mapping[str, frozenset[str]]],
    hardware: SpatialArray,
) -> Iterator[Problem]:
    """Values inside the phase that a stage reads in a later pass over a loop than the one in which they are made."""
    reads = [(stage, access) for stage in stages for access in stage.einsum.inputs if access.tensor in roles.internal]
    for position, loop in enumerate(space.loops):
        late = [
            (stage, access.tensor)
            for stage, access in reads
            if _varies(access, space, loop.part)
            and numbers[stage.einsum.name][position] > numbers[access.tensor][position]
        ]
        kept = {tensor for held in blocks.values() for tensor, inner in held.items() if loop.part in inner}
        for stage, tensor in ((stage, tensor) for stage, tensor in late if tensor not in kept):
            yield _lost_problem(tensor, stage, space, position, hardware)


def _varies(access: Access, space: Space, part: str) -> bool:
    return part in space.loops_of(access.variables) - space.batch


def _lost_problem(tensor: str, stage: Stage, space: Space, position: int, hardware: SpatialArray) -> Problem:
    loops = [loop.part for loop in space.loops]
    memory = next(iter(hardware.memories))
    what = f"{stage.einsum.name} reads {tensor} in a later pass over {loops[position]}, but nothing keeps it until then"
    apart = "place the two in different phases"
    if position == 0:
        return Problem(path="keep", what=what, remedy=apart)
    return Problem(
        path="keep", what=what, remedy=f"add keep: {{{memory}: {{{tensor}: {loops[position - 1]}}}}}, or {apart}"
    )


def _torn(phase: Phase, space: Space, numbers: Mapping[str, tuple[int, ...]]) -> Iterator[Problem]:
    """Nests of Einsums that cannot share one traversal, because one of them needs all of what another does."""
    for i, nest in enumerate(phase.nests):
        pairs = [(nest[0], name) for name in nest[1:] if numbers[name] != numbers[nest[0]]]
        for first, other in pairs[:1]:
            differing = next(j for j, (a, b) in enumerate(zip(numbers[first], numbers[other], strict=True)) if a != b)
            what = f"{first} and {other} run in different passes over {space.loops[differing].part}"
            yield Problem(path=f"nests.{i}", what=what, remedy="put them into different nests")
