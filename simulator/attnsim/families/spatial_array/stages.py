"""Stages: what one Einsum does on one tile of one array: cycles, occupied PEs, actions of functional units.

From an Einsum, its place and the phase's space, to a `Stage`. A rank laid over rows or columns runs in parallel; every
other rank of the tile runs in time, one iteration point a cycle per operator cycle (FuseMax section IV, TeAAL section
5).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations

from attnsim.components.operations import hardware_operations
from attnsim.einsum.ast import Cascade, Einsum
from attnsim.families.spatial_array.space import Space
from attnsim.specs.loop_nest import LoopNest, Phase
from attnsim.specs.same import Same, recalled
from attnsim.specs.spatial_array import Array, SpatialArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One Einsum on one array, for one tile.

    cycles: that the array is held per tile. occupancy: fraction of its PEs that have work. each: loops at whose every
    iteration the stage runs; at the other loops it runs only in the last iteration when `late`, else in the first.
    points: iteration points per tile. actions: uses of each functional unit per point.
    """

    einsum: Einsum
    array: str
    cycles: Fraction
    occupancy: Fraction
    each: frozenset[str]
    late: bool
    points: int
    actions: Mapping[str, int]
    results: int


def build_stages(
    cascade: Cascade, space: Space, phase: Phase, mapping: LoopNest, hardware: SpatialArray
) -> tuple[Stage, ...]:
    """A stage for each Einsum of the phase, in the order of `place`."""
    array_of = {name: array for array, names in phase.place.items() for name in names}
    einsums = [einsum for einsum in cascade.einsums if einsum.name in array_of]
    by_name = {einsum.name: einsum for einsum in einsums}
    return tuple(
        _stage(by_name[name], array, cascade, einsums, space, phase, mapping, hardware)
        for name, array in array_of.items()
    )


def _stage(
    einsum: Einsum,
    array_name: str,
    cascade: Cascade,
    einsums: Sequence[Einsum],
    space: Space,
    phase: Phase,
    mapping: LoopNest,
    hardware: SpatialArray,
) -> Stage:
    array = hardware.arrays[array_name]
    operations = hardware_operations(einsum, array, cascade.operators)
    sizes = {v: space.tile_size(v) for v in einsum.iteration_ranks}
    laid = _laid_out(einsum, sizes, space, phase, array)
    cycles_per_point = [array.ops[name].cycles for name in operations] or [1]
    held = max(cycles_per_point) if mapping.compound_ops == "pipelined" else sum(cycles_per_point)
    folds = math.prod(math.ceil(sizes[v] / width) for v, width in laid.items())
    in_time = math.prod(size for v, size in sizes.items() if v not in laid)
    busy = math.prod((Fraction(sizes[v], math.ceil(sizes[v] / width)) for v, width in laid.items()), start=Fraction(1))
    actions: dict[str, int] = {}
    for name in operations:
        for unit, uses in array.ops[name].uses.items():
            actions[unit] = actions.get(unit, 0) + uses
    each = space.loops_of(einsum.iteration_ranks)
    return Stage(
        einsum=einsum,
        array=array_name,
        cycles=Fraction(held).limit_denominator(10**6) * folds * in_time,
        occupancy=busy / array.pe_count,
        each=each,
        late=_waits_for_last(einsum, einsums, space, each),
        points=math.prod(sizes.values()),
        actions=actions,
        results=math.prod(space.tile_size(v) for v in einsum.output.variables),
    )


def _laid_out(einsum: Einsum, sizes: Mapping[str, int], space: Space, phase: Phase, array: Array) -> dict[str, int]:
    """Rank variables laid over the array's dimensions, with the width of the dimension.

    Where the mapping does not say, the largest ranks are laid out, in the order that takes the fewest rounds.
    """
    given = phase.spatial.get(einsum.name)
    if given is not None:
        owner = {part: v for v in einsum.iteration_ranks for part in space.parts[v]}
        return {owner[part]: width for part, width in zip(given, array.shape, strict=False)}
    outputs = set(einsum.output.variables)
    ranked = sorted(sizes, key=lambda v: (-sizes[v], v not in outputs, tuple(sizes).index(v)))
    chosen = [v for v in ranked if sizes[v] > 1][: len(array.shape)]
    ways = [dict(zip(order, array.shape, strict=False)) for order in permutations(chosen)]
    return min(ways, key=lambda way: math.prod(math.ceil(sizes[v] / width) for v, width in way.items()))


_LATE: dict[Hashable, tuple[bool]] = {}


def _waits_for_last(einsum: Einsum, einsums: Sequence[Einsum], space: Space, each: frozenset[str]) -> bool:
    """Whether any Einsum it depends on, directly or not, walks a loop that it does not walk itself; remembered."""
    loops = tuple(loop.part for loop in space.loops)
    key = (Same(einsum), tuple(Same(one) for one in einsums), loops, each, space.batch, tuple(space.parts.items()))
    return recalled(_LATE, key, lambda: (_is_late(einsum, einsums, space, each),))[0]


def _is_late(einsum: Einsum, einsums: Sequence[Einsum], space: Space, each: frozenset[str]) -> bool:
    by_name = {e.name: e for e in einsums}
    seen: set[str] = set()
    front = [access.tensor for access in einsum.inputs]
    while front:
        name = front.pop()
        if name in seen or name not in by_name:
            continue
        seen.add(name)
        producer = by_name[name]
        if space.loops_of(producer.iteration_ranks) - each:
            return True
        front += [access.tensor for access in producer.inputs]
    return False
