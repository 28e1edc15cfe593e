"""Dependencies between the stages of a phase: which iteration of the producer is read at which iteration of the
consumer.

For each loop of the nest the source iteration is the same one, the last one (a complete reduction) or the one before
(an old state); a value that leaves a 2D array for another array takes one cycle per row.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from attnsim.einsum.ast import Access
from attnsim.families.spatial_array.bound import BoundPhase
from attnsim.families.spatial_array.nest import MergedLoop, Point, positions
from attnsim.families.spatial_array.residency import Transfer
from attnsim.families.spatial_array.space import Space, reads_old_state
from attnsim.families.spatial_array.stages import Stage
from attnsim.specs.spatial_array import SpatialArray


class Reads(Enum):
    """Which index of one loop a consumer reads; FIRST where the producer does not walk the loop."""

    SAME = 0
    FIRST = 1
    LAST = 2
    BEFORE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A stage on array `target` reads what `producer` makes, `drain_cycles` later; `reads` has an entry per loop."""

    producer: str
    reads: tuple[Reads, ...]
    drain_cycles: int
    target: str

    def source(self, point: Point, trips: Point) -> Point | None:
        """The producer's iteration that is read at `point`; None before the first state."""
        indices = []
        for rule, index, trip in zip(self.reads, point, trips, strict=True):
            if rule is Reads.SAME:
                indices.append(index)
            elif rule is Reads.FIRST:
                indices.append(0)
            elif rule is Reads.LAST:
                indices.append(trip - 1)
            elif index:
                indices.append(index - 1)
            else:
                return None
        return tuple(indices)


def stage_edges(
    stage: Stage, phase: BoundPhase, loops: tuple[MergedLoop, ...], hardware: SpatialArray
) -> tuple[Edge, ...]:
    """Edges into a stage from the other stages of its phase."""
    stages = {other.einsum.name: other for other in phase.stages}
    edges = [
        _edge(stage, stages[access.tensor], access, phase.space, loops, hardware)
        for access in stage.einsum.inputs
        if access.tensor in stages and not _reads_start(access, phase.space)
    ]
    return tuple(dict.fromkeys(edges))


def _reads_start(access: Access, space: Space) -> bool:
    """Whether an access reads an old state of which there is only the initial value, as its loop runs once."""
    along = space.states.get(access.tensor, frozenset[str]())
    return reads_old_state(access, space) and all(space.trip(part) == 1 for v in along for part in space.parts[v])


def _edge(
    stage: Stage, producer: Stage, access: Access, space: Space, loops: tuple[MergedLoop, ...], hardware: SpatialArray
) -> Edge:
    indexed = space.loops_of(access.variables)
    old = reads_old_state(access, space)
    state_loops = space.loops_of(space.states.get(access.tensor, ())) - space.batch
    reads = []
    for loop in loops:
        part = loop.parts[0]
        if part not in producer.each:
            reads.append(Reads.FIRST)
        elif part not in indexed:
            # A reduction, or the state after the last iteration (`RD[M1,p]`): complete only then.
            reads.append(Reads.LAST)
        elif old and part in state_loops:
            reads.append(Reads.BEFORE)
        else:
            reads.append(Reads.SAME)
    shape = hardware.arrays[producer.array].shape
    drained = producer.array != stage.array and len(shape) > 1
    return Edge(
        producer=producer.einsum.name,
        reads=tuple(reads),
        drain_cycles=shape[0] if drained else 0,
        target=stage.array,
    )


def block_depth(phase: BoundPhase, loops: tuple[MergedLoop, ...]) -> int:
    """Number of leading loops outside every loop over which some stage waits for a complete reduction.

    Tiles below them must be at work together, whatever `in_flight` says.
    """
    stages = {stage.einsum.name: stage for stage in phase.stages}
    depth = len(loops)
    pairs = [(access, stage) for stage in phase.stages for access in stage.einsum.inputs if access.tensor in stages]
    for access, stage in pairs:
        if reads_old_state(access, phase.space):
            continue
        producer = stages[access.tensor]
        reduced = producer.each - phase.space.loops_of(access.variables)
        unwalked = stage.each - producer.each if producer.late else frozenset[str]()
        waited = (reduced & stage.each) | unwalked
        depth = min([depth, *(i for i, loop in enumerate(loops) if loop.parts[0] in waited)])
    return depth


def loads_of(
    stage: Stage, loads: dict[int, Transfer], loops: tuple[MergedLoop, ...]
) -> tuple[tuple[int, tuple[bool, ...]], ...]:
    """(number, walked loops) of the loads that a stage has to wait for."""
    tensors = {access.tensor for access in stage.einsum.inputs}
    return tuple(
        (number, positions(loops, move.each))
        for number, move in loads.items()
        if move.tensor in tensors and (not move.readers or stage.einsum.name in move.readers)
    )
