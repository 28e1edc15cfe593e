"""Traversals of fibers, and how often a fiber must have been gone over before one of them can begin.

(Dependence, Lineage) -> traversals with their level. A *traversal* is what one Einsum does along a rank with all its
other rank variables held still. It goes over a fiber *again* if each of its points needs all other elements of the
fiber to have been read before: it begins only when nothing of the fiber is left to be seen for the first time (FuseMax,
MICRO 2024, section III: a read-read dependency). Its level is one more than the level at which those reads can be had.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from attnsim.analysis.carriers import Variables
from attnsim.analysis.dependence import Dependence
from attnsim.analysis.lineage import Lineage

Fiber = tuple[str, tuple[int, ...]]
Key = tuple[int, int]
"""Operation and points (bit set) of a traversal."""
Lines = Mapping[int, int]
"""By point: the elements of a fiber that the point stands for, a bit set."""
Readers = defaultdict[tuple[int, int], int]
"""By element and level: the points that read the element in a traversal of that level or a higher one, a bit set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traversal:
    """Points of one operation along the rank (bit set), and what they stand for in each fiber.

    direct: tensors that it reads itself. first, last: in data order. common: what all of its points need, a bit set.
    `long` are the fibers of which no traversal like it has more, nor more points. Under a mask a fiber may be so short
    that one tile holds it all; what is true of that one says nothing about fibers of any length.
    """

    operation: int
    points: int
    fibers: Mapping[Fiber, Lines]
    long: frozenset[Fiber]
    direct: frozenset[str]
    first: int
    last: int
    common: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How many times the traversal's fibers have been gone over when it ends.

    Above level 1, `before` is a traversal that has to be over and `fiber` what both go over; `plain` is 3 if both read
    the fiber's tensor itself and not only what was made of it, 2 if only the later one does, 1 if only the earlier one.
    """

    count: int = 1
    before: int | None = None
    fiber: Fiber | None = None
    plain: int = -1


def traversals(graph: Dependence, rank_lineage: Lineage, slack: int) -> tuple[Traversal, ...]:
    """All traversals of at least two elements of a fiber, ordered by their first point."""
    grouped: dict[tuple[int, Variables, tuple[tuple[str, int], ...]], list[int]] = defaultdict(list)
    for number, variables in rank_lineage.fibers:
        point = graph.points[number]
        still = tuple(item for item in point.values.items() if item[0] not in variables)
        grouped[point.operation, variables, still].append(number)
    lengths: dict[tuple[int, Variables, str], int] = defaultdict(int)
    steps: dict[tuple[int, Variables, str], int] = defaultdict(int)
    found: list[tuple[int, Variables, Fiber, int, Lines]] = []
    for (operation, variables, _), numbers in grouped.items():
        for fiber, length, lines in _lines(rank_lineage, variables, numbers):
            found.append((operation, variables, fiber, length, lines))
            kind = operation, variables, fiber[0]
            lengths[kind], steps[kind] = max(length, lengths[kind]), max(len(lines), steps[kind])
    fibers: dict[Key, dict[Fiber, Lines]] = defaultdict(dict)
    long: dict[Key, set[Fiber]] = defaultdict(set)
    for operation, variables, fiber, length, lines in found:
        key = operation, sum(1 << number for number in lines)
        fibers[key][fiber] = lines
        kind = operation, variables, fiber[0]
        if length >= lengths[kind] - slack and len(lines) >= steps[kind] - slack:
            long[key].add(fiber)
    made = (_traversal(graph, operation, points, fibers[operation, points], long) for operation, points in fibers)
    return tuple(sorted(made, key=lambda t: (t.first, t.last, t.operation)))


def _traversal(
    graph: Dependence, operation: int, points: int, fibers: Mapping[Fiber, Lines], long: Mapping[Key, set[Fiber]]
) -> Traversal:
    numbers = list(_bits(points))
    common = graph.ancestors[numbers[0]]
    for number in numbers:
        common &= graph.ancestors[number]
    return Traversal(
        operation=operation,
        points=points,
        fibers=fibers,
        long=frozenset(long[operation, points]),
        direct=frozenset(place.tensor for place in graph.instance.operations[operation].reads),
        first=numbers[0],
        last=numbers[-1],
        common=common,
    )


def _lines(rank_lineage: Lineage, variables: Variables, numbers: list[int]) -> Iterator[tuple[Fiber, int, Lines]]:
    """The fibers of which the points stand for at least two elements, with how many, and those of each point."""
    touched = 0
    for number in numbers:
        touched |= rank_lineage.fibers[number, variables]
    for fiber, mask in rank_lineage.masks.items():
        length = (touched & mask).bit_count()
        if length < 2:
            continue
        lines = {number: rank_lineage.fibers[number, variables] & mask for number in numbers}
        yield fiber, length, {number: line for number, line in lines.items() if line}


def pass_levels(found: tuple[Traversal, ...], graph: Dependence, slack: int) -> tuple[Level, ...]:
    """The level of each traversal. Fibers that agree but for `slack` elements (the ends of a scan) are the same."""
    readers: dict[Fiber, Readers] = defaultdict(lambda: defaultdict(int))
    levels: list[Level] = []
    for number, traversal in enumerate(found):
        forced = {
            fiber: _forced_level(traversal.fibers[fiber], graph, readers[fiber], slack) for fiber in traversal.long
        }
        count = max(forced.values(), default=1)
        shared = tuple(fiber for fiber, level in forced.items() if level == count)
        before = (n for n in range(number) if levels[n].count == count - 1)
        level = _explained(found, tuple(before), number, shared, graph, count) if count > 1 else Level()
        levels.append(level)
        for fiber, lines in traversal.fibers.items():
            _register(readers[fiber], lines, level.count)
    return tuple(levels)


def _register(readers: Readers, lines: Lines, count: int) -> None:
    for point, line in lines.items():
        for element, level in product(_bits(line), range(1, count + 1)):
            readers[element, level] |= 1 << point


def _forced_level(lines: Lines, graph: Dependence, readers: Readers, slack: int) -> int:
    """1 + the highest level at which all of the fiber has been read before any point of the traversal."""
    union = 0
    for line in lines.values():
        union |= line
    again = set(_bits(union))
    level = 1
    while True:
        at_level = [(element, read_by) for (element, at), read_by in readers.items() if at == level]
        seen = {element for element, read_by in at_level if _seen(lines, graph, element, read_by)}
        if len(again & seen) < 2 or len(again - seen) > slack or len(seen - again) > slack:
            return level
        level += 1


def _seen(lines: Lines, graph: Dependence, element: int, read_by: int) -> bool:
    """Whether each point needs a point in `read_by`, or stands for the element itself."""
    return all(graph.ancestors[point] & read_by or line >> element & 1 for point, line in lines.items())


def _explained(
    found: tuple[Traversal, ...],
    before: tuple[int, ...],
    number: int,
    shared: tuple[Fiber, ...],
    graph: Dependence,
    count: int,
) -> Level:
    """The level with the traversal and the fiber that are plainest to see, of several the latest.

    Points of unlike traversals may have read the fiber between them, as where a mask leaves a tile two points. Nothing
    goes over again what no traversal went over.
    """
    later = found[number]
    needed = 0
    for point in _bits(later.points):
        needed |= graph.ancestors[point]
    told = [
        (precedes(found[n], later), _plainness(found[n], later, fiber), n, fiber)
        for n in before
        for fiber in shared
        if fiber in found[n].fibers and found[n].points & needed
    ]
    if not told:
        return Level()
    _, plain, chosen, fiber = max(told)
    return Level(count=count, before=chosen, fiber=fiber, plain=plain)


def _plainness(earlier: Traversal, later: Traversal, fiber: Fiber) -> int:
    return (fiber[0] in earlier.direct) + 2 * (fiber[0] in later.direct)


def precedes(earlier: Traversal, later: Traversal) -> bool:
    """Whether every point of `later` needs every point of `earlier`."""
    return earlier.points & later.common == earlier.points


def sweep_levels(found: tuple[Traversal, ...], levels: tuple[Level, ...]) -> tuple[int, ...]:
    """For each traversal the first loop over the rank in which it can run, whatever data the loops before it go
    over."""
    sweeps: list[int] = []
    for number, later in enumerate(found):
        before = (n for n in range(number) if later.long and found[n].long)
        after = max((sweeps[n] for n in before if precedes(found[n], later)), default=0)
        sweeps.append(max(1 + after, levels[number].count))
    return tuple(sweeps)


def _bits(bits: int) -> Iterator[int]:
    """Numbers of the bits that are set, lowest first."""
    while bits:
        yield (bits & -bits).bit_length() - 1
        bits &= bits - 1
