"""Exact arithmetic of shared resources: from capacities in units per second to integer ratios that never round twice.

An instance with `n` running tasks has a virtual clock, in subpicoseconds (1/64 ps), that advances by
`floor(dt * 64 * share / (divider * n))` in `dt` picoseconds, at most `dt * 64`. A task needs `demand(work)` of it: the
time that it would take alone. The task ends in the first picosecond at which the clock has advanced that far. This is
the virtual time of generalized processor sharing (Parekh and Gallager 1993), in integers: both engines get the same
picosecond, whatever the absolute time is, and an undisturbed task takes exactly its time alone, rounded up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from attnsim.taskgraph import PS_PER_S, Resource

SUBPICOSECONDS_PER_PS = 64
CLOCK_LIMIT_PS = 1 << 57
DEMAND_LIMIT = 1 << 60

_MAX_FLOWS = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Ratios of a resource group.

    `alone / unit`: subpicoseconds that one unit of work takes alone. `share / divider`: tasks that can run at full
    speed at once. On a `fifo` group all are 1 and mean nothing.
    """

    alone: int = 1
    unit: int = 1
    share: int = 1
    divider: int = 1

    def demand(self, work: int) -> int:
        """Subpicoseconds of virtual time that `work` units take."""
        return -(-work * self.alone // self.unit)

    def advance(self, elapsed_ps: int, flows: int) -> int:
        """Subpicoseconds by which virtual time advances while `flows` tasks run for `elapsed_ps`."""
        slowed = max(self.share, self.divider * flows)
        return elapsed_ps * SUBPICOSECONDS_PER_PS * self.share // slowed

    def until(self, needed: int, flows: int) -> int:
        """Picoseconds until virtual time has advanced by `needed` subpicoseconds while `flows` tasks run."""
        slowed = max(self.share, self.divider * flows)
        return -(-needed * slowed // (self.share * SUBPICOSECONDS_PER_PS))


@lru_cache(maxsize=16_384)
def rates_of(resource: Resource) -> Rates:
    """Integer ratios of a resource, as near to its floats as 64-bit products of them allow (1e-9 or better)."""
    if resource.kind == "fifo":
        return Rates()
    fastest = min(Fraction(resource.capacity), _cap_of(resource))
    subs_per_unit = Fraction(PS_PER_S * SUBPICOSECONDS_PER_PS) / fastest
    at_full_speed = min(Fraction(resource.capacity) / fastest, Fraction(_MAX_FLOWS))
    unit = min(1 << 20, math.isqrt(int(Fraction(1 << 61) / subs_per_unit)))
    divider = math.isqrt(int(Fraction(1 << 32) / at_full_speed))
    alone = subs_per_unit.limit_denominator(max(unit, 1))
    share = at_full_speed.limit_denominator(max(divider, 1))
    return Rates(
        alone=min(max(alone.numerator, 1), 1 << 62),
        unit=alone.denominator,
        share=share.numerator,
        divider=share.denominator,
    )


def _cap_of(resource: Resource) -> Fraction:
    return Fraction(resource.capacity if math.isinf(resource.per_flow_cap) else resource.per_flow_cap)
