"""Traversals of fibers and which of them must be over before which others can begin.

(Dependence, Lineage) -> traversals with their level. A *traversal* is what one Einsum does along a rank with all its
other rank variables held still. Traversal A *precedes* B if every point of B needs every point of A. If besides both go
over the same fiber, then any schedule visits that fiber once more for B (FuseMax, MICRO 2024, section III: a read-read
dependency). The level of a traversal is the number of visits that it is the last of: 1 + the highest level before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from attnsim.analysis.dependence import Dependence, Lineage, Variables

Fiber = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traversal:
    """Points of one operation along the rank (bit set), and the elements that they stand for in each fiber (bit
    sets)."""

    operation: int
    points: int
    fibers: Mapping[Fiber, int]
    direct: frozenset[str]
    common: int = field(repr=False)

    @property
    def first(self) -> int:
        """The earliest point in data order."""
        return (self.points & -self.points).bit_length() - 1

    @property
    def last(self) -> int:
        """The latest point in data order."""
        return self.points.bit_length() - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How many visits a traversal ends. `before` and `fiber` force the last of them; None at level 1."""

    count: int = 1
    before: int | None = None
    plain: int = -1
    fiber: Fiber | None = None


def traversals(graph: Dependence, rank_lineage: Lineage) -> tuple[Traversal, ...]:
    """All traversals of at least two elements of a fiber, ordered by their first point."""
    grouped: dict[tuple[int, Variables, tuple[tuple[str, int], ...]], list[int]] = defaultdict(list)
    for number, variables in rank_lineage.fibers:
        point = graph.points[number]
        still = tuple(item for item in point.values.items() if item[0] not in variables)
        grouped[point.operation, variables, still].append(number)
    found: dict[tuple[int, int], Traversal] = {}
    for (operation, variables, _), numbers in grouped.items():
        for points, fibers in _fibers(rank_lineage, variables, numbers).items():
            known = found.get((operation, points))
            merged = {**known.fibers, **fibers} if known else fibers
            found[operation, points] = _traversal(graph, operation, points, merged)
    return tuple(sorted(found.values(), key=lambda t: (t.first, t.last, t.operation)))


def _fibers(rank_lineage: Lineage, variables: Variables, numbers: list[int]) -> dict[int, dict[Fiber, int]]:
    """By set of points: the fibers that exactly these points go over, with the elements."""
    lines = [(number, rank_lineage.fibers[number, variables]) for number in numbers]
    touched = 0
    for _, line in lines:
        touched |= line
    result: dict[int, dict[Fiber, int]] = defaultdict(dict)
    for fiber, mask in rank_lineage.masks.items():
        elements = touched & mask
        points = sum(1 << number for number, line in lines if line & mask)
        if elements.bit_count() > 1 and points.bit_count() > 1:
            result[points][fiber] = elements
    return result


def _traversal(graph: Dependence, operation: int, points: int, fibers: Mapping[Fiber, int]) -> Traversal:
    common, rest = -1, points
    while rest:
        number = (rest & -rest).bit_length() - 1
        common &= graph.ancestors[number]
        rest &= rest - 1
    direct = frozenset(place.tensor for place in graph.instance.operations[operation].reads)
    return Traversal(operation=operation, points=points, fibers=fibers, direct=direct, common=common)


def precedes(earlier: Traversal, later: Traversal) -> bool:
    """Whether every point of `later` needs every point of `earlier`."""
    return earlier.points & later.common == earlier.points


def shared_fiber(earlier: Traversal, later: Traversal, slack: int) -> tuple[int, Fiber] | None:
    """A fiber that both go over (they may differ by `slack` elements), the one that is plainest to see if several.

    The number says how plain: 3 if both read its tensor, 2 if the later one does, 1 if the earlier one does, else 0.
    """
    shared = [
        fiber
        for fiber, elements in earlier.fibers.items()
        if fiber in later.fibers and _same(elements, later.fibers[fiber], slack)
    ]
    ranked = (((f[0] in earlier.direct) + 2 * (f[0] in later.direct), f) for f in shared)
    return max(ranked, default=None)


def _same(first: int, second: int, slack: int) -> bool:
    both = (first & second).bit_count()
    return both > 1 and (first | second).bit_count() - both <= slack


def pass_levels(found: tuple[Traversal, ...], slack: int) -> tuple[Level, ...]:
    """The level of each traversal, counting only traversals that go over a common fiber again."""
    levels: list[Level] = []
    for number, later in enumerate(found):
        best = Level()
        for candidate in range(number):
            count = levels[candidate].count + 1
            if count < best.count or not precedes(found[candidate], later):
                continue
            shared = shared_fiber(found[candidate], later, slack)
            if shared and (count, shared[0]) >= (best.count, best.plain):
                best = Level(count=count, before=candidate, plain=shared[0], fiber=shared[1])
        levels.append(best)
    return tuple(levels)


def sweep_levels(found: tuple[Traversal, ...]) -> tuple[int, ...]:
    """For each traversal the number of the loop over the rank in which it can run first, whatever data it goes over."""
    levels: list[int] = []
    for number, later in enumerate(found):
        before = (levels[n] for n in range(number) if precedes(found[n], later))
        levels.append(1 + max(before, default=0))
    return tuple(levels)
