"""How a cascade is cut into phases: runs of neighbouring Einsums, one phase after the other or all side by side.

Phases that follow each other add up, so the best cut is a shortest path whose edges are phases. An edge is searched
only when the shortest path with the lower bounds of all others goes over it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from attnsim.explore.mapper_beside import at_once
from attnsim.explore.mapper_phase import (
    Account,
    Design,
    OutOfTime,
    PhaseObjective,
    PhaseSearch,
    count_mappings,
    least_busy_s,
)
from attnsim.explore.mapper_plan import Plan
from attnsim.explore.mapper_setting import Segment, Setting

_WORTH = 0.999
_SAME = 1e-9


class PartitionSearch:
    """The search over all cuts of a cascade; it keeps what is known of each phase. budget: evaluations that it may make
    of those of the account. exhausted: no cut in sequence is left that could be better."""

    def __init__(self, setting: Setting, objective: PhaseObjective, account: Account, budget: int) -> None:
        self.setting, self.objective, self.account, self.budget = setting, objective, account, max(1, budget)
        self.exhausted = False
        self._phases: dict[Segment, PhaseSearch] = {}

    def phase(self, segment: Segment) -> PhaseSearch:
        """The search of one phase, begun if it is new."""
        if segment not in self._phases:
            self.account.check_time()
            self._phases[segment] = PhaseSearch(self.setting, segment, self.objective)
        return self._phases[segment]

    def search(self) -> Plan | None:
        """The best plan that was found; None if none is feasible.

        Phases in sequence first, with a quarter of the budget; then side by side, as often as the time allows; then
        what is left of the sequence.
        """
        begun = self.account.spent
        self.account.stop_at = begun + max(1, self.budget // 4)
        best, settled = self.in_sequence(math.inf)
        beside, excluded = self.side_by_side(best.latency_s if best else math.inf)
        best = beside or best
        self.account.stop_at = begun + self.budget
        if not settled:
            again, settled = self.in_sequence(best.cost(self.objective) if best else math.inf)
            best = min((p for p in (best, again) if p), key=lambda plan: plan.cost(self.objective), default=None)
        self.exhausted = settled
        proven = settled and excluded and self.objective == "latency"
        return replace(best, proven=proven) if best else None

    def in_sequence(self, ceiling: float) -> tuple[Plan | None, bool]:
        """The best phases one after the other, and whether no cut that costs less than the ceiling is left."""
        try:
            settled = self._settle(ceiling)
        except OutOfTime:
            settled = False
        return self.best_so_far(), settled

    def _settle(self, ceiling: float) -> bool:
        """Search phases until the best path has no unsearched one, or costs as much as the ceiling."""
        while True:
            path = self._path()
            unsolved = [segment for segment in path if not self.phase(segment).solved]
            if not unsolved or sum(self.phase(segment).bound for segment in path) >= ceiling:
                return True
            for segment in unsolved:
                self.phase(segment).solve(self.account)

    def _path(self) -> list[Segment]:
        """The cut with the smallest sum of bounds."""
        count = len(self.setting.units)
        best: list[tuple[float, list[Segment]]] = [(0.0, [])]
        for end in range(1, count + 1):
            ways = [(best[i][0] + self.phase((i, end)).bound, [*best[i][1], (i, end)]) for i in range(end)]
            best.append(min(ways, key=lambda way: (way[0], len(way[1]))))
        return best[-1][1] if math.isfinite(best[-1][0]) else []

    def best_so_far(self) -> Plan | None:
        """The cheapest cut, one after the other, of those phases for which a design was found."""
        fronts: list[list[tuple[float, float, tuple[Design, ...]]]] = [[(0.0, 0.0, ())]]
        for end in range(1, len(self.setting.units) + 1):
            ways = [
                (latency_s + design.latency_s, energy_j + design.energy_j, (*taken, design))
                for start, front in enumerate(fronts)
                for design in self._found((start, end))
                for latency_s, energy_j, taken in front
            ]
            fronts.append(_unbeaten(ways))
        plans = [
            Plan(designs=taken, beside=False, latency_s=latency_s, energy_j=energy_j)
            for latency_s, energy_j, taken in fronts[-1]
        ]
        return min(plans, key=lambda plan: plan.cost(self.objective), default=None)

    def _found(self, segment: Segment) -> Iterator[Design]:
        search = self._phases.get(segment)
        if search is not None and search.best is not None:
            yield search.best

    def side_by_side(self, ceiling_s: float) -> tuple[Plan | None, bool]:
        """A cut into phases that run at once, if one takes less than the ceiling; and whether none can."""
        if self.objective != "latency" or len(self.setting.units) < 2:
            return None, self.objective == "latency"
        try:
            least_s = max(self._least_moving_s(), least_busy_s(self.setting))
            if least_s >= _WORTH * ceiling_s:
                return None, least_s >= ceiling_s * (1 - _SAME)
            parts = self._parts()
            plan = at_once(self.setting, parts, self.phase, self.account, least_s=least_s, ceiling_s=ceiling_s)
        except OutOfTime:
            plan = None
        return plan, False

    def _least_moving_s(self) -> float:
        """Seconds of memory that no cut into two phases or more falls below."""
        path = self._shortest({segment: self.phase(segment).moved_s for segment in self._parts()})
        return sum(self.phase(segment).moved_s for segment in path) if path else math.inf

    def _parts(self) -> list[Segment]:
        """Runs of units that are not the whole cascade and that the model accepts."""
        count = len(self.setting.units)
        found = [(i, j) for j in range(1, count + 1) for i in range(j) if j - i < count]
        return [segment for segment in found if math.isfinite(self.phase(segment).floor_s)]

    def _shortest(self, costs: Mapping[Segment, float]) -> list[Segment]:
        """The cut with the smallest sum of costs, of those that have one."""
        best: dict[int, tuple[float, list[Segment]]] = {0: (0.0, [])}
        for start, end in sorted(costs, key=lambda segment: (segment[1], segment[0])):
            if start in best:
                way = (best[start][0] + costs[start, end], [*best[start][1], (start, end)])
                best[end] = min(best.get(end, way), way, key=lambda one: one[0])
        return best.get(len(self.setting.units), (0.0, []))[1]

    def mappings(self) -> int:
        """Mappings of the space: over all cuts the product of those of the phases, one after the other or at once."""
        units = len(self.setting.units)
        ways = [1]
        for end in range(1, units + 1):
            ways.append(sum(ways[start] * count_mappings(self.setting, (start, end)) for start in range(end)))
        whole = count_mappings(self.setting, (0, units))
        return whole + 2 * (ways[-1] - whole)


def _unbeaten(
    ways: Sequence[tuple[float, float, tuple[Design, ...]]],
) -> list[tuple[float, float, tuple[Design, ...]]]:
    kept: list[tuple[float, float, tuple[Design, ...]]] = []
    for way in sorted(ways, key=lambda one: one[:2]):
        if not kept or way[1] < kept[-1][1]:
            kept.append(way)
    return kept
