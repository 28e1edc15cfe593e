"""Which elements of a rank's fibers each point stands for.

(Dependence, leaf ranks) -> Lineage. A point stands for the elements along the rank that it reads, and for those of
which something that it reads was computed at the same coordinate: a tensor computed from a fiber element by element is
that fiber again, it has to be stored or recomputed from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from attnsim.analysis.carriers import Positions, Variables, arrival, carried_positions, own_positions, ways
from attnsim.analysis.dependence import Dependence


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """For each (point, variables that move along the rank): the elements of the rank's fibers that it stands for."""

    fibers: Mapping[tuple[int, Variables], int]
    masks: Mapping[tuple[str, tuple[int, ...]], int]


def lineage(graph: Dependence, leaves: tuple[str, ...]) -> Lineage:
    """Follow the fibers along the rank with the given leaf ranks through every tensor that keeps their coordinate."""
    instance = graph.instance
    own = own_positions(instance, leaves)
    carried = carried_positions(instance, own)
    below: dict[tuple[int, Positions], int] = defaultdict(int)
    fibers: dict[tuple[int, Variables], int] = {}
    moves = [ways(operation, carried) for operation in instance.operations]
    steps = (
        (number, point, way) for number, point in enumerate(graph.points) for way in moves[point.operation].items()
    )
    for number, point, (variables, sources) in steps:
        bits = 0
        for read, positions in sources:
            bits |= _stands_for(graph, point.reads[read], positions, own, below)
        fibers[number, variables] = bits
        arrives = arrival(instance.operations[point.operation], variables)
        for element in point.writes if arrives else ():
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
