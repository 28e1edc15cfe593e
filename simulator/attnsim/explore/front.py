"""Designs that no other one beats: exact Pareto fronts, kept while designs come in blocks."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_AT_ONCE = 1 << 18
"""Pairs of designs that are compared at a time, so that memory stays small."""


class Front:
    """The designs so far that are not beaten: no other one is at least as good in all objectives and better in one.

    signs: 1 for an objective that is minimized, -1 for one that is maximized. Of designs that are equal in all
    objectives the one that came first stays, of one block that with the smallest number. Designs of different groups
    do not beat one another.
    """

    def __init__(self, signs: tuple[int, ...]) -> None:
        self._signs = np.array(signs, np.float64)
        self.numbers: Ints = np.zeros(0, np.int64)
        self._costs: Floats = np.zeros((0, len(signs) + 2))
        self._groups: dict[Hashable, int] = {}

    @property
    def values(self) -> Floats:
        """Objectives of the front, as they were given; shape: designs, objectives."""
        return np.asarray(self._costs[:, :-2] * self._signs, np.float64)

    def add(self, numbers: Ints, values: Floats, groups: Sequence[Hashable] = ()) -> None:
        """Take a block of designs by number, with their objectives (shape: designs, objectives); groups: of each."""
        places = [self._groups.setdefault(group, len(self._groups)) for group in groups] or [0] * len(numbers)
        group = np.array(places, np.float64)
        # A group as a cost and as its opposite: no design of another one is as good in both.
        costs = np.column_stack([values * self._signs, group, -group])
        alive = ~_beaten(costs, self._costs)
        costs, ids = costs[alive], numbers[alive]
        kept = front_of(costs, ids)
        costs, ids = costs[kept], ids[kept]
        stays = ~_beaten(self._costs, costs)
        costs, ids = np.concatenate([self._costs[stays], costs]), np.concatenate([self.numbers[stays], ids])
        order = np.argsort(ids, kind="stable")
        self._costs, self.numbers = costs[order], ids[order]


def _beaten(costs: Floats, others: Floats) -> npt.NDArray[np.bool_]:
    """Which rows are no better in any objective than some row of `others`."""
    found = np.zeros(len(costs), np.bool_)
    step = max(_AT_ONCE // max(len(costs), 1), 1)
    for first in range(0, len(others), step):
        some = others[first : first + step, None, :]
        found |= (some <= costs[None, :, :]).all(axis=2).any(axis=0)
    return found


def front_of(costs: Floats, ids: Ints) -> Ints:
    """Rows of `costs` (all minimized) that are not beaten; of equal rows the one with the smallest id."""
    order = np.lexsort((ids, *costs.T[::-1]))
    kept: list[int] = []
    held = np.zeros((0, costs.shape[1]))
    for row in order.tolist():
        cost = costs[row]
        if len(held) and bool((held <= cost).all(axis=1).any()):
            continue
        kept.append(row)
        held = np.concatenate([held, cost[None, :]])
    return np.array(kept, np.int64)


def hypervolume(costs: Floats, reference: Floats) -> float:
    """Volume between a front (all minimized; shape: designs, objectives) and a reference point that is worse than it.

    Exact, by slicing along the last objective; designs beyond the reference count as far as they are within it.
    """
    inside = costs[(costs < reference).all(axis=1)]
    if not len(inside):
        return 0.0
    if inside.shape[1] == 1:
        return float(reference[0] - inside[:, 0].min())
    order = np.argsort(inside[:, -1], kind="stable")
    inside = inside[order]
    edges = [*inside[:, -1].tolist(), float(reference[-1])]
    total = 0.0
    for place in range(len(inside)):
        height = edges[place + 1] - edges[place]
        if height > 0:
            total += height * hypervolume(inside[: place + 1, :-1], reference[:-1])
    return total
