"""Which positions of which tensors move along a rank, from the text alone, whatever they are called on the way.

(Instance, leaf ranks) -> positions by tensor. A tensor moves along the rank if it has the rank, or if it is computed
from a tensor that does and keeps that coordinate: keys `K[e,m]` made of tokens `X[t]` read at m move along T.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from attnsim.analysis.instance import Instance, Operation

Positions = tuple[int, ...]
Variables = frozenset[str]


def own_positions(instance: Instance, leaves: tuple[str, ...]) -> dict[str, Positions]:
    """Where each tensor that has all the leaf ranks has them."""
    having = {name: ranks for name, ranks in instance.ranks.items() if set(leaves) <= set(ranks)}
    return {name: tuple(sorted(ranks.index(leaf) for leaf in leaves)) for name, ranks in having.items()}


def carried_positions(instance: Instance, own: Mapping[str, Positions]) -> Mapping[str, set[Positions]]:
    """Positions of each tensor that move along the rank: its own, and those that it has from what it is made of."""
    found: dict[str, set[Positions]] = defaultdict(set)
    for name, positions in own.items():
        found[name].add(positions)
    before = -1
    while before != (before := sum(map(len, found.values()))):
        for operation in instance.operations:
            reached = (arrival(operation, variables) for variables in ways(operation, found))
            found[operation.target.tensor].update(positions for positions in reached if positions)
    return found


def ways(
    operation: Operation, carried: Mapping[str, Iterable[Positions]]
) -> dict[Variables, list[tuple[int, Positions]]]:
    """The sets of variables with which the operation moves along the rank, each with the reads that do so."""
    found: dict[Variables, list[tuple[int, Positions]]] = {}
    reads = ((n, place, at) for n, place in enumerate(operation.reads) for at in sorted(carried.get(place.tensor, ())))
    for read, place, positions in reads:
        carriers = [place.coordinates[at].carriers for at in positions]
        if all(carriers):
            found.setdefault(frozenset().union(*carriers), []).append((read, positions))
    return found


def arrival(operation: Operation, variables: Variables) -> Positions:
    """Positions of the target that move with the variables; empty if one of them is reduced away."""
    coordinates = operation.target.coordinates
    kept = {variable for coordinate in coordinates for variable in coordinate.carriers}
    if not variables <= kept:
        return ()
    return tuple(at for at, coordinate in enumerate(coordinates) if coordinate.carriers & variables)


def comes_back(instance: Instance, own: Mapping[str, Positions]) -> bool:
    """Whether anything along the rank needs what was made by leaving the rank or by reading it at one place.

    If not, every point along the rank can be computed when its coordinate comes up, and there is one pass.
    """
    carried = carried_positions(instance, own)
    along = [operation for operation in instance.operations if ways(operation, carried)]
    wanted = {operation.target.tensor for operation in along if _leaves(operation, carried)}
    wanted |= {operation.target.tensor for operation in instance.operations if _picks(operation, carried)}
    before = -1
    while before != (before := len(wanted)):
        reading = (o for o in instance.operations if any(place.tensor in wanted for place in o.reads))
        wanted |= {operation.target.tensor for operation in reading}
    return any(place.tensor in wanted for operation in along for place in operation.reads)


def _leaves(operation: Operation, carried: Mapping[str, Iterable[Positions]]) -> bool:
    return not all(arrival(operation, variables) for variables in ways(operation, carried))


def _picks(operation: Operation, carried: Mapping[str, Iterable[Positions]]) -> bool:
    """Whether it reads a tensor that moves along the rank at a place that does not."""
    read = ((place, positions) for place in operation.reads for positions in carried.get(place.tensor, ()))
    return any(not place.coordinates[at].carriers for place, positions in read for at in positions)
