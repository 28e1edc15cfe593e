"""The value that says a mapping does not fit: what was demanded, what there is, and what would make it fit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Infeasible:
    """A mapping that does not fit a memory: demand and capacity in bytes, and the levers that would make it fit.

    `parts` lists (tensor, bytes) of the demand, largest first.
    """

    mapping: str
    phase: str
    memory: str
    demand_bytes: int
    capacity_bytes: int
    parts: tuple[tuple[str, int], ...]
    levers: tuple[str, ...]

    @property
    def gap_bytes(self) -> int:
        """Bytes that are missing."""
        return self.demand_bytes - self.capacity_bytes

    def __str__(self) -> str:
        held = ", ".join(f"{tensor} {size:,} B" for tensor, size in self.parts)
        levers = "; or ".join(self.levers)
        return (
            f"mapping {self.mapping}, phase {self.phase}: does not fit {self.memory}: needs {self.demand_bytes:,} B "
            f"({held}), capacity {self.capacity_bytes:,} B, {self.gap_bytes:,} B too many; {levers}"
        )
