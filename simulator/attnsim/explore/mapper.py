"""Find a mapping: request and goal -> the best mapping that was found, beside those that are shipped for it.

Spatial arrays are searched in `mapper_partition`, GPUs in `mapper_gpu`; docs/mapping-search.md says what is searched.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from attnsim.errors import AttnSimError, MappingError, Problem
from attnsim.explore.mapper_answer import Goal, Tally, cost_of
from attnsim.explore.mapper_phase import Account
from attnsim.explore.mapper_spatial import search_spatial
from attnsim.mapping.choose import resolve
from attnsim.mapping.infeasible import Infeasible
from attnsim.pipeline import Plan, Request, Run, make_plan, simulate_plan
from attnsim.specs.gpu_tile import GpuTile
from attnsim.specs.kernel import Kernel
from attnsim.specs.library import shipped_files
from attnsim.specs.loop_nest import LoopNest
from attnsim.specs.mapping import Mapping, load_mapping
from attnsim.specs.mapping_file import Target
from attnsim.specs.npu_pim import NpuPim
from attnsim.specs.spatial_array import SpatialArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """A shipped mapping at the same shape: its run, or why it has none."""

    name: str
    run: Run | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The best mapping with its run. floor: no mapping of this hardware comes below it, in the unit of the goal, None
    where none is known. optimal: nothing in the space is better. interrupted: the user stopped the search."""

    goal: Goal
    run: Run
    mapping: Mapping
    tally: Tally
    floor: float | None
    optimal: bool
    interrupted: bool
    shipped: tuple[Shipped, ...]

    @property
    def gap(self) -> float | None:
        """Share by which the mapping is above the floor."""
        return cost_of(self.run, self.goal.objective) / self.floor - 1 if self.floor else None


def find_mapping(request: Request, goal: Goal, watch: Callable[[int], None] | None = None) -> Found:
    """The best mapping that a search finds; `watch` is told how many were evaluated.

    Raises AttnSimError for bad input, hardware that cannot compute the cascade, and spaces without a feasible mapping.
    """
    _require_goal(request, goal)
    plan = make_plan(replace(request, mapping=None))
    hardware = plan.hardware
    if isinstance(hardware, NpuPim) or len(plan.workload.steps) != 1:
        what = (
            f"{hardware.name} has no tiles to search" if isinstance(hardware, NpuPim) else "only one cascade is mapped"
        )
        remedy = "name a spatial array or a GPU" if isinstance(hardware, NpuPim) else "leave --scope out"
        raise AttnSimError(Problem(path="--hardware", what=what, remedy=remedy))
    if isinstance(hardware, SpatialArray) and request.mapping is not None:
        what = "the search of a spatial array starts from no mapping"
        raise AttnSimError(Problem(path="--mapping", what=what, remedy="leave it out; it names the kernel of a GPU"))
    shipped = _shipped_mappings(plan)
    deadline_s = time.monotonic() + goal.max_s if goal.max_s is not None else math.inf
    account = Account(budget=goal.budget, deadline_s=deadline_s, watch=watch)
    if isinstance(hardware, SpatialArray):
        assumed = _assumed(plan, shipped)
        outcome = search_spatial(_under(plan, assumed), assumed, goal, account)
    else:
        from attnsim.explore.mapper_gpu import search_gpu  # numba with it, which spatial arrays do without

        base = _kernel(plan, request, shipped)
        shipped = [mapping for mapping in shipped if any(_same_types(one, base) for one in _resolved(mapping, plan))]
        outcome = search_gpu(plan, base, goal, account)
    (step,) = plan.workload.steps
    return Found(
        goal=goal,
        run=outcome.run,
        mapping=outcome.run.plan.mappings[step.name],
        tally=outcome.tally,
        floor=outcome.floor,
        optimal=outcome.optimal,
        interrupted=outcome.interrupted,
        shipped=tuple(_run_shipped(plan, mapping) for mapping in shipped),
    )


def _require_goal(request: Request, goal: Goal) -> None:
    problems = []
    if goal.budget < 1:
        problems.append(
            Problem(path="--budget", what="a search without evaluations finds nothing", remedy="give 1 or more")
        )
    if goal.max_s is not None and not goal.max_s > 0:
        problems.append(Problem(path="--seconds", what=f"{goal.max_s} is no time to search", remedy="give more than 0"))
    if request.cascade is None and request.mapping is None:
        problems.append(Problem(path="--cascade", what="nothing says what to map", remedy="name a cascade"))
    if request.hardware is None:
        problems.append(Problem(path="--hardware", what="nothing says on what to map it", remedy="name a hardware"))
    if problems:
        raise AttnSimError(*problems)


def _shipped_mappings(plan: Plan) -> list[Mapping]:
    """Mappings that are shipped for this cascade and hardware, the hardware's default first."""
    (step,) = plan.workload.steps
    own = plan.hardware.default_mapping
    folder = plan.hardware.family
    names = [name for name, path in shipped_files("mapping").items() if path.parent.name == folder]
    found = []
    for name in sorted(names, key=lambda name: (name != own, name)):
        mapping = load_mapping(name)
        fits = step.cascade.name in (mapping.target.cascade, *mapping.target.also)
        if fits and (name == own or _is_for(mapping, plan)):
            found.append(mapping)
    return found


def _is_for(mapping: Mapping, plan: Plan) -> bool:
    """Whether a mapping is shipped for the hardware of a plan; a kernel if its constants were fitted there."""
    if isinstance(mapping, Kernel):
        from attnsim.specs.calibration import calibrated_gpus

        return plan.hardware.name in calibrated_gpus(mapping.name) and mapping.attention is not None
    return mapping.target.hardware == plan.hardware.name


def _assumed(plan: Plan, shipped: list[Mapping]) -> LoopNest:
    """The assumptions of a search: those of the first shipped mapping that covers the shape, under what was asked."""
    (step,) = plan.workload.steps
    resolved = next((r for m in shipped for r in _resolved(m, plan)), None)
    base = (
        resolved if isinstance(resolved, LoopNest) else LoopNest(name="found", target=Target(cascade=step.cascade.name))
    )
    request = plan.request
    update: dict[str, object] = {}
    update |= {"fill_drain": request.fill_drain} if request.fill_drain else {}
    update |= {"register_file_energy": request.register_files} if request.register_files else {}
    return base.model_copy(update=update)


def _resolved(mapping: Mapping, plan: Plan) -> Iterator[Mapping]:
    (step,) = plan.workload.steps
    try:
        yield resolve(mapping, step.extents, load_mapping)
    except MappingError:
        return


def _under(plan: Plan, assumed: LoopNest) -> Plan:
    assumptions = replace(plan.assumptions, fill_drain=assumed.fill_drain, register_files=assumed.register_file_energy)
    return replace(plan, assumptions=assumptions)


def _kernel(plan: Plan, request: Request, shipped: list[Mapping]) -> Kernel:
    """The kernel whose tiles are searched: the named one, else the first shipped one with a fused launch."""
    from attnsim.families.gpu_tile.fused import attention_ranks

    (step,) = plan.workload.steps
    assert isinstance(plan.hardware, GpuTile)
    attention_ranks(step.cascade)
    named = [load_mapping(request.mapping)] if request.mapping else shipped
    for mapping in (resolved for one in named for resolved in _resolved(one, plan)):
        if (
            isinstance(mapping, Kernel)
            and mapping.attention
            and plan.hardware.architecture in mapping.attention.instructions
        ):
            return mapping
    what = f"no fused kernel for {step.cascade.name} runs on {plan.hardware.name}"
    raise AttnSimError(Problem(path="--mapping", what=what, remedy="name a kernel whose tiles are to be searched"))


def _same_types(mapping: Mapping, base: Kernel) -> bool:
    """Whether a kernel computes in the types of another, and forwards like it."""
    if not isinstance(mapping, Kernel) or mapping.attention is None or base.attention is None:
        return False
    products = (mapping.attention.score_products, mapping.attention.value_products)
    same_work = products == (base.attention.score_products, base.attention.value_products)
    return mapping.data_types == base.data_types and same_work


def _run_shipped(plan: Plan, mapping: Mapping) -> Shipped:
    """A shipped mapping at the shape of a plan, under its own assumptions unless others were asked for."""
    try:
        run = simulate_plan(make_plan(replace(plan.request, mapping=mapping.name)))
    except AttnSimError as error:
        return Shipped(name=mapping.name, run=None, reason=error.problems[0].what)
    if isinstance(run, Infeasible):
        return Shipped(name=mapping.name, run=None, reason=f"does not fit {run.memory}")
    return Shipped(name=mapping.name, run=run)
