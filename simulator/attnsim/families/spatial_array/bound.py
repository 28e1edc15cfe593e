"""What binding gives: phases with stages, transfers and counts, ready to be lowered; nothing in it depends on an
engine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from attnsim.families.base import Bound
from attnsim.families.spatial_array.capacity import Demand
from attnsim.families.spatial_array.lanes import Lane
from attnsim.families.spatial_array.residency import Transfer
from attnsim.families.spatial_array.space import Space
from attnsim.families.spatial_array.stages import Stage
from attnsim.specs.spatial_array import SpatialArray


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundPhase:
    """One fused loop nest on the hardware.

    steps: lanes that run side by side, step after step, within a tile. demands: what each memory holds. array_of:
    Einsum -> array. beside: runs side by side with the phase before. in_flight: tiles (or blocks of tiles) at work
    at once.
    """

    step: str
    name: str
    space: Space
    stages: tuple[Stage, ...]
    steps: tuple[tuple[Lane, ...], ...]
    transfers: tuple[Transfer, ...]
    demands: tuple[Demand, ...]
    in_flight: int
    beside: bool
    uncounted: frozenset[str]

    @property
    def trips(self) -> tuple[int, ...]:
        """Trip counts of the loops, outermost first."""
        return tuple(loop.trip for loop in self.space.loops)

    @property
    def demands_fit(self) -> bool:
        """Whether nothing spills."""
        return all(demand.fits for demand in self.demands)

    def events(self, each: frozenset[str]) -> int:
        """How often something happens that occurs at every iteration of the loops in `each`."""
        return math.prod(loop.trip for loop in self.space.loops if loop.part in each)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundWorkload(Bound):
    """A workload bound to a spatial array: phases in order, and the assumptions that the lowering must honour."""

    hardware: SpatialArray
    phases: tuple[BoundPhase, ...]
    fill_drain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Exact totals over all phases.

    words_read, words_written: by memory. actions: (array, unit) -> uses; uncounted_actions: those that the
    published artifact leaves out. crossings: array -> words that pass its registers on their way to or from
    another array. array_cycles: array -> cycles held; useful_cycles: array -> cycles times occupancy; useful_parts: the
    same by array and Einsum, stage by stage.
    """

    words_read: Mapping[str, float]
    words_written: Mapping[str, float]
    actions: Mapping[tuple[str, str], int]
    uncounted_actions: Mapping[tuple[str, str], int]
    register_reads: Mapping[str, int]
    register_writes: Mapping[str, int]
    crossings: Mapping[str, int]
    array_cycles: Mapping[str, float]
    useful_cycles: Mapping[str, float]
    useful_parts: tuple[tuple[str, str, float], ...] = ()
