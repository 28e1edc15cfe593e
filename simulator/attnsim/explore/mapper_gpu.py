"""Tiles of a fused kernel on a GPU: rows and keys of a tile, threads, stages, where Q lies, how keys are split.

A tile is tried if its accumulators fit the registers of its threads (sums in fp32, and 32 registers for everything
else, 64 where the compiler is free to take them) and if at least one CTA fits an SM. All that fit are timed at once by
the model's own bulk path; the fastest are simulated. Everything that is not a tile stays as in the kernel that the
search starts from, its constants included.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from attnsim.components.attention import AttentionShape, attention_shape
from attnsim.errors import AttnSimError, Problem
from attnsim.explore.mapper_answer import Goal, Tally, cost_of
from attnsim.explore.mapper_outcome import Outcome
from attnsim.explore.mapper_phase import Account, OutOfTime
from attnsim.families.gpu_tile.attention import gpu_numbers, require_types
from attnsim.families.gpu_tile.bulk import run_bulk
from attnsim.families.gpu_tile.columns import Floats
from attnsim.families.gpu_tile.constants import choose_constants
from attnsim.families.gpu_tile.fused import attention_ranks, tile_work
from attnsim.families.gpu_tile.problems import bind_problems, one_problem, rule_ctas, shared_parts
from attnsim.pipeline import Plan, Run, simulate_plan
from attnsim.specs.gpu_tile import GpuTile
from attnsim.specs.kernel import AttentionLaunch, Constants, Kernel, Split, TileRule
from attnsim.specs.mapping_file import Target
from attnsim.specs.ranges import bounds

_ROWS = (16, 32, 64, 128, 192, 256)
_KEYS = (16, 32, 48, 64, 80, 96, 112, 128, 160, 176, 192, 224, 256)
_STAGES = (1, 2, 3)
_WARP_ROWS = 16
_WARPGROUP = 128
_WARPGROUP_ROWS = 64
_PRODUCER_REGISTERS = 24
_LEAST_REGISTERS, _FREE_REGISTERS = 32, 64
_TENSOR_MEMORY_COLUMNS, _TENSOR_MEMORY_LANES = 512, 128
_SIMULATED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A tile and the way in which keys are split."""

    rule: TileRule
    split: Split


def search_gpu(plan: Plan, base: Kernel, goal: Goal, account: Account) -> Outcome:
    """Search tiles for the only step of a plan, starting from a kernel.

    Raises AttnSimError if no tile fits, and says which limit removes most.
    """
    (step,) = plan.workload.steps
    gpu = plan.hardware
    assert isinstance(gpu, GpuTile)
    require_types(base, gpu)
    shape = attention_shape(step.cascade, attention_ranks(step.cascade), step.extents)
    space, fitting = _space(base, gpu, shape, account)
    if not fitting:
        raise AttnSimError(_nothing_fits(gpu, base, shape, account))
    interrupted = False
    timed: list[tuple[float, Variant]] = []
    try:
        _time(plan, base, gpu, shape, _drawn(fitting, goal), timed, account)
    except (OutOfTime, KeyboardInterrupt) as end:
        interrupted = isinstance(end, KeyboardInterrupt)
    if not timed:
        raise KeyboardInterrupt if interrupted else AttnSimError(_nothing_fits(gpu, base, shape, account))
    timed.sort(key=lambda one: one[0])
    best = timed[: _SIMULATED if goal.objective == "latency" else None]
    kernels = [_kernel(plan, base, variant) for _, variant in best]
    runs = [run for kernel in kernels for run in _run(plan, kernel)]
    run = min(runs, key=lambda one: cost_of(one, goal.objective))
    return Outcome(
        run=run,
        tally=Tally.of(account, mappings=space),
        floor=run.metrics.bounds_s["tensor"] if goal.objective == "latency" else None,
        optimal=len(timed) == len(fitting) and not interrupted,
        interrupted=interrupted,
    )


def _run(plan: Plan, kernel: Kernel) -> Iterator[Run]:
    (step,) = plan.workload.steps
    found = simulate_plan(replace(plan, mappings={step.name: kernel}))
    if isinstance(found, Run):
        yield found


def _space(base: Kernel, gpu: GpuTile, shape: AttentionShape, account: Account) -> tuple[int, list[Variant]]:
    """Number of tiles times splits, and those that fit; the others are counted by what they do not fit."""
    launch = base.attention
    assert launch is not None
    splits = _splits(base, launch)
    like = _nearest(launch, gpu, shape.qk_dim)
    fitting, size = [], 0
    for rule, reason in _rules(launch, gpu, shape, like):
        size += len(splits)
        cause = reason or _misfit(rule, base, gpu, shape)
        if cause:
            account.reject(cause, len(splits))
            continue
        fitting += [Variant(rule=rule, split=split) for split in splits]
    return size, fitting


def _splits(base: Kernel, launch: AttentionLaunch) -> list[Split]:
    if base.combine is None:
        return [launch.split]
    ways = [launch.split, Split(rule="none")]
    ways += [Split(rule="wave_efficiency", slots_per_sm=slots) for slots in (1, 2)]
    return [way for i, way in enumerate(ways) if way not in ways[:i]]


def _nearest(launch: AttentionLaunch, gpu: GpuTile, head_dim: int) -> TileRule:
    """The rule of the kernel for the nearest head dimension on this architecture."""
    usable = [rule for rule in launch.tiles if not rule.architectures or gpu.architecture in rule.architectures]
    return min(usable or launch.tiles, key=lambda rule: abs(min(bounds(rule.head_dim)[1], 1 << 20) - head_dim))


def _rules(
    launch: AttentionLaunch, gpu: GpuTile, shape: AttentionShape, like: TileRule
) -> Iterator[tuple[TileRule, str]]:
    """Tiles with registers and threads by the class of instructions, and why the accumulators do not fit, if so."""
    name = launch.instructions[gpu.architecture]
    shapes = {"wgmma": _warpgroup_threads, "tcgen05": _tensor_memory_threads}.get(name, _warp_threads)
    width = min(shape.v_dim, like.v_columns or shape.v_dim)
    in_shared = (True,) if name != "mma" else (True, False)
    for m, n, stages, shared in product(_ROWS, _KEYS, _STAGES, in_shared):
        for threads, registers, ctas, reason in shapes(gpu, m, n, width, like):
            rule = like.model_copy(
                update={
                    "architectures": [],
                    "head_dim": "..",
                    "rows": "..",
                    "keys": "..",
                    "masks": [],
                    "data_types": [],
                    "m": m,
                    "n": n,
                    "threads": threads,
                    "registers": registers,
                    "stages": stages,
                    "q_shared": shared,
                    "held": 1.0,
                    "ctas": ctas,
                    "spilled": 0,
                    "split": False,
                    "grid": math.inf,
                }
            )
            yield rule, reason


Shapes = Iterator[tuple[int, int, int, str]]


def _warp_threads(gpu: GpuTile, m: int, n: int, width: int, like: TileRule) -> Shapes:
    """Warps of 16 rows (`mma`): threads, registers of a thread, CTAs, reason."""
    for threads in (64, 128, 256):
        if threads * _WARP_ROWS > m * 32 * like.key_warps:
            continue
        needed = (m * width + m * n) // threads
        registers = min(gpu.max_registers_per_thread, -(-(needed + _FREE_REGISTERS) // 8) * 8)
        fits = needed + _LEAST_REGISTERS <= gpu.max_registers_per_thread
        yield threads, registers, 32, "" if fits else "registers of a thread"


def _warpgroup_threads(gpu: GpuTile, m: int, n: int, width: int, _like: TileRule) -> Shapes:
    """Warpgroups of 64 rows and one that loads (`wgmma`), which leaves its registers to the others."""
    if m % _WARPGROUP_ROWS:
        return
    groups = m // _WARPGROUP_ROWS
    threads = _WARPGROUP * (groups + 1)
    for ctas in (1, 2):
        registers = min(gpu.max_registers_per_thread, gpu.registers // (ctas * threads) // 8 * 8)
        free = (registers * threads - _WARPGROUP * _PRODUCER_REGISTERS) // (_WARPGROUP * groups)
        needed = (m * width + m * n) // (_WARPGROUP * groups) + _LEAST_REGISTERS
        fits = needed <= min(free, gpu.max_registers_per_thread)
        yield threads, registers, ctas, "" if fits else "registers of a thread"


def _tensor_memory_threads(_gpu: GpuTile, m: int, n: int, width: int, like: TileRule) -> Shapes:
    """Accumulators in tensor memory (`tcgen05`): threads and registers as the kernel has them."""
    fits = -(-m // _TENSOR_MEMORY_LANES) * (n + width) <= _TENSOR_MEMORY_COLUMNS
    yield like.threads, like.registers, like.ctas, "" if fits else "tensor memory"


def _misfit(rule: TileRule, base: Kernel, gpu: GpuTile, shape: AttentionShape) -> str:
    """The limit of an SM that a tile exceeds; nothing if a CTA fits."""
    if rule_ctas(rule, base, gpu, shape.qk_dim, shape.v_dim):
        return ""
    shared = sum(shared_parts(rule, base, shape.qk_dim, shape.v_dim).values())
    return "shared memory of a CTA" if shared > gpu.shared_memory_per_cta_bytes else "registers of an SM"


def _drawn(fitting: Sequence[Variant], goal: Goal) -> list[Variant]:
    """The variants in the order in which they are tried: as they come, or in a drawn order if not all can be."""
    if len(fitting) <= goal.budget:
        return list(fitting)
    return random.Random(goal.seed).sample(list(fitting), k=goal.budget)


def _time(
    plan: Plan,
    base: Kernel,
    gpu: GpuTile,
    shape: AttentionShape,
    variants: Sequence[Variant],
    timed: list[tuple[float, Variant]],
    account: Account,
) -> None:
    """Append the seconds of every variant; what was timed stays when the search ends early."""
    (step,) = plan.workload.steps
    work = tile_work(step.cascade, attention_ranks(step.cascade))
    problem = one_problem(shape)
    rows: list[Floats] = []
    bound: list[Variant] = []
    try:
        for variant in variants:
            account.spend()
            rows.append(bind_problems(problem, _kernel(plan, base, variant), gpu, work).columns[0])
            bound.append(variant)
    finally:
        if rows:
            chosen = choose_constants(_kernel(plan, base, variants[0]), gpu, plan.assumptions.calibration)
            seconds, _ = run_bulk(np.array(rows), chosen.values, gpu_numbers(gpu))
            timed += zip((float(one) for one in seconds), bound, strict=True)


def _kernel(plan: Plan, base: Kernel, variant: Variant) -> Kernel:
    """The kernel with this tile for every problem."""
    launches = [
        launch.model_copy(update={"tiles": [variant.rule], "split": variant.split})
        if isinstance(launch, AttentionLaunch)
        else launch
        for launch in base.launches
    ]
    request = plan.request
    (step,) = plan.workload.steps
    constants = Constants(of=base.constants.of or base.name, fixed=base.constants.fixed)
    return base.model_copy(
        update={
            "name": "found",
            "title": f"{base.name} with the tile found for {plan.workload.label} on {plan.hardware.name}",
            "source": "attnsim map",
            "notes": "",
            "target": Target(cascade=request.cascade or step.cascade.name, hardware=request.hardware),
            "launches": launches,
            "constants": constants,
            "measured": [],
        }
    )


def _nothing_fits(gpu: GpuTile, base: Kernel, shape: AttentionShape, account: Account) -> Problem:
    limit, number = max(account.misfit.items(), key=lambda item: item[1], default=("", 0))
    what = (
        f"no tile of {base.name} with head dimension {shape.qk_dim} fits {gpu.name}: "
        f"{limit} removes {number:,} of {account.infeasible:,}"
    )
    return Problem(path="tiles", what=what, remedy="take a smaller head dimension, or another kernel with --mapping")
