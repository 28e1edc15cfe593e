"""Which point of a small instance needs which other points.

Instance -> Dependence: all points in an order that respects the data, each with its ancestors as a bit set.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

from attnsim.analysis.instance import Instance, Place

Element = tuple[str, tuple[int, ...]]


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
        for element in (element for element in point.reads if element >= 0):
            mine |= behind[element]
        ancestors.append(mine)
        for element in point.writes:
            behind[element] |= mine | (1 << number)
    return tuple(ancestors)
