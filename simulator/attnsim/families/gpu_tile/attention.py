"""A fused attention step on a GPU: cascade x kernel x constants -> launches, or why no tile fits."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from functools import lru_cache
from operator import attrgetter

import numpy as np

from attnsim.components.attention import UNLIMITED, AttentionShape, Ranks, attention_shape
from attnsim.einsum.ast import Cascade
from attnsim.engine.grid import ctas_ps
from attnsim.errors import MappingError
from attnsim.families.gpu_tile.columns import AT, CONSTANT, Floats
from attnsim.families.gpu_tile.fused import TileWork, attention_ranks, tile_work
from attnsim.families.gpu_tile.launch import Activity, Launch
from attnsim.families.gpu_tile.occupancy import too_large
from attnsim.families.gpu_tile.plan import (
    BEFORE,
    COUNT,
    DRAM_MOVED,
    EXPOSURE,
    GROUPED,
    L2_MOVED,
    PLAN_SIZE,
    REPEATS,
    SHARE,
    TILES,
    apart_seconds,
    combine_cta_seconds,
    combined_bytes,
    finish,
    lay_out,
    write_cta_seconds,
    write_stream_seconds,
)
from attnsim.families.gpu_tile.problems import Bound, bind_problems, one_problem, shared_parts
from attnsim.families.gpu_tile.reuse import combined_from_dram, written_from_dram
from attnsim.mapping.infeasible import Infeasible
from attnsim.specs.gpu_tile import GpuTile
from attnsim.specs.kernel import AttentionLaunch, Kernel, TileRule
from attnsim.specs.ranges import bounds
from attnsim.specs.same import Same, recalled
from attnsim.specs.spec import problem_at
from attnsim.workload import Step

_PS = 1e12
_FACTS: dict[Hashable, tuple[Ranks, TileWork]] = {}
_BOUND: dict[Hashable, Bound] = {}
_OF_COLUMNS = attrgetter(
    *("architecture", "sms", "exp_per_cycle", "fp32_per_cycle", "registers", "max_registers_per_thread"),
    *("shared_memory_bytes", "shared_memory_per_cta_bytes", "shared_memory_reserved_bytes", "shared_bytes_per_cycle"),
    *("max_ctas", "max_threads"),
)
"""What `bind_problems` reads of a GPU, beside the rates of its tensor cores."""


def gpu_numbers(gpu: GpuTile) -> Floats:
    """The GPU as compiled functions take it: SMs, clock, L2 bytes, L2 and DRAM bytes per second."""
    return np.array(
        [
            gpu.sms,
            gpu.clock_hz,
            gpu.l2.capacity_bytes,
            gpu.l2.bandwidth_bytes_per_s,
            gpu.dram.bandwidth_bytes_per_s,
        ]
    )


def require_types(kernel: Kernel, gpu: GpuTile) -> None:
    """Raise MappingError if the GPU's instructions cannot multiply the kernel's data type, or the kernel knows no
    instructions of the GPU's architecture."""
    launch = kernel.attention
    assert launch is not None
    name = launch.instructions.get(gpu.architecture)
    if name is None:
        what = f"{kernel.name} does not run on {gpu.name} ({gpu.architecture})"
        raise MappingError(problem_at(kernel, "launches", what, f"it runs on {', '.join(launch.instructions)}"))
    for key, kind in (("products", kernel.data_types.products), ("scores", kernel.data_types.scores)):
        if kind is not None and kind not in gpu.tensor.get(name, {}):
            known = sorted({kind for rates in gpu.tensor.values() for kind in rates})
            what = f"{gpu.name} has no {name} for {kind}"
            raise MappingError(problem_at(kernel, f"data_types.{key}", what, f"it multiplies {', '.join(known)}"))


def attention_launches(step: Step, kernel: Kernel, gpu: GpuTile, constants: Floats) -> tuple[Launch, ...] | Infeasible:
    """Launches of a fused attention step, in order. Raises MappingError for a cascade that is no fused attention."""
    require_types(kernel, gpu)
    ranks, work = recalled(_FACTS, Same(step.cascade), lambda: _facts(step.cascade))
    shape = attention_shape(step.cascade, ranks, step.extents)
    bound = _bound(shape, kernel, gpu, work)
    if bound.chosen[0] < 0:
        return misfit(kernel, gpu, shape)
    row = bound.columns[0]
    launches = [_attention(step, kernel, gpu, constants, shape, work, row)]
    if row[AT["write_ctas"]]:
        write = _write(step, kernel, gpu, constants, row)
        launches.insert(0, replace(write, before_s=write.before_s + launches[0].before_s))
        launches[1] = replace(launches[1], before_s=0.0)
    if row[AT["combine_ctas"]]:
        launches.append(_combine(step, kernel, gpu, constants, row))
    return tuple(launches)


def _facts(cascade: Cascade) -> tuple[Ranks, TileWork]:
    ranks = attention_ranks(cascade)
    return ranks, tile_work(cascade, ranks)


def _bound(shape: AttentionShape, kernel: Kernel, gpu: GpuTile, work: TileWork) -> Bound:
    """The columns of one problem, remembered: of a GPU they depend on what an SM holds and does in a cycle."""
    tensor = tuple((name, tuple(rates.items())) for name, rates in gpu.tensor.items())
    key = (shape, Same(kernel), work, tensor, *_OF_COLUMNS(gpu))
    return recalled(_BOUND, key, lambda: bind_problems(one_problem(shape), kernel, gpu, work))


def _attention(
    step: Step, kernel: Kernel, gpu: GpuTile, constants: Floats, shape: AttentionShape, work: TileWork, row: Floats
) -> Launch:
    launch = kernel.attention
    assert launch is not None
    order, planned = planned_ctas(row, constants, gpu)
    tiles = planned[TILES] * row[AT["heads"]] * row[AT["batch"]]
    scores = tiles * row[AT["m"]] * row[AT["n"]]
    tile_rows = tiles * row[AT["m"]]
    width = row[AT["qk_dim"]] + row[AT["v_tile"]]
    return Launch(
        step=step.name,
        name=launch.name,
        works_s=order[: int(planned[COUNT])] / _PS,
        repeats=int(planned[REPEATS]),
        grouped=bool(planned[GROUPED]),
        slots=int(row[AT["slots"]]),
        share=float(planned[SHARE]),
        activity=Activity(
            tensor_flops=_by_type(kernel, launch, 2.0 * scores, row[AT["qk_dim"]], row[AT["v_tile"]]),
            fp32_ops=scores * work.score[1]
            + tile_rows * (work.tile_row[1] + row[AT["v_tile"]] * work.tile_row_element[1]),
            mufu_ops=scores * work.score[0] + tile_rows * work.tile_row[0],
            shared_bytes=2.0 * tiles * row[AT["n"]] * width * row[AT["load_bytes"]],
            l2_bytes=planned[L2_MOVED],
            dram_bytes=planned[DRAM_MOVED],
            useful_flops=sum(_by_type(kernel, launch, 2.0 * visible_pairs(shape), shape.qk_dim, shape.v_dim).values()),
        ),
        l2_bytes_per_s=constants[CONSTANT["l2"]] * gpu.l2.bandwidth_bytes_per_s,
        dram_bytes_per_s=constants[CONSTANT["dram"]] * gpu.dram.bandwidth_bytes_per_s,
        exposed=planned[EXPOSURE],
        before_s=planned[BEFORE],
        einsums=tuple(einsum.name for einsum in step.cascade.einsums),
    )


def _by_type(kernel: Kernel, launch: AttentionLaunch, twice: float, qk: float, v: float) -> dict[str, float]:
    """FLOPs of the products by data type; twice: two for each score. qk, v: elements of a head."""
    flops: dict[str, float] = {}
    first, second = kernel.data_types.scores or kernel.data_types.products, kernel.data_types.products
    for kind, times in ((first, launch.score_products * qk), (second, launch.value_products * v)):
        flops[kind] = flops.get(kind, 0.0) + float(twice * times)
    return flops


def planned_ctas(row: Floats, constants: Floats, gpu: GpuTile) -> tuple[Floats, Floats]:
    """(works of one copy of the grid in picoseconds, the numbers of `plan`) of a problem."""
    blocks = int(-(-row[AT["queries"]] * row[AT["group"]] // row[AT["m"]]) * row[AT["splits"]])
    order = np.zeros(max(blocks * max(1, int(row[AT["section"]])), int(row[AT["slots"]]) * gpu.sms))
    planned, numbers = np.zeros(PLAN_SIZE), gpu_numbers(gpu)
    lay_out(row, constants, numbers, np.zeros(blocks), order, planned)
    compute_ps, _ = ctas_ps(
        order[: int(planned[COUNT])],
        int(planned[REPEATS]),
        grouped=planned[GROUPED] > 0.0,
        share=float(planned[SHARE]),
        slots=int(row[AT["slots"]]),
        instances=gpu.sms,
    )
    finish(row, constants, numbers, order, compute_ps, planned)
    return order, planned


def _write(step: Step, kernel: Kernel, gpu: GpuTile, constants: Floats, row: Floats) -> Launch:
    launch = kernel.write
    assert launch is not None
    moved = row[AT["write_bytes"]]
    deep, rate = moved, moved / write_stream_seconds(row, constants)
    if row[AT["by_distance"]]:
        deep = written_from_dram(row, constants[CONSTANT["warm"]] * gpu.l2.capacity_bytes)
        rate = constants[CONSTANT["dram"]] * gpu.dram.bandwidth_bytes_per_s
    return Launch(
        step=step.name,
        name=launch.name,
        works_s=np.full(1, write_cta_seconds(row, constants, float(gpu.sms))),
        repeats=int(row[AT["write_ctas"]]),
        slots=int(row[AT["write_slots"]]),
        share=row[AT["write_share"]],
        activity=Activity(l2_bytes=moved if row[AT["by_distance"]] else 0.0, dram_bytes=deep),
        l2_bytes_per_s=moved / write_stream_seconds(row, constants),
        dram_bytes_per_s=rate,
        before_s=apart_seconds(row, constants),
    )


def _combine(step: Step, kernel: Kernel, gpu: GpuTile, constants: Floats, row: Floats) -> Launch:
    launch = kernel.combine
    assert launch is not None
    kept = constants[CONSTANT["warm"]] * gpu.l2.capacity_bytes
    deep = combined_from_dram(row, kept) if row[AT["by_distance"]] else 0.0
    return Launch(
        step=step.name,
        name=launch.name,
        works_s=np.full(1, combine_cta_seconds(row, constants)),
        repeats=int(row[AT["combine_ctas"]]),
        slots=int(row[AT["combine_slots"]]),
        share=row[AT["combine_slots"]],
        activity=Activity(l2_bytes=combined_bytes(row), dram_bytes=deep),
        l2_bytes_per_s=constants[CONSTANT["l2"]] * gpu.l2.bandwidth_bytes_per_s,
        dram_bytes_per_s=constants[CONSTANT["dram"]] * gpu.dram.bandwidth_bytes_per_s,
        before_s=constants[CONSTANT["combine"]] if row[AT["partials"]] > 0 else 0.0,
    )


@lru_cache(maxsize=4096)
def visible_pairs(shape: AttentionShape) -> float:
    """Pairs of a query and a key that it sees, over all heads and sequences."""
    query = np.arange(shape.queries, dtype=np.float64)
    high = np.minimum(shape.keys, query + shape.past + 1)
    low = np.maximum(0, query + shape.past - shape.window + 1) if shape.window < UNLIMITED else 0
    return float(np.maximum(high - low, 0).sum()) * shape.batch * shape.kv_heads * shape.group


def misfit(kernel: Kernel, gpu: GpuTile, shape: AttentionShape) -> Infeasible:
    """Why no tile of a kernel takes a problem: what its nearest tile would need with this head dimension.

    Beyond the dimensions that a kernel is built for, head dimensions are padded to a power of two.
    """
    launch = kernel.attention
    assert launch is not None
    rule = _nearest_rule(launch, kernel, gpu, shape.qk_dim)
    qk_dim, v_dim = (1 << (dim - 1).bit_length() for dim in (shape.qk_dim, shape.v_dim))
    parts = shared_parts(rule, kernel, qk_dim, v_dim)
    accumulators = (rule.m * v_dim + rule.m * rule.n) // rule.threads
    largest = max((rule_.head_dim for rule_ in launch.tiles), key=lambda text: bounds(text)[1])
    lever = f"use a head dimension in {largest}, another kernel, or add a tile for {shape.qk_dim} to {kernel.name}"
    return too_large(
        gpu,
        kernel.name,
        launch.name,
        registers_per_thread=max(rule.registers, accumulators + 32),
        parts=parts,
        lever=lever,
    )


def _nearest_rule(launch: AttentionLaunch, kernel: Kernel, gpu: GpuTile, head_dim: int) -> TileRule:
    """The rule whose head dimensions come nearest, among those for this GPU and data type if there are any."""
    usable = [
        rule
        for rule in launch.tiles
        if (not rule.architectures or gpu.architecture in rule.architectures)
        and (not rule.data_types or kernel.data_types.products in rule.data_types)
    ]
    return min(usable or launch.tiles, key=lambda rule: abs(min(bounds(rule.head_dim)[1], 1e9) - head_dim))
