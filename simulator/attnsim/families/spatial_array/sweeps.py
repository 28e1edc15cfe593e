"""Passes of the stages of a phase over its loops: how often a complete reduction has to be waited for.

Stages and space -> for each stage its pass over each loop, 0 for the first (FuseMax, MICRO 2024, section III: a pass
begins where all elements of a fiber must have been read before any is read again).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from attnsim.families.spatial_array.space import Space, reads_old_state
from attnsim.families.spatial_array.stages import Stage
from attnsim.specs.same import Same, recalled

_NUMBERS: dict[Hashable, dict[str, tuple[int, ...]]] = {}


def pass_numbers(stages: Sequence[Stage], space: Space) -> Mapping[str, tuple[int, ...]]:
    """Einsum -> the pass over each loop, outermost first, in which it runs; remembered, since no size matters but 1."""
    walked = tuple((Same(stage.einsum), stage.each) for stage in stages)
    loops = tuple((loop.part, loop.trip > 1) for loop in space.loops)
    key = (walked, loops, tuple(space.parts.items()), space.batch, tuple(space.states.items()))
    return recalled(_NUMBERS, key, lambda: _numbers(stages, space))


def _numbers(stages: Sequence[Stage], space: Space) -> dict[str, tuple[int, ...]]:
    by_name = {stage.einsum.name: stage for stage in stages}
    waits = [
        (name, access.tensor, by_name[access.tensor].each - space.loops_of(access.variables))
        for name, stage in by_name.items()
        for access in stage.einsum.inputs
        if access.tensor in by_name and not reads_old_state(access, space)
    ]
    columns = [
        _over_loop(by_name, [(name, made, loop.part in whole) for name, made, whole in waits], loop.trip)
        for loop in space.loops
    ]
    return {name: tuple(column[name] for column in columns) for name in by_name}


def _over_loop(by_name: Mapping[str, Stage], waits: Sequence[tuple[str, str, bool]], trip: int) -> dict[str, int]:
    """The pass of each Einsum over one loop. waits: reader, what it reads, and whether it reads that only after the
    whole loop: a reduction, or the last state."""
    numbers = dict.fromkeys(by_name, 0)
    if trip <= 1:
        return numbers
    for _ in by_name:
        before = dict(numbers)
        for name, tensor, complete in waits:
            numbers[name] = max(numbers[name], numbers[tensor] + complete)
        if numbers == before:
            break
    return numbers
