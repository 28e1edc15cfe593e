"""Task graph of a phase from its data dependencies: what the published assumption leaves out.

Every stage of every tile waits for the values it reads: from other stages (a reduction must be complete, a state must
be that of the iteration before), from memory (double-buffered blocks), and through the 2D array's pipeline, which takes
one cycle per row to drain whenever a value leaves it for another array. `in_flight` bounds the tiles at work at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from attnsim.families.spatial_array.bound import BoundPhase, BoundWorkload
from attnsim.families.spatial_array.edges import Edge, block_depth, loads_of, stage_edges
from attnsim.families.spatial_array.nest import (
    TICKS_PER_PS,
    MergedLoop,
    Point,
    cycles_to_ticks,
    happens,
    key,
    points,
    positions,
)
from attnsim.families.spatial_array.residency import Transfer
from attnsim.families.spatial_array.resources import PhaseResources, transfer_bytes, transfer_memories
from attnsim.families.spatial_array.stages import Stage
from attnsim.taskgraph import NO_RESOURCE, GraphBuilder, TaskGraph

Name = tuple[str, str, Point]


@dataclass(slots=True)
class _Record:
    """A task before it has an id; predecessors are names, so that a task may wait for one that is listed later."""

    resource: int
    work: int
    priority: int
    origin: tuple[str, int, str]
    preds: Sequence[Name] = ()
    acquire: tuple[tuple[int, int], ...] = ()
    release: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What every instance of a stage has in common."""

    stage: Stage
    at: tuple[bool, ...]
    resource: int
    work_ticks: int
    edges: tuple[Edge, ...]
    loads: tuple[tuple[int, tuple[bool, ...]], ...]


@dataclass(slots=True)
class _Nest:
    """The tasks of one phase by name while they are collected."""

    bound: BoundWorkload
    phase: BoundPhase
    loops: tuple[MergedLoop, ...]
    trips: Point
    graph: GraphBuilder
    resources: PhaseResources
    depth: int
    records: dict[Name, _Record] = field(default_factory=dict)
    readers: dict[Name, list[Name]] = field(default_factory=dict)
    members: dict[Point, list[Name]] = field(default_factory=dict)


def build_modeled(
    bound: BoundWorkload, phase: BoundPhase, loops: tuple[MergedLoop, ...], trips: tuple[int, ...]
) -> TaskGraph:
    """The phase's graph with the given trip counts, in ticks of 1/TICKS_PER_PS picoseconds."""
    graph = GraphBuilder()
    resources = PhaseResources(graph, bound.hardware, ticks_per_ps=TICKS_PER_PS)
    nest = _Nest(bound, phase, loops, trips, graph, resources, block_depth(phase, loops))
    loads = _loads(nest)
    plans = [_plan(nest, stage, loads) for stage in phase.stages]
    _enter(nest)
    for tile, point in enumerate(points(trips)):
        at_work = [plan for plan in plans if happens(plan.at, plan.stage.late, point, trips)]
        for plan in at_work:
            _stage(nest, plan, tile, point)
    _leave(nest)
    _free_blocks(nest)
    _stores(nest)
    return _emit(nest)


def _plan(nest: _Nest, stage: Stage, loads: dict[int, Transfer]) -> _Plan:
    return _Plan(
        stage=stage,
        at=positions(nest.loops, stage.each),
        resource=nest.resources.arrays[stage.array],
        work_ticks=cycles_to_ticks(float(stage.cycles), nest.bound.hardware.clock_hz),
        edges=stage_edges(stage, nest.phase, nest.loops, nest.bound.hardware),
        loads=loads_of(stage, loads, nest.loops),
    )


def _stage(nest: _Nest, plan: _Plan, tile: int, point: Point) -> None:
    name = plan.stage.einsum.name
    me: Name = ("stage", name, key(plan.at, point))
    block = point[: nest.depth]
    preds: list[Name] = [("enter", "", block)]
    for edge in plan.edges:
        source = edge.source(point, nest.trips)
        if source is not None:
            preds.append(_made(nest, edge, source, tile))
    for number, at in plan.loads:
        load: Name = ("load", str(number), key(at, point))
        preds.append(load)
        nest.readers.setdefault(load, []).append(me)
    nest.records[me] = _Record(plan.resource, plan.work_ticks, tile, (name, tile, "stage"), preds)
    nest.members.setdefault(block, []).append(me)


def _made(nest: _Nest, edge: Edge, source: Point, tile: int) -> Name:
    """The task after which a value can be used: its producer, or the end of its way out of the producer's array."""
    made: Name = ("stage", edge.producer, source)
    if not edge.drain_cycles:
        return made
    wire: Name = ("wire", f"{edge.producer}>{edge.target}", source)
    if wire not in nest.records:
        delay_ticks = cycles_to_ticks(edge.drain_cycles, nest.bound.hardware.clock_hz)
        nest.records[wire] = _Record(nest.resources.latency, delay_ticks, tile, (wire[1], tile, "wire"), [made])
    return wire


def _first_tile(nest: _Nest, point: Point) -> int:
    """Sequence number of the first tile of a block or an event."""
    number = 0
    for i, trip in enumerate(nest.trips):
        number = number * trip + (point[i] if i < len(point) else 0)
    return number


def _enter(nest: _Nest) -> None:
    """One admission per block of tiles, limited by `in_flight`."""
    pool = nest.graph.pool("in_flight", nest.phase.in_flight)
    for block in points(nest.trips[: nest.depth]):
        first = _first_tile(nest, block)
        nest.records["enter", "", block] = _Record(
            NO_RESOURCE, 0, first, ("enter", first, "join"), acquire=((pool, 1),)
        )
        nest.records["leave", "", block] = _Record(
            NO_RESOURCE, 0, first, ("leave", first, "join"), release=((pool, 1),)
        )


def _leave(nest: _Nest) -> None:
    """A block gives its admission back when all its stages are done."""
    for block in points(nest.trips[: nest.depth]):
        nest.records["leave", "", block].preds = nest.members.get(block) or [("enter", "", block)]


def _loads(nest: _Nest) -> dict[int, Transfer]:
    """Load tasks of every transfer out of a memory with bandwidth, outer memories first; transfers by number."""
    found: dict[int, Transfer] = {}
    depth = {name: i for i, name in enumerate(nest.bound.hardware.memories)}
    numbered = sorted(enumerate(nest.phase.transfers), key=lambda item: -depth.get(item[1].source, -1))
    for number, move in numbered:
        memories = transfer_memories(move, nest.resources)
        size = transfer_bytes(move, nest.bound.hardware)
        if not memories or move.late or not size:
            continue
        found[number] = move
        pool = nest.graph.pool(f"blocks of {move.tensor} {number}", _copies(nest, move))
        at = positions(nest.loops, move.each)
        made = _spilled_by(nest, move)
        outer = [
            (n, positions(nest.loops, other.each))
            for n, other in found.items()
            if other.tensor == move.tensor and other.target == move.source
        ]
        for tile, point in _times(nest, at, late=False):
            before: list[Name] = [("stage", move.tensor, key(made, point))] if made else []
            before += [("load", str(n), key(outer_at, point)) for n, outer_at in outer]
            last: Name = ("load", str(number), key(at, point))
            _through(nest, memories[::-1], _Record(0, size, tile, (move.tensor, tile, "load"), before), last, pool)
            nest.records["free", str(number), key(at, point)] = _Record(
                NO_RESOURCE, 0, tile, ("free", tile, "join"), release=((pool, 1),)
            )
    return found


def _times(nest: _Nest, at: tuple[bool, ...], *, late: bool) -> Iterator[tuple[int, Point]]:
    """Tiles at which an event happens, with their points."""
    return ((i, point) for i, point in enumerate(points(nest.trips)) if happens(at, late, point, nest.trips))


def _through(nest: _Nest, memories: Sequence[int], move: _Record, last: Name, pool: int | None) -> None:
    """A move through every memory that it occupies, one after the other; the last one of its tasks is called `last`.

    The first one takes a token of `pool`, if there is one.
    """
    preds = move.preds
    for i, memory in enumerate(memories):
        name: Name = last if memory == memories[-1] else (f"{last[0]} {i}", *last[1:])
        acquire = ((pool, 1),) if pool is not None and i == 0 else ()
        nest.records[name] = _Record(memory, move.work, move.priority, move.origin, preds, acquire=acquire)
        preds = [name]


def _spilled_by(nest: _Nest, move: Transfer) -> tuple[bool, ...] | None:
    """Loops of the stage that makes a value which was spilled and is read back; None for an input of the phase."""
    producer = next((stage for stage in nest.phase.stages if stage.einsum.name == move.tensor), None)
    return positions(nest.loops, producer.each) if producer else None


def _copies(nest: _Nest, move: Transfer) -> int:
    """Blocks held at once: two (one in use, one arriving) where the memory has room for twice its demand, else one."""
    demand = next((d for d in nest.phase.demands if d.memory == move.target), None)
    if demand is None or demand.capacity_bytes is None:
        return 2
    return 2 if 2 * demand.total_bytes <= demand.capacity_bytes else 1


def _free_blocks(nest: _Nest) -> None:
    """A loaded block is given back when every stage that reads it is done."""
    for name, record in nest.records.items():
        if name[0] == "free":
            load: Name = ("load", name[1], name[2])
            record.preds = nest.readers.get(load) or [load]


def _stores(nest: _Nest) -> None:
    made_by = {stage.einsum.name: positions(nest.loops, stage.each) for stage in nest.phase.stages}
    for number, move in enumerate(nest.phase.transfers):
        memories = transfer_memories(move, nest.resources)
        size = transfer_bytes(move, nest.bound.hardware)
        if not memories or not move.late or not size or move.tensor not in made_by:
            continue
        at = positions(nest.loops, move.each)
        for tile, point in _times(nest, at, late=True):
            made: Name = ("stage", move.tensor, key(made_by[move.tensor], point))
            last: Name = ("store", str(number), key(at, point))
            _through(nest, memories, _Record(0, size, tile, (move.tensor, tile, "store"), [made]), last, None)


def _emit(nest: _Nest) -> TaskGraph:
    ids = {name: i for i, name in enumerate(nest.records)}
    for record in nest.records.values():
        nest.graph.task(
            record.resource,
            record.work,
            dict.fromkeys(ids[name] for name in record.preds),
            priority=record.priority,
            acquire=record.acquire,
            release=record.release,
            origin=record.origin,
        )
    return nest.graph.build()
