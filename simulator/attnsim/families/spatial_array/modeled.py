"""Task graph of a phase from its data dependencies: what the published assumption leaves out.

Every stage of every tile waits for the values it reads: from other stages (a reduction must be complete, a state must be that
of the iteration before), from memory (double-buffered blocks), and through the 2D array's pipeline, which takes one cycle per
row to fill or to drain whenever a value crosses from one array to another. `in_flight` bounds the tiles at work at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from attnsim.einsum.ast import Access
from attnsim.families.spatial_array.bound import BoundPhase, BoundWorkload
from attnsim.families.spatial_array.nest import MergedLoop, Point, cycles_to_ps, happens, key, points, positions
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
    preds: list[Name] = field(default_factory=list)
    acquire: list[tuple[int, int]] = field(default_factory=list)
    release: list[tuple[int, int]] = field(default_factory=list)
    block: Point = ()


class _Nest:
    """The tasks of one phase by name while they are collected."""

    def __init__(
        self, bound: BoundWorkload, phase: BoundPhase, loops: tuple[MergedLoop, ...], trips: tuple[int, ...]
    ) -> None:
        self.bound, self.phase, self.loops, self.trips = bound, phase, loops, trips
        self.graph = GraphBuilder()
        self.resources = PhaseResources(self.graph, bound.hardware)
        self.records: dict[Name, _Record] = {}
        self.at = {stage.einsum.name: positions(loops, stage.each) for stage in phase.stages}
        self.stage = {stage.einsum.name: stage for stage in phase.stages}
        self.block_depth = _block_depth(self)
        self.pools: dict[str, int] = {}

    def tile(self, point: Point) -> int:
        """Sequence number of a tile."""
        number = 0
        for index, trip in zip(point, self.trips, strict=True):
            number = number * trip + index
        return number

    def block(self, point: Point) -> Point:
        """The group of tiles that is admitted together: the loops outside every loop with a full reduction."""
        return point[: self.block_depth]


def build_modeled(
    bound: BoundWorkload, phase: BoundPhase, loops: tuple[MergedLoop, ...], trips: tuple[int, ...]
) -> TaskGraph:
    """The phase's graph with the given trip counts."""
    nest = _Nest(bound, phase, loops, trips)
    loads = _loads(nest)
    _enter(nest)
    for point in points(trips):
        for stage in phase.stages:
            if happens(nest.at[stage.einsum.name], stage.late, point, trips):
                _stage(nest, stage, point, loads)
    _leave(nest)
    _free_blocks(nest, loads)
    _stores(nest)
    return _emit(nest)


def _stage(nest: _Nest, stage: Stage, point: Point, loads: dict[str, list[tuple[int, Transfer]]]) -> None:
    name = stage.einsum.name
    preds: list[Name] = [("enter", "", nest.block(point))]
    for access in stage.einsum.inputs:
        preds += _produced(nest, stage, access, point)
        preds += [("load", str(i), key(positions(nest.loops, m.each), point)) for i, m in loads.get(access.tensor, [])]
    nest.records["stage", name, key(nest.at[name], point)] = _Record(
        resource=nest.resources.arrays[stage.array],
        work=cycles_to_ps(float(stage.cycles), nest.bound.hardware.clock_hz),
        priority=nest.tile(point),
        origin=(name, nest.tile(point), "stage"),
        preds=list(dict.fromkeys(preds)),
        block=nest.block(point),
    )


def _produced(nest: _Nest, stage: Stage, access: Access, point: Point) -> list[Name]:
    """The task that makes the value read at `point`, or the pipeline it has to cross; nothing before the first state."""
    producer = nest.stage.get(access.tensor)
    if producer is None:
        return []
    source = _source_point(nest, producer, access, point)
    if source is None:
        return []
    made: Name = ("stage", access.tensor, key(nest.at[access.tensor], source))
    skew = _skew_cycles(nest, producer.array, stage.array)
    if not skew:
        return [made]
    wire: Name = ("wire", f"{access.tensor}>{stage.array}", made[2])
    if wire not in nest.records:
        nest.records[wire] = _Record(
            resource=nest.resources.latency,
            work=cycles_to_ps(skew, nest.bound.hardware.clock_hz),
            priority=nest.tile(source),
            origin=(wire[1], nest.tile(source), "wire"),
            preds=[made],
        )
    return [wire]


def _source_point(nest: _Nest, producer: Stage, access: Access, point: Point) -> Point | None:
    """Iteration of the producer whose value is read: the last of reduced loops, the one before for an old state."""
    space = nest.phase.space
    kept = space.loops_of(producer.einsum.output.variables)
    old = access.tensor in space.states and any(
        set(index.variables) & space.iterative and index.offset <= 0 for index in access.indices
    )
    state_loops = space.loops_of(v for v in space.iterative if v in space.parts) - space.batch
    source = list(point)
    for i, loop in enumerate(nest.loops):
        if loop.parts[0] in producer.each and loop.parts[0] not in kept:
            source[i] = nest.trips[i] - 1
        elif old and loop.parts[0] in state_loops:
            source[i] -= 1
            if source[i] < 0:
                return None
    return tuple(source)


def _skew_cycles(nest: _Nest, source: str, target: str) -> int:
    if source == target:
        return 0
    shapes = [nest.bound.hardware.arrays[name].shape for name in (source, target)]
    return max((shape[0] for shape in shapes if len(shape) == 2), default=0)


def _block_depth(nest: _Nest) -> int:
    """Number of leading loops outside every loop over which some stage waits for a complete reduction."""
    depth = len(nest.loops)
    for stage in nest.phase.stages:
        for access in stage.einsum.inputs:
            producer = nest.stage.get(access.tensor)
            if producer is None:
                continue
            kept = nest.phase.space.loops_of(producer.einsum.output.variables)
            waited = (producer.each - kept) & stage.each
            depths = [i for i, loop in enumerate(nest.loops) if loop.parts[0] in waited]
            depth = min([depth, *depths])
    return depth


def _enter(nest: _Nest) -> None:
    """One admission per block of tiles, limited by `in_flight`."""
    pool = nest.graph.pool("in_flight", nest.phase.in_flight)
    nest.pools["in_flight"] = pool
    for point in points(nest.trips[: nest.block_depth]):
        first = nest.tile(point + (0,) * (len(nest.trips) - nest.block_depth))
        nest.records["enter", "", point] = _Record(
            resource=NO_RESOURCE, work=0, priority=first, origin=("enter", first, "join"), acquire=[(pool, 1)]
        )


def _leave(nest: _Nest) -> None:
    members: dict[Point, list[Name]] = {}
    for name, record in nest.records.items():
        if name[0] == "stage":
            members.setdefault(record.block, []).append(name)
    enters = [name for name in nest.records if name[0] == "enter"]
    for enter in enters:
        tasks = members.get(enter[2], [])
        nest.records["leave", "", enter[2]] = _Record(
            resource=NO_RESOURCE,
            work=0,
            priority=nest.records[enter].priority,
            origin=("leave", nest.records[enter].priority, "join"),
            preds=tasks or [enter],
            release=[(nest.pools["in_flight"], 1)],
        )


def _loads(nest: _Nest) -> dict[str, list[tuple[int, Transfer]]]:
    """Load tasks of every transfer out of a memory with bandwidth, in order of first need; (number, transfer) by tensor."""
    found: dict[str, list[tuple[int, Transfer]]] = {}
    for number, move in enumerate(nest.phase.transfers):
        memories = transfer_memories(move, nest.resources)
        if not memories or move.late or not transfer_bytes(move, nest.bound.hardware):
            continue
        found.setdefault(move.tensor, []).append((number, move))
        pool = nest.graph.pool(f"blocks of {move.tensor} {number}", _copies(nest, move))
        nest.pools[f"load {number}"] = pool
        at = positions(nest.loops, move.each)
        for point in points(nest.trips):
            if happens(at, False, point, nest.trips):
                nest.records["load", str(number), key(at, point)] = _Record(
                    resource=memories[0],
                    work=transfer_bytes(move, nest.bound.hardware),
                    priority=nest.tile(point),
                    origin=(move.tensor, nest.tile(point), "load"),
                    acquire=[(pool, 1)],
                    preds=_made_before(nest, move, point),
                )
    return found


def _made_before(nest: _Nest, move: Transfer, point: Point) -> list[Name]:
    """A spilled value must have been made before it can be read back."""
    if move.tensor not in nest.stage:
        return []
    return [("stage", move.tensor, key(nest.at[move.tensor], point))]


def _copies(nest: _Nest, move: Transfer) -> int:
    """Two blocks (one in use, one arriving) when the memory has room for twice its demand, else what the mapping says."""
    demand = next((d for d in nest.phase.demands if d.memory == move.target), None)
    if demand is None or demand.capacity_bytes is None:
        return 2
    return 2 if 2 * demand.total_bytes <= demand.capacity_bytes else 1


def _free_blocks(nest: _Nest, loads: dict[str, list[tuple[int, Transfer]]]) -> None:
    """A loaded block is given back when every stage that reads it is done."""
    readers: dict[Name, list[Name]] = {}
    for name, record in nest.records.items():
        if name[0] == "stage":
            for pred in record.preds:
                if pred[0] == "load":
                    readers.setdefault(pred, []).append(name)
    for load in [name for name in nest.records if name[0] == "load"]:
        nest.records["free", load[1], load[2]] = _Record(
            resource=NO_RESOURCE,
            work=0,
            priority=nest.records[load].priority,
            origin=("free", nest.records[load].origin[1], "join"),
            preds=readers.get(load, [load]),
            release=[(nest.pools[f"load {load[1]}"], 1)],
        )


def _stores(nest: _Nest) -> None:
    for number, move in enumerate(nest.phase.transfers):
        memories = transfer_memories(move, nest.resources)
        size = transfer_bytes(move, nest.bound.hardware)
        if not memories or not move.late or not size or move.tensor not in nest.stage:
            continue
        at = positions(nest.loops, move.each)
        for point in points(nest.trips):
            if happens(at, True, point, nest.trips):
                nest.records["store", str(number), key(at, point)] = _Record(
                    resource=memories[0],
                    work=size,
                    priority=nest.tile(point),
                    origin=(move.tensor, nest.tile(point), "store"),
                    preds=[("stage", move.tensor, key(nest.at[move.tensor], point))],
                )


def _emit(nest: _Nest) -> TaskGraph:
    ids = {name: i for i, name in enumerate(nest.records)}
    for record in nest.records.values():
        nest.graph.task(
            record.resource,
            record.work,
            _known(ids, record.preds),
            priority=record.priority,
            acquire=record.acquire,
            release=record.release,
            origin=record.origin,
        )
    return nest.graph.build()


def _known(ids: dict[Name, int], names: Iterable[Name]) -> list[int]:
    return [ids[name] for name in names]
