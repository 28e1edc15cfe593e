"""A mapping that was found, as text for people and as JSON: how good it is, and what was searched."""

from __future__ import annotations

from attnsim.cli.tables import grid, percent, render, seconds, table
from attnsim.explore.mapper import Found, Shipped
from attnsim.explore.mapper_answer import Objective, cost_of
from attnsim.pipeline import Run
from attnsim.results import JsonObject, run_json
from attnsim.specs.kernel import Kernel
from attnsim.specs.loop_nest import LoopNest, Phase
from attnsim.specs.mapping_text import mapping_text
from attnsim.units import in_units

_FEW = 6


def found_table(found: Found) -> str:
    """The mapping with its numbers, the counts of the search, and the shipped mappings beside it."""
    plan = found.run.plan
    title = f"{plan.workload.label}: mapping found on {plan.hardware.name}"
    rows = [*_result(found), *_search(found), *_described(found)]
    shown = sorted(found.shipped, key=lambda one: _rank(one, found.goal.objective))
    lines = [_row("found", found.run, found), *(_shipped_row(one, found) for one in shown[:_FEW])]
    left = len(shown) - _FEW
    more = [f"and {left} more with --json"] if left > 0 else []
    beside = table(("mapping", "latency", "energy", f"{found.goal.objective} over found"), lines, left=("mapping",))
    return render(title, "", grid(rows), "", beside, *more)


def _rank(one: Shipped, objective: Objective) -> tuple[bool, float, str]:
    return one.run is None, cost_of(one.run, objective) if one.run else 0.0, one.name


def _result(found: Found) -> list[tuple[str, str]]:
    metrics = found.run.metrics
    energy = metrics.total_energy_j
    rows = [
        ("latency", f"{seconds(metrics.latency_s)}, limited by {metrics.limiter}"),
        ("energy", in_units(energy, "J") if energy is not None else "not known"),
    ]
    if found.gap is not None and found.floor is not None:
        gap = "at it" if found.gap < 1e-6 else f"{percent(found.gap)} above it"
        rows.append(("lower bound", f"{seconds(found.floor)}, the mapping is {gap}"))
    return rows


def _search(found: Found) -> list[tuple[str, str]]:
    tally = found.tally
    misfits = ", ".join(f"{name} {number:,}" for name, number in tally.misfit.items())
    ends = "interrupted; " if found.interrupted else ""
    verdict = "optimal in this space" if found.optimal else "best found, not proven to be the best"
    rest = "pruned" if found.optimal else "pruned or not reached"
    return [
        ("verdict", ends + verdict),
        ("space", f"{_count(tally.mappings)} mappings"),
        ("evaluated", f"{tally.evaluated:,} one by one"),
        ("infeasible", f"{tally.infeasible:,}" + (f" ({misfits})" if misfits else "")),
        (rest, _count(tally.pruned)),
    ]


def _count(number: int) -> str:
    return f"{number:,}" if number < 10**7 else f"{number:.2e}"


def _described(found: Found) -> list[tuple[str, str]]:
    mapping = found.mapping
    if isinstance(mapping, LoopNest):
        switches = f"{mapping.compound_ops} compound operations, {mapping.fill_drain} pipelines"
        return [("assumed", switches), *((f"phase {phase.name}", _phase(phase)) for phase in mapping.phases)]
    if isinstance(mapping, Kernel) and mapping.attention is not None:
        rule = mapping.attention.tiles[0]
        tile = f"{rule.m} rows by {rule.n} keys, {rule.threads} threads of {rule.registers} registers"
        place = "Q in shared memory" if rule.q_shared else "Q in registers"
        return [("tile", f"{tile}, {rule.stages} stages, {place}, splits: {mapping.attention.split.rule}")]
    return []


def _phase(phase: Phase) -> str:
    tile = ", ".join(f"{part} {size}" for part, size in phase.tile.items())
    place = "; ".join(f"{array}: {' '.join(names)}" for array, names in phase.place.items())
    keep = "; ".join(
        f"{memory} keeps {', '.join(f'{tensor} in {loop}' for tensor, loop in tensors.items())}"
        for memory, tensors in phase.keep.items()
    )
    beside = "beside the one before; " if phase.beside else ""
    return "; ".join(text for text in (f"{beside}loops {' '.join(phase.order)}", f"tile {tile}", place, keep) if text)


def _row(name: str, run: Run, found: Found) -> list[str]:
    energy = run.metrics.total_energy_j
    over = cost_of(run, found.goal.objective) / cost_of(found.run, found.goal.objective)
    return [name, seconds(run.metrics.latency_s), in_units(energy, "J") if energy is not None else "", f"{over:.4g}x"]


def _shipped_row(one: Shipped, found: Found) -> list[str]:
    return _row(one.name, one.run, found) if one.run else [f"{one.name}: {one.reason}", "", "", ""]


def found_json(found: Found) -> JsonObject:
    """Everything of the table under stable keys, in SI units; `mapping` is the text of its file."""
    tally = found.tally
    return {
        "minimize": found.goal.objective,
        "best": run_json(found.run),
        "mapping": mapping_text(found.mapping),
        "bound": found.floor,
        "gap": found.gap,
        "optimal_in_space": found.optimal,
        "interrupted": found.interrupted,
        "space": {
            "mappings": tally.mappings,
            "evaluated": tally.evaluated,
            "infeasible": tally.infeasible,
            "infeasible_by": tally.misfit,
            "pruned": tally.pruned,
        },
        "shipped": {
            one.name: {
                "latency_s": one.run.metrics.latency_s if one.run else None,
                "energy_j": one.run.metrics.total_energy_j if one.run else None,
                "reason": one.reason or None,
            }
            for one in found.shipped
        },
    }
