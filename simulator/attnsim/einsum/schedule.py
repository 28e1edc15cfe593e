"""An order in which the Einsums of a cascade can be evaluated: data dependencies only, cycles turned into loops.

Einsums that depend on each other in a circle run step by step along an iterative rank: an edge that carries a value
from one step to a later one (a positive lag) does not count inside a step. What is left must have no circle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from attnsim.einsum.ast import Access, Cascade, Einsum

Edges = Mapping[str, tuple[tuple[str, Access], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """Einsums and inner loops that run in order for each value of the iterative rank variable `variable`."""

    variable: str
    body: tuple[Einsum | Loop, ...]


class CircularError(Exception):
    """Einsums that need each other within one step; `members` in the order of the cascade."""

    def __init__(self, members: tuple[Einsum, ...]) -> None:
        super().__init__(" -> ".join(einsum.name for einsum in members))
        self.members = members


def schedule(cascade: Cascade) -> tuple[Einsum | Loop, ...]:
    """Einsums in an order that respects every dependency; CircularError if there is none."""
    made = {einsum.name: einsum for einsum in cascade.einsums}
    edges = {
        name: tuple((access.tensor, access) for access in einsum.inputs if access.tensor in made)
        for name, einsum in made.items()
    }
    return _ordered(made, tuple(made), edges, tuple(iteration.rank for iteration in cascade.iterations))


def circles(names: Sequence[str], edges: Edges) -> list[tuple[str, ...]]:
    """Strongly connected groups of names, producers before consumers, each group in the order of `names`."""
    inside = set(names)
    below = {name: _reach(name, edges, inside) for name in names}
    groups: list[tuple[str, ...]] = []
    placed: set[str] = set()
    # With itself counted, a producer reaches strictly less than its consumers: sorting by reach is a topological order.
    for name in sorted(names, key=lambda name: len(below[name] | {name})):
        if name not in placed:
            group = tuple(n for n in names if n == name or (n in below[name] and name in below[n]))
            placed.update(group)
            groups.append(group)
    return groups


def lag(producer: Einsum, access: Access, variable: str) -> int | None:
    """Steps of `variable` from when a value is written to when `access` reads it; None if it is not read along it."""
    for written, read in zip(producer.output.indices, access.indices, strict=False):
        if written.variables == (variable,):
            along = read.terms == ((variable, 1),) and not read.symbols
            return written.offset - read.offset if along else None
    return None


def _ordered(
    made: Mapping[str, Einsum], names: Sequence[str], edges: Edges, variables: tuple[str, ...]
) -> tuple[Einsum | Loop, ...]:
    order: list[Einsum | Loop] = []
    for group in circles(names, edges):
        inner = {name: tuple(edge for edge in edges[name] if edge[0] in group) for name in group}
        if any(inner.values()):
            order.append(_loop(made, group, inner, variables))
        else:
            order.append(made[group[0]])
    return tuple(order)


def _loop(made: Mapping[str, Einsum], group: tuple[str, ...], edges: Edges, variables: tuple[str, ...]) -> Loop:
    """Run a circle along the first variable that every one of its edges follows and some edge advances."""
    for variable in variables:
        lags = [lag(made[source], access, variable) for reads in edges.values() for source, access in reads]
        steps = [step for step in lags if step is not None]
        if len(steps) < len(lags) or min(steps) < 0 or max(steps) == 0:
            continue
        within = {
            name: tuple((source, access) for source, access in reads if lag(made[source], access, variable) == 0)
            for name, reads in edges.items()
        }
        rest = tuple(v for v in variables if v != variable)
        return Loop(variable=variable, body=_ordered(made, group, within, rest))
    raise CircularError(tuple(made[name] for name in group))


def _reach(name: str, edges: Edges, inside: set[str]) -> set[str]:
    """Names that `name` depends on, directly or not."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        fresh = {source for source, _ in edges[waiting.pop()]} & inside - found
        found |= fresh
        waiting += fresh
    return found
