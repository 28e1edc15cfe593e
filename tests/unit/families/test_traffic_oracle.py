"""Words moved, against a program that walks the loop nest and remembers which elements each memory holds.

The walker knows nothing of reuse rules: at every tile it asks the innermost memory for the elements that the tile
needs, a memory that holds another block fetches the one that it lacks, and a sum that comes back is read again.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from attnsim.families.base import Assumptions
from attnsim.families.spatial_array.bind import bind
from attnsim.families.spatial_array.bound import BoundWorkload
from attnsim.families.spatial_array.counts import count
from attnsim.specs.cascade import read_cascade
from attnsim.specs.load import load_text
from attnsim.specs.loop_nest import LoopNest as MappingSpec
from attnsim.specs.loop_nest import Phase
from attnsim.specs.mapping_file import Target
from attnsim.specs.spatial_array import SpatialArray
from attnsim.workload import Workload, cascade_step

CASCADE = """
name: product
source: definition
ranks: {B: batch, M: rows, N: columns, K: contracted}
batch: [B]
inputs: A[k,m], W[k,n]
einsums: |
  Z[m,n] = A[k,m] * W[k,n]
outputs: [Z]
"""
HARDWARE = """
name: three_levels
family: spatial_array
source: assumption
clock: 1 GHz
arrays:
  pes:
    shape: [8, 8]
    ops: {mac: {uses: {mac: 1}}}
    units: {mac: {energy: 1 pJ}}
    registers: {depth: 4, read: 1 pJ, write: 1 pJ}
memories:
  local: {access: 2 byte, read: 1 pJ, write: 1 pJ}
  shared: {access: 2 byte, read: 1 pJ, write: 1 pJ}
  dram: {access: 2 byte, read: 1 pJ, write: 1 pJ}
"""
RANKS_OF = {"A": ("K", "M"), "W": ("K", "N"), "Z": ("M", "N")}
MEMORIES = ("local", "shared")
Keep = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Nest:
    """Loops from the outermost with their trips, tile sizes by rank, and memory -> tensor -> loop."""

    order: tuple[str, ...]
    trips: Mapping[str, int]
    tile: Mapping[str, int]
    keep: Keep


def random_nest(draw: st.DrawFn) -> Nest:
    order = draw(st.permutations(["B", "M2", "M1", "N1", "K1"]).filter(lambda o: o.index("M2") < o.index("M1")))
    keep: dict[str, dict[str, str]] = {memory: {} for memory in MEMORIES}
    for tensor in RANKS_OF:
        outer = draw(st.integers(0, len(order) - 1))
        inner = draw(st.integers(outer, len(order) - 1))
        levels = draw(st.sampled_from([(), ("local",), ("shared",), MEMORIES]))
        for memory in levels:
            keep[memory][tensor] = order[outer if memory == "shared" else inner]
    return Nest(
        order=tuple(order),
        trips={loop: draw(st.integers(1, 3)) for loop in order},
        tile={rank: draw(st.integers(1, 3)) for rank in "MNK"},
        keep=keep,
    )


nests = st.composite(random_nest)()


@dataclass
class Walker:
    """What the memories hold while the nest is walked, and the words counted so far."""

    nest: Nest
    held: dict[tuple[str, str], object] = field(default_factory=dict)
    begun: set[tuple[str, object]] = field(default_factory=set)
    words: Counter[str] = field(default_factory=Counter)

    def block(self, tensor: str, point: Mapping[str, int], loop: str | None) -> tuple[object, int]:
        """Identity and words of the block of a tensor below a loop, at a point of the nest; None: below all loops."""
        order = self.nest.order
        fixed = order if loop is None else order[: order.index(loop) + 1]
        mine = [p for p in order if p == "B" or p[0] in RANKS_OF[tensor]]
        size = math.prod(self.nest.tile[rank] for rank in RANKS_OF[tensor])
        size *= math.prod(self.nest.trips[p] for p in mine if p not in fixed)
        return (loop, *((p, point[p]) for p in mine if p in fixed)), size

    def levels(self, tensor: str) -> list[tuple[str, str | None]]:
        kept = [(memory, self.nest.keep[memory][tensor]) for memory in MEMORIES if tensor in self.nest.keep[memory]]
        return [*kept, ("dram", None)]

    def read(self, tensor: str, point: Mapping[str, int]) -> None:
        """A tile is read from the nearest memory; memories that hold another block fetch theirs from the next."""
        levels = self.levels(tensor)
        self.words[f"read {levels[0][0]}"] += self.block(tensor, point, None)[1]
        for (memory, loop), (outer, _) in itertools.pairwise(levels):
            block, size = self.block(tensor, point, loop)
            if self.held.get((memory, tensor)) != block:
                self.held[memory, tensor] = block
                self.words[f"read {outer}"] += size
                self.words[f"written {memory}"] += size

    def update(self, tensor: str, point: Mapping[str, int]) -> None:
        """A tile of sums is taken up in the array; what it displaces, there and in each memory, moves outwards."""
        levels = [("array", None), *self.levels(tensor)]
        for i, ((memory, loop), (outer, _)) in enumerate(itertools.pairwise(levels)):
            block, size = self.block(tensor, point, loop)
            if self.held.get((memory, tensor)) == block:
                continue
            self.held[memory, tensor] = block
            self.words[f"written {outer}"] += size
            if (memory, block) in self.begun:
                self.words[f"read {outer}"] += size
                self.words.update({f"written {memory}": size} if i else {})
            self.begun.add((memory, block))

    def points(self) -> Iterator[dict[str, int]]:
        spans = [range(self.nest.trips[loop]) for loop in self.nest.order]
        return (dict(zip(self.nest.order, point, strict=True)) for point in itertools.product(*spans))


def walk(nest: Nest) -> Counter[str]:
    walker = Walker(nest)
    for point in walker.points():
        walker.read("A", point)
        walker.read("W", point)
        walker.update("Z", point)
    return walker.words


def bind_nest(nest: Nest, tensors: Sequence[str] = ()) -> BoundWorkload:
    cascade = read_cascade(CASCADE)
    extents = {rank: nest.tile[rank] * nest.trips[f"{rank}1"] * nest.trips.get(f"{rank}2", 1) for rank in "MNK"}
    step = cascade_step("product", cascade, {**extents, "B": nest.trips["B"]})
    phase = Phase(
        name="product",
        split={"M": ["M2", "M1", "M0"], "N": ["N1", "N0"], "K": ["K1", "K0"]},
        tile={**{f"{rank}0": nest.tile[rank] for rank in "MNK"}, "M1": nest.trips["M1"]},
        order=list(nest.order),
        place={"pes": ["Z"]},
        keep={memory: dict(kept) for memory, kept in nest.keep.items()},
    )
    mapping = MappingSpec(name="random", target=Target(cascade="product"), phases=[phase])
    bound = bind(
        Workload(label="", steps=(step,)),
        load_text(HARDWARE, SpatialArray),
        {"product": mapping},
        fill_drain=Assumptions().fill_drain,
    )
    assert isinstance(bound, BoundWorkload)
    return bound


@settings(max_examples=400)
@given(nest=nests)
def test_words_read_and_written_are_those_of_a_walk_through_the_nest(nest: Nest) -> None:
    counts = count(bind_nest(nest))
    counted = Counter({f"read {name}": words for name, words in counts.words_read.items() if words})
    counted |= Counter({f"written {name}": words for name, words in counts.words_written.items() if words})
    walked = walk(nest)
    assert {name: round(words) for name, words in counted.items()} == dict(walked)


@given(nest=nests)
def test_every_product_is_made_once(nest: Nest) -> None:
    counts = count(bind_nest(nest))
    assert counts.actions["pes", "mac"] == math.prod(nest.trips.values()) * math.prod(nest.tile.values())
