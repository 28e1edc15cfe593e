"""Folded and full simulation of random periodic loop nests agree to the picosecond."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnsim.engine import run
from attnsim.engine.fold import FoldedProgram, run_folded
from attnsim.taskgraph import GraphBuilder, TaskGraph

LARGEST = {1: 600, 2: 24, 3: 9}


@dataclass(frozen=True, slots=True, kw_only=True)
class Nest:
    """A loop nest of tiles: each is loaded into one of `buffers`, then goes through stages (array, picoseconds).

    The first and the last tile of the innermost loop have `edge_ps` more work, each loop outside it loads `block_bytes`
    first if `blocks` says so for its level, the last tile of the innermost loop is stored when `stores`, and with
    `carries` a tile waits for the one before it (a running state).
    """

    stages: tuple[tuple[int, int], ...]
    buffers: int
    tile_bytes: int
    block_bytes: int
    blocks: tuple[bool, ...]
    edge_ps: int
    capacity: float
    shares: bool
    slots: int
    carries: bool
    stores: bool

    def build(self, trips: tuple[int, ...]) -> TaskGraph:
        """The graph of the nest with these trip counts."""
        return Weaver(self, trips).weave()

    def tasks(self, trips: tuple[int, ...]) -> int:
        """About as many tasks as the graph has."""
        count = 1 + len(self.stages)
        for trip in trips:
            count *= trip
        return count


class Weaver:
    """Adds the tasks of a nest to a graph, from the outermost loop to the innermost."""

    def __init__(self, nest: Nest, trips: tuple[int, ...]) -> None:
        self.nest, self.trips = nest, trips
        self.graph = GraphBuilder()
        self.arrays = [self.graph.resource(f"array {number}") for number in range(3)]
        self.dram = self.graph.resource(
            "dram", "shared" if nest.shares else "fifo", capacity=nest.capacity, slots=nest.slots
        )
        self.pool = self.graph.pool("buffers", nest.buffers)
        self.state: list[int] = []

    def weave(self) -> TaskGraph:
        """The whole graph."""
        self.loop(0, [])
        return self.graph.build()

    def loop(self, level: int, needs: list[int]) -> None:
        """One run of the loop at a level, whose tiles need the tasks `needs`."""
        innermost = level == len(self.trips) - 1
        for number in range(self.trips[level]):
            if innermost:
                self.tile(needs, edge=number in (0, self.trips[level] - 1))
            else:
                block = [self.graph.task(self.dram, self.nest.block_bytes)] if self.nest.blocks[level] else []
                self.loop(level + 1, needs + block)
        if innermost and self.nest.stores:
            self.graph.task(self.dram, 2 * self.nest.tile_bytes, self.state)

    def tile(self, needs: list[int], *, edge: bool) -> None:
        """Load a tile and take it through the stages."""
        last = self.graph.task(self.dram, self.nest.tile_bytes, needs, acquire=[(self.pool, 1)])
        before = self.state if self.nest.carries else []
        for number, (array, length_ps) in enumerate(self.nest.stages):
            final = number == len(self.nest.stages) - 1
            work = length_ps + self.nest.edge_ps * edge
            released = [(self.pool, 1)] if final else []
            last = self.graph.task(self.arrays[array], work, [last, *before], release=released)
            before = []
        self.state = [last]


nests = st.builds(
    Nest,
    stages=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 500)), min_size=1, max_size=4).map(tuple),
    buffers=st.integers(1, 4),
    tile_bytes=st.integers(1, 1000),
    block_bytes=st.integers(1, 20_000),
    blocks=st.tuples(st.booleans(), st.booleans()),
    edge_ps=st.sampled_from((0, 1, 97)),
    capacity=st.sampled_from((1e12, 3e11, 7.77e11)),
    shares=st.booleans(),
    slots=st.sampled_from((0, 1, 2)),
    carries=st.booleans(),
    stores=st.booleans(),
)
trip_counts = st.integers(1, 3).flatmap(
    lambda loops: st.lists(st.integers(1, LARGEST[loops]), min_size=loops, max_size=loops).map(tuple)
)


@settings(max_examples=60)
@given(nests, trip_counts)
def test_folded_nests_end_when_the_full_nest_ends(nest: Nest, trips: tuple[int, ...]) -> None:
    folded = run_folded(FoldedProgram(trips=trips, build=nest.build, tasks=nest.tasks), small_tasks=0)
    full = run(nest.build(trips))
    assert folded.exact
    assert folded.makespan_ps == full.makespan_ps
    assert list(folded.busy_ps.values()) == full.busy_ps.tolist()
    assert list(folded.served_ps.values()) == full.served_ps.tolist()


@settings(max_examples=30)
@given(nests, trip_counts)
def test_what_a_small_budget_calls_exact_is_exact(nest: Nest, trips: tuple[int, ...]) -> None:
    folded = run_folded(FoldedProgram(trips=trips, build=nest.build, tasks=nest.tasks), small_tasks=0, max_tasks=600)
    full = run(nest.build(trips))
    assert not folded.exact or folded.makespan_ps == full.makespan_ps
    assert abs(folded.makespan_ps - full.makespan_ps) <= 0.02 * full.makespan_ps


def tricky(stages: tuple[tuple[int, int], ...], **others: object) -> Nest:
    """A nest that one of the checks alone keeps from being folded too early."""
    plain: dict[str, object] = {
        "blocks": (False, False),
        "edge_ps": 0,
        "shares": True,
        "carries": False,
        "stores": False,
    }
    return Nest(stages=stages, **{**plain, **others})  # type: ignore[arg-type]


TRICKY = {
    "loads run ahead until the buffers are full": (
        (414,),
        tricky(
            ((2, 263), (2, 54), (0, 232)),
            buffers=4,
            tile_bytes=15,
            block_bytes=1,
            capacity=1e12,
            slots=1,
            edge_ps=97,
            stores=True,
        ),
    ),
    "loops disturb each other only when all are longer": (
        (16, 17),
        tricky(
            ((2, 151), (2, 362), (1, 482), (0, 296)),
            buffers=2,
            tile_bytes=716,
            block_bytes=11780,
            blocks=(False, True),
            capacity=1e12,
            slots=2,
            shares=False,
        ),
    ),
    "ends grow steadily before the schedule repeats": (
        (15, 22),
        tricky(
            ((0, 123), (2, 226), (2, 5)),
            buffers=3,
            tile_bytes=162,
            block_bytes=15438,
            blocks=(True, False),
            edge_ps=1,
            capacity=7.77e11,
            slots=2,
            carries=True,
        ),
    ),
}


@pytest.mark.parametrize("what", TRICKY)
def test_no_check_is_superfluous(what: str) -> None:
    trips, nest = TRICKY[what]
    folded = run_folded(FoldedProgram(trips=trips, build=nest.build, tasks=nest.tasks), small_tasks=0)
    assert folded.makespan_ps == run(nest.build(trips)).makespan_ps
