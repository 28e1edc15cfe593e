"""What a search for a mapping is asked, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from attnsim.explore.mapper_phase import Account
from attnsim.pipeline import Run

Objective = Literal["latency", "energy", "edp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What to minimize: `latency` (s), `energy` (J) or `edp`, their product (J s). budget: mappings whose traffic may
    be counted (GPUs: that may be simulated); max_s: seconds that the search may take, None without a limit; seed: of
    what is drawn."""

    objective: Objective = "latency"
    budget: int = 500
    seed: int = 0
    max_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts of a search. mappings: of the space; evaluated: with their traffic counted; infeasible: that do not fit a
    memory or a limit. misfit: infeasible ones by what they do not fit."""

    mappings: int
    evaluated: int
    infeasible: int
    misfit: dict[str, int]

    @property
    def pruned(self) -> int:
        """Mappings that were not looked at one by one: a bound or a better one of the same tile excludes them, unless
        the search ended before."""
        return max(0, self.mappings - self.evaluated - self.infeasible)

    @staticmethod
    def of(account: Account, mappings: int) -> Tally:
        """The counts of an account."""
        return Tally(
            mappings=mappings,
            evaluated=account.evaluated,
            infeasible=account.infeasible,
            misfit=dict(account.misfit),
        )


def cost_of(run: Run, objective: Objective) -> float:
    """The goal's value of a run: s, J or J s; infinite where no energy is known."""
    latency_s, energy_j = run.metrics.latency_s, run.metrics.total_energy_j
    if objective == "latency":
        return latency_s
    if energy_j is None:
        return float("inf")
    return energy_j if objective == "energy" else energy_j * latency_s
