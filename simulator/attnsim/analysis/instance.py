"""A cascade small enough to enumerate: operations over points, tensors at coordinates, masks. Types only.

`attnsim.analysis.canonical` makes an Instance from a cascade, `attnsim.analysis.dependence` reads it point by point.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from attnsim.einsum.ast import Condition, Index
from attnsim.einsum.partition import coefficient_names, coefficient_value

_RELATIONS = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinate:
    """One coordinate of a tensor element: `(sum(coefficient * variable) + constant) // divide % modulo`.

    `rank` names the leaf rank of the tensor's position. `carriers` are the variables that move along that rank.
    """

    rank: str
    terms: tuple[tuple[str, int], ...] = ()
    constant: int = 0
    divide: int = 1
    modulo: int = 0
    carriers: frozenset[str] = frozenset()

    def at(self, point: Mapping[str, int]) -> int:
        """The coordinate's value at a point, a value for each rank variable."""
        value = self.constant + sum(coefficient * point[variable] for variable, coefficient in self.terms)
        value //= self.divide
        return value % self.modulo if self.modulo else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A tensor accessed at coordinates, one for each leaf rank of the tensor."""

    tensor: str
    coordinates: tuple[Coordinate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An Einsum of the instance: for each point of `variables` that the masks keep, read `reads` and write `target`.

    `spread` are variables of the target alone (a populate operator makes them): one point writes all their values.
    """

    name: str
    variables: tuple[str, ...]
    spread: tuple[str, ...]
    reads: tuple[Place, ...]
    target: Place
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A cascade bound to small extents: operations in text order, views of windows in front of their readers.

    band: what any number in a mask but -1, 0 and 1 stands for.
    """

    operations: tuple[Operation, ...]
    extents: Mapping[str, int]
    ranks: Mapping[str, tuple[str, ...]]
    inputs: frozenset[str]
    states: frozenset[str]
    band: int

    def points(self, operation: Operation) -> Iterator[dict[str, int]]:
        """Points of an operation's iteration space that its masks keep."""
        ranges = [range(self.extents[variable.upper()]) for variable in operation.variables]
        for values in product(*ranges):
            point = dict(zip(operation.variables, values, strict=True))
            if all(self._holds(condition, point) for condition in operation.conditions):
                yield point

    def spread(self, operation: Operation, point: Mapping[str, int]) -> Iterator[dict[str, int]]:
        """The point extended by every value of the populated variables."""
        ranges = [range(self.extents[variable.upper()]) for variable in operation.spread]
        for values in product(*ranges):
            yield {**point, **dict(zip(operation.spread, values, strict=True))}

    def _holds(self, condition: Condition, point: Mapping[str, int]) -> bool:
        left, right = self._value(condition.left, point), self._value(condition.right, point)
        return bool(_RELATIONS[condition.relation](left, right))

    def _value(self, index: Index, point: Mapping[str, int]) -> int:
        total = index.offset if abs(index.offset) <= 1 else self.band if index.offset > 0 else -self.band
        for variable, coefficient in index.terms:
            total += point[variable] * self._factor(coefficient)
        return total + sum(count * self._factor(name) for name, count in index.symbols)

    def _factor(self, coefficient: int | str) -> int:
        sizes = {name: self.extents.get(name, self.band) for name in coefficient_names(coefficient)}
        return coefficient_value(coefficient, sizes)
