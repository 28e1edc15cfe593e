"""Graphs to measure the engines on: a random one that uses every kind of resource, and a periodic pipeline."""

from __future__ import annotations

import numpy as np

from attnsim.engine.fold import FoldedProgram
from attnsim.taskgraph import GraphBuilder, Int64, Pool, Resource, TaskGraph, graph_from_arrays, links_from

RESOURCES = (
    Resource(name="array", kind="fifo"),
    Resource(name="vector units", kind="fifo", instances=4),
    Resource(name="devices", kind="fifo", instances=8, servers=2),
    Resource(name="dma engines", kind="fifo", servers=16),
    Resource(name="dram", kind="shared", capacity=1e12),
    Resource(name="l2", kind="shared", capacity=4e12, per_flow_cap=1e12, slots=12),
    Resource(name="sms", kind="shared", instances=16, capacity=1e12, per_flow_cap=6e11, slots=4),
)
POOLS = (Pool(name="buffers", amount=64), Pool(name="credits", amount=40), Pool(name="pages", amount=500))
WINDOW = 400


def random_graph(tasks: int, seed: int = 1) -> TaskGraph:
    """A graph of `tasks` tasks: two predecessors on average, a tenth with tokens, a twentieth tied to another task."""
    rng = np.random.default_rng(seed)
    resource = rng.integers(0, len(RESOURCES), tasks)
    work = rng.integers(0, 2000, tasks)
    work[rng.random(tasks) < 0.05] = 0
    resource[(work == 0) & (rng.random(tasks) < 0.5)] = -1
    ids = np.arange(tasks)
    affinity, tied_rows = _affinity(rng, resource)
    counts = np.minimum(rng.integers(1, 4, tasks), ids)
    rows = np.repeat(ids, counts)
    preds = np.maximum(rows - rng.integers(1, WINDOW, len(rows)), 0)
    rows, preds = np.concatenate([rows, tied_rows]), np.concatenate([preds, affinity[tied_rows]])
    taken_rows = np.flatnonzero(rng.random(tasks) < 0.1)
    taken = links_from(
        _starts(taken_rows, tasks),
        rng.integers(0, len(POOLS), len(taken_rows)),
        rng.integers(1, 8, len(taken_rows)),
    )
    return graph_from_arrays(
        RESOURCES,
        resource,
        work,
        pools=POOLS,
        preds=links_from(_starts(rows, tasks), preds[np.argsort(rows, kind="stable")]),
        priority=np.where(rng.random(tasks) < 0.1, rng.integers(-2, 3, tasks), 0),
        affinity=affinity,
        acquire=taken,
        release=taken,
    )


def _affinity(rng: np.random.Generator, resource: Int64) -> tuple[Int64, Int64]:
    """For a twentieth of the tasks, the task before them in their group; and the rows of these tasks."""
    affinity = np.full(len(resource), -1)
    for group in range(len(RESOURCES)):
        members = np.flatnonzero(resource == group)
        affinity[members[1:]] = np.where(rng.random(max(len(members) - 1, 0)) < 0.05, members[:-1], -1)
    return affinity, np.flatnonzero(affinity >= 0)


def _starts(rows: Int64, tasks: int) -> Int64:
    return np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=tasks))])


def periodic_program(trips: tuple[int, int]) -> FoldedProgram:
    """Blocks of tiles: a block is loaded, then each of its tiles is loaded into one of two buffers and worked on."""
    return FoldedProgram(trips=trips, build=_build_blocks, tasks=lambda trips: trips[0] * (1 + 3 * trips[1]))


def _build_blocks(trips: tuple[int, ...]) -> TaskGraph:
    graph = GraphBuilder()
    dram = graph.resource("dram", "shared", capacity=1e12)
    array, vector = graph.resource("array"), graph.resource("vector")
    buffers, blocks = graph.pool("buffers", 2), graph.pool("blocks", 2)
    reduced: list[int] = []
    for _ in range(trips[0]):
        block = graph.task(dram, 5000, acquire=[(blocks, 1)])
        for tile in range(trips[1]):
            load = graph.task(dram, 900, [block], acquire=[(buffers, 1)])
            multiplied = graph.task(array, 1000, [load], release=[(buffers, 1)])
            last = [(blocks, 1)] if tile == trips[1] - 1 else []
            reduced = [graph.task(vector, 700, [multiplied, *reduced], release=last)]
    return graph.build()
