"""A cut of a cascade into phases with a design for each."""

from __future__ import annotations

from dataclasses import dataclass

from attnsim.explore.mapper_phase import Design, PhaseObjective


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Designs of phases in order. beside: they run at once. proven: nothing of the space costs less."""

    designs: tuple[Design, ...]
    beside: bool
    latency_s: float
    energy_j: float
    proven: bool = False

    def cost(self, objective: PhaseObjective) -> float:
        """What is minimized."""
        return self.latency_s if objective == "latency" else self.energy_j
