"""Passes over each rank: a lower bound for every mapping, from the dependencies alone, with the chain that forces it.

Cascade -> Passes for each rank. The number of passes over a rank is the length of the longest chain of traversals in
which each goes over a fiber that the one before it went over, and begins only when that one is over (FuseMax, MICRO
2024, section III-B). See docs/analysis.md for the definition and the choices in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from attnsim.analysis.canonical import canonical_instance
from attnsim.analysis.dependence import Dependence, dependence, lineage
from attnsim.analysis.ranks import iterative_ranks, leaf_positions, leaf_ranks, rank_names, with_tilings
from attnsim.analysis.traversals import Level, Traversal, pass_levels, sweep_levels, traversals
from attnsim.einsum.ast import Cascade


@dataclass(frozen=True, slots=True, kw_only=True)
class Reread:
    """One more pass: `first` goes over all of `fiber_of`, `path` leads from it to `again`, which goes over it again."""

    fiber_of: str
    first: str
    path: tuple[str, ...]
    again: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """Passes over one rank.

    count: for the extents at hand. growth: passes that each further step of an iterative rank adds, by rank name.
    witness: the rereads that force the count, earliest first, one fewer than passes (of the first steps, if it grows).
    sweep: by Einsum, the first loop over the rank in which it can run; Einsums of different sweeps cannot be fused on
    the rank. keeps: Einsums whose results still run along the rank.
    """

    rank: str
    count: int
    growth: Mapping[str, int]
    witness: tuple[Reread, ...]
    sweep: Mapping[str, int]
    keeps: frozenset[str]


def count_passes(cascade: Cascade, extents: Mapping[str, int]) -> dict[str, Passes]:
    """Passes over every rank but the batch ranks, split ranks and their parts included.

    `extents` matters only where passes grow with an iterative rank, which is then taken at its extent.
    """
    tiled = with_tilings(cascade)
    return {rank: _passes(tiled, rank, extents) for rank in rank_names(tiled)}


def _passes(cascade: Cascade, rank: str, extents: Mapping[str, int]) -> Passes:
    graph, found = _traversals(cascade, rank)
    levels = pass_levels(found, graph, _slack(cascade))
    count = _highest(levels)
    growth = {}
    if count > 1:
        growth = {
            name: step for name in sorted(iterative_ranks(cascade)) if (step := _growth(cascade, rank, name, count))
        }
    for name, step in growth.items():
        small = graph.instance.extents[name]
        count += step * (extents.get(name, small) - small)
    return Passes(
        rank=rank,
        count=max(1, count),
        growth=growth,
        witness=_witness(graph, found, levels),
        sweep=_sweeps(graph, found, levels),
        keeps=frozenset(
            name for name, at in leaf_positions(cascade).items() if set(leaf_ranks(cascade, rank)) <= set(at)
        ),
    )


def _traversals(
    cascade: Cascade, rank: str, stretch: frozenset[str] = frozenset()
) -> tuple[Dependence, tuple[Traversal, ...]]:
    graph = dependence(canonical_instance(cascade, rank, stretch))
    return graph, traversals(graph, lineage(graph, leaf_ranks(cascade, rank)), _slack(cascade))


def _slack(cascade: Cascade) -> int:
    """Along a scan the states before and after each step are fibers of which each lacks an end of the other; so are
    the points that `m <= p` and `m < p` keep."""
    return 1 if cascade.iterations or any(einsum.conditions for einsum in cascade.einsums) else 0


def _highest(levels: tuple[Level, ...]) -> int:
    return max((level.count for level in levels), default=1)


def _growth(cascade: Cascade, rank: str, iterative: str, count: int) -> int:
    """Passes that one more step of the iterative rank adds."""
    if iterative in leaf_ranks(cascade, rank):
        return 0
    graph, found = _traversals(cascade, rank, frozenset({iterative}))
    return _highest(pass_levels(found, graph, _slack(cascade))) - count


def _sweeps(graph: Dependence, found: tuple[Traversal, ...], levels: tuple[Level, ...]) -> dict[str, int]:
    sweeps: dict[str, int] = {}
    for traversal, level in zip(found, sweep_levels(found, levels, graph), strict=True):
        name = graph.instance.operations[traversal.operation].name
        sweeps[name] = max(level, sweeps.get(name, 0))
    return sweeps


def _witness(graph: Dependence, found: tuple[Traversal, ...], levels: tuple[Level, ...]) -> tuple[Reread, ...]:
    """Walk back from the plainest traversal with the highest level."""
    if _highest(levels) == 1:
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
