"""Passes of the stages of a phase over its loops: how often a complete reduction has to be waited for.

Stages and space -> for each stage its pass over each loop, 0 for the first (FuseMax, MICRO 2024, section III: a pass
begins where all elements of a fiber must have been read before any is read again).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attnsim.einsum.ast import Access
from attnsim.families.spatial_array.space import Space, reads_old_state
from attnsim.families.spatial_array.stages import Stage


def pass_numbers(stages: Sequence[Stage], space: Space) -> dict[str, tuple[int, ...]]:
    """Einsum -> the pass over each loop, outermost first, in which it runs."""
    by_name = {stage.einsum.name: stage for stage in stages}
    columns = [_over_loop(by_name, space, loop.part, loop.trip) for loop in space.loops]
    return {name: tuple(column[name] for column in columns) for name in by_name}


def _over_loop(by_name: Mapping[str, Stage], space: Space, part: str, trip: int) -> dict[str, int]:
    numbers = dict.fromkeys(by_name, 0)
    if trip <= 1:
        return numbers
    waits = [
        (name, access.tensor, int(_is_complete(access, by_name[access.tensor], space, part)))
        for name, stage in by_name.items()
        for access in stage.einsum.inputs
        if access.tensor in by_name and not reads_old_state(access, space)
    ]
    for _ in by_name:
        before = dict(numbers)
        for name, tensor, complete in waits:
            numbers[name] = max(numbers[name], numbers[tensor] + complete)
        if numbers == before:
            break
    return numbers


def _is_complete(access: Access, producer: Stage, space: Space, part: str) -> bool:
    """Whether an access reads what its producer has only after the whole loop: a reduction, or the last state."""
    return part in producer.each and part not in space.loops_of(access.variables)
