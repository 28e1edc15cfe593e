"""The chain of Einsums that forces the passes over a rank, to be told to people.

(Dependence, traversals, levels) -> Rereads. Of several chains of the same length the plainest is told: one whose steps
read the same tensor by name.
"""

from __future__ import annotations

from dataclasses import dataclass

from attnsim.analysis.dependence import Dependence
from attnsim.analysis.traversals import Level, Traversal


@dataclass(frozen=True, slots=True, kw_only=True)
class Reread:
    """One more pass: `first` goes over all of `fiber_of`, `path` leads from it to `again`, which goes over it again."""

    fiber_of: str
    first: str
    path: tuple[str, ...]
    again: str


def highest(levels: tuple[Level, ...]) -> int:
    """The highest level, 1 if there are none."""
    return max((level.count for level in levels), default=1)


def witness(graph: Dependence, found: tuple[Traversal, ...], levels: tuple[Level, ...]) -> tuple[Reread, ...]:
    """Walk back from the plainest traversal with the highest level."""
    if highest(levels) == 1:
        return ()
    current = max(range(len(found)), key=lambda n: (levels[n].count, levels[n].plain, -n))
    chain: list[Reread] = []
    while (before := levels[current].before) is not None:
        fiber = levels[current].fiber
        assert fiber is not None
        chain.append(_reread(graph, found[before], found[current], fiber[0]))
        current = _maker(graph, found, levels, before, fiber[0])
    return tuple(reversed(chain))


def _maker(graph: Dependence, found: tuple[Traversal, ...], levels: tuple[Level, ...], reader: int, tensor: str) -> int:
    """The traversal that makes the tensor in the same pass as `reader` reads it, or `reader` if none."""
    makers = (
        number
        for number in range(reader)
        if graph.instance.operations[found[number].operation].name == tensor
        and levels[number].count == levels[reader].count
        and levels[number].plain > levels[reader].plain
    )
    return next(makers, reader)


def _reread(graph: Dependence, earlier: Traversal, later: Traversal, tensor: str) -> Reread:
    operations = graph.instance.operations
    return Reread(
        fiber_of=tensor,
        first=operations[earlier.operation].name,
        path=_path(graph, earlier.last, later.first),
        again=operations[later.operation].name,
    )


def _path(graph: Dependence, start: int, end: int) -> tuple[str, ...]:
    """Einsums on a shortest dependency path between two points, both ends left out."""
    writers: dict[int, list[int]] = {}
    for number, point in enumerate(graph.points):
        for element in point.writes:
            writers.setdefault(element, []).append(number)
    came_from, front = {end: end}, [end]
    while start not in came_from and front:
        steps = [(writer, node) for node in front for e in graph.points[node].reads for writer in writers.get(e, ())]
        front = [writer for writer, _ in steps if writer not in came_from]
        for writer, node in steps:
            came_from.setdefault(writer, node)
    names, node = [], came_from.get(start, end)
    while node != end:
        names.append(graph.instance.operations[graph.points[node].operation].name)
        node = came_from[node]
    return tuple(dict.fromkeys(names))
