"""Which point of a small instance needs which other points, and which tensor elements it stands for.

Instance -> Dependence: the points in an order that respects the data, with the ancestors of each as a bit set, and for
a rank the *lineage* of each point: the elements along the rank that it reads, or whose descendants at the same
coordinate it reads. A tensor computed from a fiber element by element is that fiber again: it has to be stored or
recomputed from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

from attnsim.analysis.instance import Instance, Operation, Place

Element = tuple[str, tuple[int, ...]]
Positions = tuple[int, ...]
Variables = frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point of one operation: `reads` are element numbers, one for each access, -1 where there is nothing."""

    operation: int
    values: Mapping[str, int]
    reads: tuple[int, ...]
    writes: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependence:
    """Points in data order and their ancestors: bit q of `ancestors[p]` says that point p needs point q."""

    instance: Instance
    points: tuple[Point, ...]
    elements: tuple[Element, ...]
    ancestors: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """For each (point, variables that move along the rank): the elements of the rank's fibers that it stands for."""

    fibers: Mapping[tuple[int, Variables], int]
    masks: Mapping[tuple[str, tuple[int, ...]], int]


def dependence(instance: Instance) -> Dependence:
    """Enumerate the instance and close its data dependencies transitively."""
    numbers: dict[Element, int] = {}
    loose = [
        Point(
            operation=number,
            values=values,
            reads=(),
            writes=tuple(_number(numbers, operation.target, at) for at in instance.spread(operation, values)),
        )
        for number, operation in enumerate(instance.operations)
        for values in instance.points(operation)
    ]
    produced = set(numbers.values())
    points = [_with_reads(instance, numbers, produced, point) for point in loose]
    writers: dict[int, list[int]] = defaultdict(list)
    for number, point in enumerate(points):
        for element in point.writes:
            writers[element].append(number)
    order = _data_order(points, writers)
    ordered = tuple(points[number] for number in order)
    return Dependence(
        instance=instance, points=ordered, elements=tuple(numbers), ancestors=_ancestors(ordered, len(numbers))
    )


def _number(numbers: dict[Element, int], place: Place, values: Mapping[str, int]) -> int:
    element = (place.tensor, tuple(coordinate.at(values) for coordinate in place.coordinates))
    return numbers.setdefault(element, len(numbers))


def _with_reads(instance: Instance, numbers: dict[Element, int], produced: set[int], point: Point) -> Point:
    reads = []
    for place in instance.operations[point.operation].reads:
        element = (place.tensor, tuple(coordinate.at(point.values) for coordinate in place.coordinates))
        there = numbers.get(element) in produced or _is_given(instance, element)
        reads.append(numbers.setdefault(element, len(numbers)) if there else -1)
    return Point(operation=point.operation, values=point.values, reads=tuple(reads), writes=point.writes)


def _is_given(instance: Instance, element: Element) -> bool:
    """Whether an element that no point writes exists: an element of an input, or the start of a state."""
    tensor, coordinates = element
    if tensor in instance.states:
        return True
    return tensor in instance.inputs and all(value >= 0 for value in coordinates)


def _data_order(points: list[Point], writers: Mapping[int, list[int]]) -> list[int]:
    sorter: TopologicalSorter[int] = TopologicalSorter()
    for number, point in enumerate(points):
        sorter.add(number, *(writer for element in point.reads for writer in writers.get(element, ())))
    return list(sorter.static_order())


def _ancestors(points: tuple[Point, ...], elements: int) -> tuple[int, ...]:
    behind = [0] * elements
    ancestors = []
    for number, point in enumerate(points):
        mine = 0
        for element in point.reads:
            if element >= 0:
                mine |= behind[element]
        ancestors.append(mine)
        for element in point.writes:
            behind[element] |= mine | (1 << number)
    return tuple(ancestors)


def lineage(graph: Dependence, leaves: tuple[str, ...]) -> Lineage:
    """Follow the fibers along the rank with the given leaf ranks through every tensor that keeps their coordinate."""
    instance = graph.instance
    own = {name: _positions(ranks, leaves) for name, ranks in instance.ranks.items()}
    carried = _carried(instance, {name: at for name, at in own.items() if at})
    below: dict[tuple[int, Positions], int] = defaultdict(int)
    fibers: dict[tuple[int, Variables], int] = {}
    for number, point in enumerate(graph.points):
        operation = instance.operations[point.operation]
        for variables, sources in _ways(operation, carried).items():
            bits = 0
            for read, positions in sources:
                bits |= _stands_for(graph, point.reads[read], positions, own, below)
            fibers[number, variables] = bits
            arrives = _arrival(operation, variables)
            if arrives:
                for element in point.writes:
                    below[element, arrives] |= bits
    return Lineage(fibers=fibers, masks=_masks(graph, own))


def _stands_for(
    graph: Dependence,
    element: int,
    positions: Positions,
    own: Mapping[str, Positions],
    below: Mapping[tuple[int, Positions], int],
) -> int:
    if element < 0:
        return 0
    itself = 1 << element if own.get(graph.elements[element][0]) == positions else 0
    return itself | below.get((element, positions), 0)


def _positions(ranks: tuple[str, ...], leaves: tuple[str, ...]) -> Positions:
    """Where a tensor has all the leaf ranks; empty if it lacks one."""
    if not all(leaf in ranks for leaf in leaves):
        return ()
    return tuple(sorted(ranks.index(leaf) for leaf in leaves))


def _carried(instance: Instance, start: Mapping[str, Positions]) -> dict[str, set[Positions]]:
    """Positions of each tensor that move along the rank, its own ones and those that it has from what it is made of."""
    carried: dict[str, set[Positions]] = defaultdict(set)
    for name, positions in start.items():
        carried[name].add(positions)
    before = -1
    while before != (before := sum(map(len, carried.values()))):
        for operation in instance.operations:
            arrivals = (_arrival(operation, variables) for variables in _ways(operation, carried))
            carried[operation.target.tensor].update(arrival for arrival in arrivals if arrival)
    return carried


def _ways(
    operation: Operation, carried: Mapping[str, Iterable[Positions]]
) -> dict[Variables, list[tuple[int, Positions]]]:
    """The sets of variables with which the operation moves along the rank, each with the reads that do so."""
    ways: dict[Variables, list[tuple[int, Positions]]] = {}
    for read, place in enumerate(operation.reads):
        for positions in sorted(carried.get(place.tensor, ())):
            carriers = [place.coordinates[at].carriers for at in positions if at < len(place.coordinates)]
            if carriers and all(carriers):
                ways.setdefault(frozenset().union(*carriers), []).append((read, positions))
    return ways


def _arrival(operation: Operation, variables: Variables) -> Positions:
    """Positions of the target that move with the variables; empty if one of them is reduced away."""
    coordinates = operation.target.coordinates
    kept = frozenset().union(*(c.carriers for c in coordinates)) if coordinates else frozenset()
    if not variables <= kept:
        return ()
    return tuple(at for at, coordinate in enumerate(coordinates) if coordinate.carriers & variables)


def _masks(graph: Dependence, own: Mapping[str, Positions]) -> dict[tuple[str, tuple[int, ...]], int]:
    """The fibers along the rank: for each tensor and each setting of its other coordinates, the elements as a bit
    set."""
    masks: dict[tuple[str, tuple[int, ...]], int] = defaultdict(int)
    for number, (tensor, coordinates) in enumerate(graph.elements):
        along = own.get(tensor, ())
        if along:
            rest = tuple(value for at, value in enumerate(coordinates) if at not in along)
            masks[tensor, rest] |= 1 << number
    return dict(masks)
