"""Passes over each rank: a lower bound for every mapping, from the dependencies alone, with the chain that forces it.

Cascade -> Passes for each rank. The number of passes over a rank is the length of the longest chain of traversals in
which each goes over a fiber that the one before it went over, and begins only when that one is over (FuseMax, MICRO
2024, section III-B). See docs/analysis.md for the definition and the choices in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from attnsim.analysis.canonical import canonical_instance
from attnsim.analysis.carriers import carried_positions, comes_back, own_positions, ways
from attnsim.analysis.dependence import Dependence, dependence
from attnsim.analysis.instance import Instance
from attnsim.analysis.lineage import lineage
from attnsim.analysis.ranks import iterative_ranks, leaf_positions, leaf_ranks, rank_names, with_tilings
from attnsim.analysis.traversals import Level, Traversal, pass_levels, sweep_levels, traversals
from attnsim.analysis.witness import Reread, highest, witness
from attnsim.einsum.ast import Cascade


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


def passes_over(cascade: Cascade, rank: str, extents: Mapping[str, int]) -> Passes | None:
    """Passes over one rank, for who needs no other; None if the cascade has no such rank. `extents` as above."""
    tiled = with_tilings(cascade)
    return _passes(tiled, rank, extents) if rank in rank_names(tiled) else None


def _passes(cascade: Cascade, rank: str, extents: Mapping[str, int]) -> Passes:
    leaves = leaf_ranks(cascade, rank)
    keeps = frozenset(name for name, at in leaf_positions(cascade).items() if set(leaves) <= set(at))
    instance = canonical_instance(cascade, rank)
    if not iterative_ranks(cascade) & set(leaves) and not comes_back(instance, own_positions(instance, leaves)):
        return _single(rank, instance, leaves, keeps)
    graph, found = _traversals(instance, leaves, cascade)
    levels = pass_levels(found, graph, _slack(cascade))
    steps = {name: _growth(cascade, rank, name, levels) for name in sorted(iterative_ranks(cascade) - set(leaves))}
    growth = {name: step for name, step in steps.items() if step}
    more = sum(step * (extents.get(n, instance.extents[n]) - instance.extents[n]) for n, step in growth.items())
    return Passes(
        rank=rank,
        count=max(1, highest(levels) + more),
        growth=growth,
        witness=witness(graph, found, levels),
        sweep=_sweeps(graph, found, levels),
        keeps=keeps,
    )


def _single(rank: str, instance: Instance, leaves: tuple[str, ...], keeps: frozenset[str]) -> Passes:
    """One pass, because nothing along the rank waits for anything that takes all of it."""
    carried = carried_positions(instance, own_positions(instance, leaves))
    along = {operation.name: 1 for operation in instance.operations if ways(operation, carried)}
    return Passes(rank=rank, count=1, growth={}, witness=(), sweep=along, keeps=keeps)


def _traversals(
    instance: Instance, leaves: tuple[str, ...], cascade: Cascade
) -> tuple[Dependence, tuple[Traversal, ...]]:
    graph = dependence(instance)
    return graph, traversals(graph, lineage(graph, leaves), _slack(cascade))


def _slack(cascade: Cascade) -> int:
    """Along a scan the states before and after each step are fibers of which each lacks an end of the other; so are
    the points that `m <= p` and `m < p` keep."""
    return 1 if cascade.iterations or any(einsum.conditions for einsum in cascade.einsums) else 0


def _growth(cascade: Cascade, rank: str, iterative: str, levels: tuple[Level, ...]) -> int:
    """Passes that one more step of the iterative rank adds."""
    count = highest(levels)
    if count == 1:
        return 0
    longer = canonical_instance(cascade, rank, frozenset({iterative}))
    graph, found = _traversals(longer, leaf_ranks(cascade, rank), cascade)
    return highest(pass_levels(found, graph, _slack(cascade))) - count


def _sweeps(graph: Dependence, found: tuple[Traversal, ...], levels: tuple[Level, ...]) -> dict[str, int]:
    sweeps: dict[str, int] = {}
    for traversal, level in zip(found, sweep_levels(found, levels), strict=True):
        name = graph.instance.operations[traversal.operation].name
        sweeps[name] = max(level, sweeps.get(name, 0))
    return sweeps
