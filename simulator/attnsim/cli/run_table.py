"""One run as a table for people: what it takes, what is busy, what it moves and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attnsim.cli.tables import grid, percent, render, seconds, share_list, shares, table
from attnsim.metrics import Metrics
from attnsim.pipeline import Run
from attnsim.units import in_binary_units, in_units

if TYPE_CHECKING:
    from rich.console import RenderableType

SQUARE_MM_PER_M2 = 1e6
UNKNOWN = "not known: the hardware gives none"


def run_table(run: Run) -> str:
    """The metrics of a run in units that people read, under what was simulated."""
    mappings = ", ".join(dict.fromkeys(mapping.name for mapping in run.plan.mappings.values()))
    title = f"{run.plan.workload.label}: {mappings} on {run.plan.hardware.name}"
    return render(title, "", grid([*_rows(run.metrics), *_trust(run)]), *_phases(run.metrics))


def _trust(run: Run) -> list[tuple[str, str]]:
    """The error measured for each mapping on rows that no fit has seen, each mapping once."""
    lines = dict.fromkeys((one.mapping, one.mape, one.median, one.rows, one.note) for one in run.trust)
    told = []
    for mapping, mape, median, rows, note in lines:
        if mape is not None and median is not None:
            told.append(f"{mapping} {percent(mape)} in the mean, {percent(median)} median, {rows} held-out rows")
        else:
            told.append(f"{mapping}: {note}")
    return [("expected error", "; ".join(told))] if told else []


def area(metrics: Metrics) -> str:
    """The chip's area in square millimetres with its parts, or for which parts the specs give none and those known."""
    total = metrics.total_area_m2
    if total is None:
        missing = [name for name, part in metrics.area_m2.items() if part is None]
        known = [f"{name} {_in_mm2(part)}" for name, part in metrics.area_m2.items() if part is not None]
        return "; ".join([f"not known: the hardware gives none for {', '.join(missing)}", *known])
    parts = shares({name: part for name, part in metrics.area_m2.items() if part is not None})
    return f"{_in_mm2(total)} ({parts})"


def _in_mm2(area_m2: float) -> str:
    return f"{area_m2 * SQUARE_MM_PER_M2:.5g} mm^2"


def _rows(metrics: Metrics) -> list[tuple[str, str]]:
    bounds = ", ".join(f"{name} {seconds(least)}" for name, least in metrics.bounds_s.items())
    return [
        ("latency", seconds(metrics.latency_s) + _above_bound(metrics)),
        *([("throughput", f"{metrics.tokens_per_s:,.0f} tokens/s")] if metrics.tokens_per_s is not None else []),
        ("limited by", share_list(metrics.bottleneck)),
        ("utilization", share_list(metrics.utilization)),
        ("lower bounds", bounds),
        ("moved", ", ".join(f"{name} {in_binary_units(amount)}" for name, amount in metrics.bytes.items())),
        ("energy", _energy(metrics)),
        ("power", _power(metrics)),
        ("area", area(metrics)),
    ]


def _energy(metrics: Metrics) -> str:
    total = metrics.total_energy_j
    return f"{in_units(total, 'J')} ({shares(metrics.energy_j)})" if total is not None else UNKNOWN


def _power(metrics: Metrics) -> str:
    power = metrics.average_power_w
    limited = ", at the limit of the board" if metrics.power_limited else ""
    return in_units(power, "W") + limited if power is not None else UNKNOWN


def _above_bound(metrics: Metrics) -> str:
    """How far the latency is above what no schedule can beat."""
    name, floor_s = max(metrics.bounds_s.items(), key=lambda item: item[1], default=("", 0.0))
    if not floor_s:
        return ""
    excess = metrics.latency_s / floor_s - 1
    return f", {percent(excess)} above the bound of {name}" if excess > 1e-6 else f", at the bound of {name}"


def _phases(metrics: Metrics) -> list[RenderableType]:
    if len(metrics.phases) < 2:
        return []
    rows = [
        [
            phase.step,
            phase.name,
            seconds(phase.latency_s),
            percent(phase.latency_s / metrics.latency_s),
            phase.limiter,
        ]
        for phase in metrics.phases
    ]
    return ["", table(("step", "phase", "latency", "share", "limited by"), rows, left=("step", "phase", "limited by"))]
