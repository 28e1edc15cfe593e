"""Legality of a mapping: every contradiction between its phases, the cascade and the hardware, before any size is
known.

(Step, mapping, hardware) -> Problems with dotted paths into the mapping (`phases.0.keep.global_buffer`) or the hardware
(`arrays.array_1d.ops`), and with the lines of the files that they were read from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from attnsim.components.operations import missing_operations, remedy_for
from attnsim.einsum.ast import Cascade, Einsum
from attnsim.errors import MappingError, Problem
from attnsim.families.spatial_array.lanes import lanes_of
from attnsim.families.spatial_array.space import SHAPE_WORDS, TILE_WORDS, phase_parts
from attnsim.specs.library import suggest
from attnsim.specs.loop_nest import LoopNest, Phase
from attnsim.specs.spatial_array import SpatialArray
from attnsim.specs.spec import problem_at
from attnsim.workload import Step

Found = Iterator[tuple[str, str, str]]


def require_legal(step: Step, mapping: LoopNest, hardware: SpatialArray) -> None:
    """Raise MappingError with all contradictions between a mapping and the cascade and hardware it is used with."""
    stranger = _stranger(step.cascade, mapping)
    if stranger is not None:
        raise MappingError(stranger)
    problems = [problem_at(mapping, "phases", what, remedy) for what, remedy in _cover(step.cascade, mapping)]
    for position, phase in enumerate(mapping.phases):
        found = [*_names(step.cascade, phase, hardware), *_loops(step.cascade, phase), *_layout(step.cascade, phase)]
        found += [*_nesting(phase, hardware), *_tiles(phase, hardware), *_overlap(phase, hardware)]
        problems += [problem_at(mapping, f"phases.{position}.{path}", what, remedy) for path, what, remedy in found]
        problems += _operations(step.cascade, phase, hardware)
    if problems:
        raise MappingError(*dict.fromkeys(problems))


def placed_einsums(cascade: Cascade, phase: Phase) -> tuple[Einsum, ...]:
    """The Einsums of a phase in the order of the cascade."""
    placed = {name for names in phase.place.values() for name in names}
    return tuple(einsum for einsum in cascade.einsums if einsum.name in placed)


def _cover(cascade: Cascade, mapping: LoopNest) -> Iterator[tuple[str, str]]:
    """Every Einsum of the cascade has one place, and nothing else has one."""
    placed = [name for phase in mapping.phases for names in phase.place.values() for name in names]
    names = [einsum.name for einsum in cascade.einsums]
    missing = [name for name in names if name not in placed]
    if missing:
        what = f"mapping {mapping.name} places no {', '.join(missing)} of cascade {cascade.name}"
        yield what, "add them to `place` of a phase"
    for name in dict.fromkeys(name for name in placed if placed.count(name) > 1):
        yield f"Einsum {name} is placed {placed.count(name)} times", "place it once"


def _stranger(cascade: Cascade, mapping: LoopNest) -> Problem | None:
    """The one problem of a mapping that was plainly written for another cascade: it places more strangers than not."""
    placed = [name for phase in mapping.phases for names in phase.place.values() for name in names]
    names = {einsum.name for einsum in cascade.einsums}
    strange = [name for name in placed if name not in names]
    if 2 * len(strange) <= len(placed):
        return None
    what = f"mapping {mapping.name} places {', '.join(strange)}, which cascade {cascade.name} does not have"
    target = mapping.target.cascade
    other = f"it is written for cascade {target}: name a mapping for {cascade.name}, or none"
    remedy = "write `for` the cascade that has them" if target == cascade.name else other
    return problem_at(mapping, "for", what, remedy)


def _names(cascade: Cascade, phase: Phase, hardware: SpatialArray) -> Found:
    """Arrays, Einsums, tensors and memories that do not exist."""
    einsums = tuple(einsum.name for einsum in cascade.einsums)
    tensors = tuple(sorted({a.tensor for e in placed_einsums(cascade, phase) for a in (e.output, *e.inputs)}))
    memories, arrays = tuple(hardware.memories), tuple(hardware.arrays)
    yield from _unknown("place", "array", phase.place, arrays)
    for array, names in phase.place.items():
        yield from _unknown(f"place.{array}", "Einsum", names, einsums)
    yield from _unknown("keep", "memory", phase.keep, (*memories, *arrays))
    for memory, kept in phase.keep.items():
        yield from _unknown(f"keep.{memory}", "tensor", kept, tensors)
    yield from _unknown("buffers", "tensor", phase.buffers, tensors)
    for i, group in enumerate(phase.in_place):
        yield from _unknown(f"in_place.{i}", "tensor", group, tensors)
    yield from _unknown("stage", "memory", phase.stage, memories)
    yield from _unknown("capacity", "memory", phase.capacity, memories)


def _unknown(path: str, kind: str, names: Iterable[str], known: tuple[str, ...]) -> Found:
    for name in names:
        if name not in known:
            place = f"{path}.{name}" if isinstance(names, Mapping) else path
            yield place, f"there is no {kind} {name}", suggest(name, known)


def _loops(cascade: Cascade, phase: Phase) -> Found:
    """Rank parts that do not exist, batch ranks and iterative ranks without a loop, and blocks kept at no loop."""
    parts = phase_parts(placed_einsums(cascade, phase), phase)
    split = [part for s in cascade.splits for part in s.parts]
    known = tuple(dict.fromkeys([*(part for names in parts.values() for part in names), *cascade.batch, *split]))
    yield from _unknown("order", "rank part", phase.order, known)
    yield from _unknown("tile", "rank part", phase.tile, known)
    yield from _unknown("split", "rank", phase.split, tuple(v.upper() for v in parts))
    for part in dict.fromkeys(part for part in phase.order if phase.order.count(part) > 1):
        yield "order", f"loop {part} stands there {phase.order.count(part)} times", "name each loop once"
    for rank in cascade.batch:
        if rank not in phase.order:
            yield "order", f"batch rank {rank} is missing", "add it as a loop"
    for iteration in cascade.iterations:
        walked = [p for v, names in parts.items() if v == iteration.rank.lower() for p in names]
        if walked and not set(walked) & set(phase.order):
            yield "order", f"iterative rank {walked[0]} is missing", "add it as a loop: its steps follow each other"
    for memory, kept in phase.keep.items():
        for tensor, part in ((t, p) for t, p in kept.items() if p not in phase.order):
            yield (
                f"keep.{memory}.{tensor}",
                f"{tensor} is kept at {part}, which is no loop of the order",
                suggest(part, tuple(phase.order)),
            )


def _nesting(phase: Phase, hardware: SpatialArray) -> Found:
    """Blocks that are larger than the block of the same tensor in the next memory that keeps it."""
    place = {part: i for i, part in enumerate(phase.order)}
    kept = [
        (memory, tensor, loop) for memory in hardware.memories for tensor, loop in phase.keep.get(memory, {}).items()
    ]
    known = [(memory, tensor, loop) for memory, tensor, loop in kept if loop in place]
    for i, (memory, tensor, loop) in enumerate(known):
        outer = next(((m, at) for m, t, at in known[i + 1 :] if t == tensor and m != memory), None)
        if outer is not None and place[loop] < place[outer[1]]:
            what = f"the block of {tensor} below {loop} is larger than the one in {outer[0]}, below {outer[1]}"
            yield f"keep.{memory}.{tensor}", what, f"keep it in {memory} at {outer[1]} or a loop inside it"


def _layout(cascade: Cascade, phase: Phase) -> Found:
    """Ranks laid over an array that the Einsum does not have."""
    by_name = {einsum.name: einsum for einsum in placed_einsums(cascade, phase)}
    parts = phase_parts(tuple(by_name.values()), phase)
    yield from _unknown("spatial", "Einsum in this phase called", phase.spatial, tuple(by_name))
    for name, given in phase.spatial.items():
        if name in by_name:
            owned = tuple(part for v in by_name[name].iteration_ranks for part in parts[v])
            yield from _unknown(f"spatial.{name}", f"rank of {name} called", given, owned)
    for i, nest in enumerate(phase.nests):
        yield from _unknown(f"nests.{i}", "Einsum in this phase called", nest, tuple(by_name))


def _tiles(phase: Phase, hardware: SpatialArray) -> Found:
    """Tile sizes that look up what the hardware lacks, and Einsums laid over more dimensions than their array has."""
    for part, value in phase.tile.items():
        name, _, word = str(value).partition(".")
        if isinstance(value, int) or value in TILE_WORDS:
            continue
        array = hardware.arrays.get(name)
        if array is None or SHAPE_WORDS[word] >= len(array.shape):
            words = (f"{a}.{w}" for a, s in hardware.arrays.items() for w in _words(len(s.shape)))
            yield f"tile.{part}", f"{value} is no size of {hardware.name}", suggest(str(value), tuple(words))
    fitted = [part for part, value in phase.tile.items() if value == "fit"]
    for part in (part for part in fitted if part not in phase.order):
        yield f"tile.{part}", "only a loop of the order can be fitted", suggest(part, tuple(phase.order))
    if len(fitted) > 1:
        yield "tile", f"{' and '.join(fitted)} are to be fitted", "fit one and give the other a size"
    for array_name, names in phase.place.items():
        rank_count = len(hardware.arrays[array_name].shape) if array_name in hardware.arrays else 2
        for name in (n for n in names if len(phase.spatial.get(n, ())) > rank_count):
            what = f"{len(phase.spatial[name])} ranks on {array_name}, which has {rank_count} dimension(s)"
            yield f"spatial.{name}", what, "name at most one rank per dimension"


def _words(dimensions: int) -> tuple[str, ...]:
    return ("lanes",) if dimensions == 1 else ("rows", "columns")


def _overlap(phase: Phase, hardware: SpatialArray) -> Found:
    """Einsums that the steps of a tile leave out or repeat."""
    if not phase.overlap:
        return
    placed = [name for names in phase.place.values() for name in names]
    lanes = [lane for step in lanes_of(phase) for lane in step]
    listed = [name for lane in lanes for name in lane.stages]
    left_out = [name for name in placed if name not in listed]
    repeated = dict.fromkeys(name for name in listed if listed.count(name) > 1)
    if left_out:
        yield "overlap", f"{', '.join(left_out)} are in no step", "name each Einsum of the phase once"
    if repeated:
        yield "overlap", f"{', '.join(repeated)} are in several steps", "name each Einsum of the phase once"
    yield from _unknown("overlap", "Einsum in this phase called", listed, tuple(placed))
    yield from _unknown("overlap", "array", [lane.drain for lane in lanes if lane.drain], tuple(hardware.arrays))


def _operations(cascade: Cascade, phase: Phase, hardware: SpatialArray) -> Iterator[Problem]:
    """Operations that an Einsum needs and its array lacks, at the array's place in the hardware's file."""
    by_name = {einsum.name: einsum for einsum in cascade.einsums}
    placed = [(array, name) for array, names in phase.place.items() for name in names]
    lacking: dict[tuple[str, str], list[str]] = {}
    for array, name in ((a, n) for a, n in placed if a in hardware.arrays and n in by_name):
        for operation in missing_operations(by_name[name], hardware.arrays[array], cascade.operators):
            lacking.setdefault((array, operation), []).append(name)
    return lacking_problems(lacking, cascade, hardware)


def lacking_problems(
    lacking: Mapping[tuple[str, str], Sequence[str]], cascade: Cascade, hardware: SpatialArray
) -> Iterator[Problem]:
    """A problem for each (array, operation) that Einsums need and the array cannot do."""
    for (array, operation), einsums in lacking.items():
        needed = f"Einsum {einsums[0]} needs" if len(einsums) == 1 else f"Einsums {', '.join(einsums)} need"
        what = f"{array} of {hardware.name} cannot do {operation}, which {needed}"
        remedy = remedy_for(operation, hardware.arrays[array], cascade.operators)
        yield problem_at(hardware, f"arrays.{array}.ops", what, f"place it on another array, or {remedy}")
