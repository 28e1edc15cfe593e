"""Metrics of a run: latency, utilization, traffic, energy, area, bottleneck attribution and lower bounds.

From the busy times of simulated phases and a family's exact counts; everything in SI units, data in bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTime:
    """How long one phase took and how long each resource was busy in it."""

    step: str
    name: str
    latency_s: float
    busy_s: Mapping[str, float]
    exact: bool

    @property
    def limiter(self) -> str:
        """The busiest resource of the phase."""
        return max(self.busy_s, key=lambda name: (self.busy_s[name], name), default="dependencies")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """What a family counts exactly without simulating.

    useful_s: seconds in which a resource did useful work (occupied PEs only). bytes: moved in and out, by memory.
    energy_j and area_m2: by component, None for an area that is not known. bounds_s: lower bounds on latency by name.
    useful_by_einsum_s: the part that each Einsum has in useful_s, by resource and Einsum. useful_flops: FLOPs of the
    products that were asked for. static_w: drawn as long as the run takes. power_limit_w: what the board may draw.
    """

    useful_s: Mapping[str, float]
    bytes: Mapping[str, float]
    energy_j: Mapping[str, float]
    area_m2: Mapping[str, float | None]
    bounds_s: Mapping[str, float]
    useful_by_einsum_s: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    useful_flops: float | None = None
    static_w: float = 0.0
    power_limit_w: float = math.inf

    def times(self, layers: int) -> Accounting:
        """What so many layers amount to; area and power stay."""
        if layers == 1:
            return self

        def scaled(counts: Mapping[str, float]) -> dict[str, float]:
            return {name: layers * count for name, count in counts.items()}

        return replace(
            self,
            useful_s=scaled(self.useful_s),
            bytes=scaled(self.bytes),
            energy_j=scaled(self.energy_j),
            bounds_s=scaled(self.bounds_s),
            useful_by_einsum_s={name: scaled(parts) for name, parts in self.useful_by_einsum_s.items()},
            useful_flops=None if self.useful_flops is None else layers * self.useful_flops,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How far the latency of a step can be trusted: the error of its mapping on measured rows that no fit has seen.

    mape, median: shares, None where nothing was measured; rows: how many were. note: what else to know.
    """

    step: str
    mapping: str
    mape: float | None
    median: float | None
    rows: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What a simulated run amounts to.

    bottleneck: the share of the latency that each resource is responsible for. utilization_by_einsum: what each Einsum
    contributes to the utilization of a resource, by resource and Einsum. power_limited: the counts would draw more than
    the board may; energy is what it may draw in that time. tokens_per_s: of all stages of a pipeline, each of which has
    a batch of its own; None if the run is not of all layers.
    """

    latency_s: float
    phases: tuple[PhaseTime, ...]
    utilization: Mapping[str, float]
    bytes: Mapping[str, float]
    energy_j: Mapping[str, float]
    area_m2: Mapping[str, float | None]
    bottleneck: Mapping[str, float]
    bounds_s: Mapping[str, float]
    utilization_by_einsum: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    useful_flops_per_s: float | None = None
    power_limited: bool = False
    tokens_per_s: float | None = None

    @property
    def average_power_w(self) -> float | None:
        """Energy of all components over the latency; None when nothing is known of it."""
        return self.total_energy_j / self.latency_s if self.total_energy_j is not None else None

    @property
    def total_energy_j(self) -> float | None:
        """Energy of all components together; None when the hardware gives that of none."""
        return sum(self.energy_j.values()) if self.energy_j else None

    @property
    def total_area_m2(self) -> float | None:
        """Area of all components together; None when that of one is not known."""
        known = [area for area in self.area_m2.values() if area is not None]
        return sum(known) if len(known) == len(self.area_m2) else None

    @property
    def limiter(self) -> str:
        """The resource with the largest share of the latency."""
        return max(self.bottleneck, key=lambda name: (self.bottleneck[name], name))


def measure(latency_s: float, phases: Sequence[PhaseTime], accounting: Accounting) -> Metrics:
    """Metrics from the simulated phases and the family's exact counts."""
    busy: dict[str, float] = {}
    for phase in phases:
        for name, seconds in phase.busy_s.items():
            busy[name] = busy.get(name, 0.0) + seconds
    useful = {**busy, **accounting.useful_s}
    energy, limited = _drawn(latency_s, accounting)
    return Metrics(
        latency_s=latency_s,
        phases=tuple(phases),
        utilization={name: seconds / latency_s for name, seconds in useful.items()},
        bytes=dict(accounting.bytes),
        energy_j=energy,
        area_m2=dict(accounting.area_m2),
        bottleneck=attribute(latency_s, phases),
        bounds_s=dict(accounting.bounds_s),
        utilization_by_einsum={
            name: {einsum: seconds / latency_s for einsum, seconds in parts.items()}
            for name, parts in accounting.useful_by_einsum_s.items()
        },
        useful_flops_per_s=None if accounting.useful_flops is None else accounting.useful_flops / latency_s,
        power_limited=limited,
    )


def _drawn(latency_s: float, accounting: Accounting) -> tuple[dict[str, float], bool]:
    """Energy by component with the static part, scaled to the power limit where it is above, and whether it was."""
    energy = dict(accounting.energy_j)
    if accounting.static_w:
        energy["static"] = accounting.static_w * latency_s
    most = accounting.power_limit_w * latency_s
    total = sum(energy.values())
    if total <= most:
        return energy, False
    return {name: spent * most / total for name, spent in energy.items()}, True


def attribute(latency_s: float, phases: Sequence[PhaseTime]) -> dict[str, float]:
    """Share of the latency by what limits it: in each phase the busiest resource for as long as it is busy.

    What no resource accounts for, because tasks waited for one another, goes to `dependencies`.
    """
    shares: dict[str, float] = {}
    for phase in phases:
        limiter = phase.limiter
        shares[limiter] = shares.get(limiter, 0.0) + phase.busy_s.get(limiter, 0.0) / latency_s
    rest = 1.0 - sum(shares.values())
    if rest > 1e-9:
        shares["dependencies"] = rest
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))
