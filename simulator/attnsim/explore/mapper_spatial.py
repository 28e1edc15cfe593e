"""A mapping for a spatial array: search, then simulate what was found, beside the model's default mapping.

The search counts under the ideal assumption, in which its times are those of the simulation. With filling and draining
modeled the cheapest plan is simulated with different numbers of tiles in flight, and nothing is proven.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from attnsim.errors import AttnSimError, MappingError, Problem
from attnsim.explore.mapper_answer import Goal, Tally, cost_of
from attnsim.explore.mapper_outcome import Outcome
from attnsim.explore.mapper_partition import PartitionSearch
from attnsim.explore.mapper_phase import Account, PhaseObjective, least_busy_s, least_moved_s
from attnsim.explore.mapper_plan import Plan
from attnsim.explore.mapper_residency import mapping_of, phase_of
from attnsim.explore.mapper_setting import Setting, setting_of
from attnsim.pipeline import Plan as RunPlan
from attnsim.pipeline import Run, family_of, simulate_plan
from attnsim.specs.loop_nest import LoopNest
from attnsim.specs.mapping_file import Target
from attnsim.specs.spatial_array import SpatialArray

_IN_FLIGHT = (8, 2, 32)
_SAME = 1e-9


def search_spatial(plan: RunPlan, assumed: LoopNest, goal: Goal, account: Account) -> Outcome:
    """Search a mapping for the only step of a plan. `assumed` gives compound operations and energy of registers.

    Raises AttnSimError if no mapping is feasible, and says what did not fit most often.
    """
    (step,) = plan.workload.steps
    assert isinstance(plan.hardware, SpatialArray)
    setting = setting_of(step, plan.hardware, assumed)
    objectives: tuple[PhaseObjective, ...] = ("latency", "energy") if goal.objective == "edp" else (goal.objective,)
    searches = [
        PartitionSearch(setting, objective, account, account.budget // len(objectives)) for objective in objectives
    ]
    found, interrupted = _searched(searches)
    exhausted = all(search.exhausted for search in searches)
    runs = list(_runs(plan, setting, found, account)) if found or not exhausted else []
    if not runs and interrupted:
        raise KeyboardInterrupt
    if not runs:
        raise AttnSimError(_nothing_fits(plan, account))
    best = min(runs, key=lambda run: cost_of(run, goal.objective))
    floor_s = max(least_moved_s(setting), least_busy_s(setting))
    ideal = plan.assumptions.fill_drain == "ideal"
    proven = ideal and best is runs[0] and any(plan.proven for plan in found)
    return Outcome(
        run=best,
        tally=Tally.of(account, mappings=searches[0].mappings()),
        floor=floor_s if goal.objective == "latency" else None,
        optimal=goal.objective == "latency" and (proven or best.metrics.latency_s <= floor_s * (1 + _SAME)),
        interrupted=interrupted,
    )


def _searched(searches: Sequence[PartitionSearch]) -> tuple[list[Plan], bool]:
    """The best plan of each search, and whether the user stopped the last one."""
    found: list[Plan | None] = []
    try:
        found += (search.search() for search in searches)
    except KeyboardInterrupt:
        return [plan for plan in (*found, searches[len(found)].best_so_far()) if plan], True
    return [plan for plan in found if plan], False


def _runs(plan: RunPlan, setting: Setting, found: Sequence[Plan], account: Account) -> Iterator[Run]:
    """Runs of what was found; of the model's default mapping too if nothing says that it cannot be better."""
    proven = any(one.proven for one in found)
    ideal = plan.assumptions.fill_drain == "ideal"
    flights = _IN_FLIGHT[:1] if ideal else _IN_FLIGHT
    mappings = [_mapping(plan, setting, one, flight) for one in found for flight in flights]
    for mapping in [*mappings, *(_default(plan, setting) if not proven else ())]:
        try:
            run = simulate_plan(replace(plan, mappings={setting.step.name: mapping}))
        except MappingError:
            account.reject("a contradiction with the model", 1)
            continue
        if isinstance(run, Run):
            yield run


def _default(plan: RunPlan, setting: Setting) -> list[LoopNest]:
    mapping = family_of(plan.hardware).default_mapping(setting.step, plan.hardware)
    assert isinstance(mapping, LoopNest)
    assumed = setting.assumed
    switches = {"compound_ops": assumed.compound_ops, "register_file_energy": assumed.register_file_energy}
    return [mapping.model_copy(update={**switches, "fill_drain": assumed.fill_drain, "name": "found"})]


def _mapping(plan: RunPlan, setting: Setting, found: Plan, in_flight: int) -> LoopNest:
    """The plan as a mapping, without ranks cut into one part."""
    phases = [
        phase_of(
            setting,
            design.form,
            design.tile,
            design.placement,
            design.residency,
            name="_".join(name.lower() for name in _ends([e.name for e in setting.einsums(design.form.nest.segment)])),
            beside=found.beside and number > 0,
            in_flight=in_flight,
        )
        for number, design in enumerate(found.designs)
    ]
    request = plan.request
    target = Target(cascade=request.cascade or setting.cascade.name, hardware=request.hardware or plan.hardware.name)
    return mapping_of(
        setting, phases, target, name="found", title=f"found for {plan.workload.label}", source="attnsim map"
    )


def _ends(names: list[str]) -> list[str]:
    return names if len(names) < 2 else [names[0], names[-1]]


def _nothing_fits(plan: RunPlan, account: Account) -> Problem:
    total = max(account.infeasible, 1)
    memory, number = max(account.misfit.items(), key=lambda item: item[1], default=("", 0))
    if not number:
        what = f"no mapping of {plan.workload.label} was found on {plan.hardware.name}"
        return Problem(what=what, remedy="give a larger --budget or more --seconds")
    what = (
        f"no mapping of {plan.workload.label} fits {plan.hardware.name}: "
        f"{memory} removes {number:,} of {total:,} that were tried"
    )
    return Problem(path="memories", what=what, remedy=f"raise memories.{memory}.capacity, or take a smaller shape")
