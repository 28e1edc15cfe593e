"""Task graph of a phase under the published assumption: pipelines never fill or drain, transfers are perfectly hidden.

Within a tile the steps of `overlap` run one after the other, their lanes side by side; every memory moves its bytes
independently of the arrays (FuseMax section VI-A, TeAAL's block rule).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from attnsim.families.spatial_array.bound import BoundPhase, BoundWorkload
from attnsim.families.spatial_array.lanes import Lane
from attnsim.families.spatial_array.nest import TICKS_PER_PS, MergedLoop, Point, happens, points, positions
from attnsim.families.spatial_array.resources import PhaseResources, transfer_bytes, transfer_memories
from attnsim.taskgraph import NO_RESOURCE, GraphBuilder, TaskGraph


def build_compute(
    bound: BoundWorkload, phase: BoundPhase, loops: tuple[MergedLoop, ...], trips: tuple[int, ...]
) -> TaskGraph:
    """The graph of the phase's stages with the given trip counts, in ticks of `tick_cycles`."""
    graph = GraphBuilder()
    resources = PhaseResources(graph, bound.hardware)
    _compute(graph, resources, bound, phase, loops, trips)
    return graph.build()


def tick_cycles(phase: BoundPhase) -> Fraction:
    """The largest fraction of a cycle of which every stage takes a whole number."""
    return Fraction(1, math.lcm(*(stage.cycles.denominator for stage in phase.stages)))


def build_moves(
    bound: BoundWorkload, phase: BoundPhase, loops: tuple[MergedLoop, ...], trips: tuple[int, ...]
) -> TaskGraph:
    """The graph of the phase's transfers with the given trip counts, in ticks of 1/TICKS_PER_PS picoseconds."""
    graph = GraphBuilder()
    resources = PhaseResources(graph, bound.hardware, ticks_per_ps=TICKS_PER_PS)
    _move(graph, resources, bound, phase, loops, trips)
    return graph.build()


def _compute(
    graph: GraphBuilder,
    resources: PhaseResources,
    bound: BoundWorkload,
    phase: BoundPhase,
    loops: tuple[MergedLoop, ...],
    trips: tuple[int, ...],
) -> None:
    stages = {stage.einsum.name: (stage, positions(loops, stage.each)) for stage in phase.stages}
    tick = tick_cycles(phase)
    work = {name: int(stage.cycles / tick) for name, (stage, _) in stages.items()}
    drain = {name: int(array.shape[0] / tick) for name, array in bound.hardware.arrays.items()}

    def lane_tasks(lane: Lane, point: Point, tile: int, ready: list[int]) -> list[int]:
        last = ready
        if lane.drain is not None:
            return [
                graph.task(resources.latency, drain[lane.drain], last, origin=(f"drain {lane.drain}", tile, "drain"))
            ]
        for name in lane.stages:
            stage, at = stages[name]
            if happens(at, stage.late, point, trips):
                last = [graph.task(resources.arrays[stage.array], work[name], last, origin=(name, tile, "stage"))]
        return last

    def tile_tasks(point: Point, tile: int, ready: list[int]) -> list[int]:
        for step in phase.steps:
            ends = [task for lane in step for task in lane_tasks(lane, point, tile, ready)]
            ends = list(dict.fromkeys(ends))
            ready = ends if len(ends) < 2 else [graph.task(NO_RESOURCE, 0, ends, origin=("join", tile, "join"))]
        return ready

    _sweep(graph, tile_tasks, trips, (), 0, [])


def _sweep(
    graph: GraphBuilder,
    tile_tasks: Callable[[Point, int, list[int]], list[int]],
    trips: Point,
    point: Point,
    tile: int,
    ready: list[int],
) -> list[int]:
    """Add the tasks of all tiles below `point`, whose first one is number `tile`; returns what the next one waits for.

    All iterations of a loop but the first and the last are alike and wait for nothing but the one before: from the
    third on they are copies.
    """
    if len(point) == len(trips):
        return tile_tasks(point, tile, ready)
    trip, tiles = trips[len(point)], math.prod(trips[len(point) + 1 :])
    for index in (*range(min(trip, 3)), *range(max(trip - 1, 3), trip)):
        first = graph.task_count
        ready = _sweep(graph, tile_tasks, trips, (*point, index), tile + index * tiles, ready)
        block = graph.task_count - first
        if index == 2 and trip > 4 and block:
            graph.repeat(first, trip - 4, tiles)
            ready = [task + (trip - 4) * block for task in ready]
    return ready


def _move(
    graph: GraphBuilder,
    resources: PhaseResources,
    bound: BoundWorkload,
    phase: BoundPhase,
    loops: tuple[MergedLoop, ...],
    trips: tuple[int, ...],
) -> None:
    last: dict[int, list[int]] = {}
    pairs = [(move, memory) for move in phase.transfers for memory in transfer_memories(move, resources)]
    for move, memory in pairs:
        at = positions(loops, move.each)
        size = transfer_bytes(move, bound.hardware)
        tiles = [i for i, point in enumerate(points(trips)) if happens(at, move.late, point, trips)]
        for tile in tiles:
            last[memory] = [graph.task(memory, size, last.get(memory, []), origin=(move.tensor, tile, "move"))]
