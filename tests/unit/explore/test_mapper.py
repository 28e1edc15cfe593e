"""Searched mappings: as good as published ones, never better than the model allows, optimal where they say so."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product

import pytest

from attnsim.errors import AttnSimError
from attnsim.explore.mapper import Found, find_mapping
from attnsim.explore.mapper_answer import Goal, Objective, cost_of
from attnsim.explore.mapper_compute import placements_of
from attnsim.explore.mapper_nests import Tile, block_sizes, nests_of_segment, tiles_of
from attnsim.explore.mapper_partition import PartitionSearch
from attnsim.explore.mapper_phase import Account, OutOfTime
from attnsim.explore.mapper_residency import Form, form_of, mapping_of, phase_of, residency_of, space_of
from attnsim.explore.mapper_setting import Setting, setting_of
from attnsim.families.gpu_tile.problems import rule_ctas
from attnsim.families.spatial_array.space import build_space
from attnsim.mapping.infeasible import Infeasible
from attnsim.pipeline import Plan, Request, Run, make_plan, simulate_plan
from attnsim.specs.cascade import load_cascade
from attnsim.specs.gpu_tile import GpuTile
from attnsim.specs.kernel import Kernel
from attnsim.specs.loop_nest import LoopNest, Phase
from attnsim.specs.mapping_file import Target
from attnsim.specs.spatial_array import SpatialArray

FUSEMAX = Request(hardware="fusemax", cascade="attention_1pass", model="bert", batch=64)
FLAT = Request(hardware="flat", cascade="attention_3pass", model="bert", batch=64)
SMALL_GEMM = Request(hardware="fusemax_16", cascade="gemm", extents={"M": 48, "N": 32, "K": 64})
TIGHT = ("hardware.memories.global_buffer.capacity=4 KiB",)
TIGHT_GEMM = Request(hardware="eyeriss_like", cascade="gemm", extents={"M": 96, "N": 80, "K": 128}, overrides=TIGHT)
TIGHT_ROWS = replace(TIGHT_GEMM, extents={"M": 300, "N": 7, "K": 65})
TRIED = 200
HEADS = Request(hardware="h100_sxm", cascade="flash_attention", seq_len=4096, batch=1)


def found(request: Request, **goal: object) -> Found:
    return find_mapping(request, Goal(**goal))  # type: ignore[arg-type]


def shipped(result: Found) -> dict[str, float]:
    return {one.name: one.run.metrics.latency_s for one in result.shipped if one.run is not None}


def setting(request: Request) -> tuple[Plan, Setting]:
    plan = make_plan(request)
    (step,) = plan.workload.steps
    assert isinstance(plan.hardware, SpatialArray)
    assumed = LoopNest(name="assumed", target=Target(cascade=step.cascade.name))
    return plan, setting_of(step, plan.hardware, assumed)


@pytest.mark.parametrize("seq_len", [1 << 10, 1 << 20])
def test_on_fusemax_no_published_mapping_is_faster(seq_len: int) -> None:
    result = found(replace(FUSEMAX, seq_len=seq_len))
    assert {"binding", "architecture"} <= set(shipped(result))
    assert result.run.metrics.latency_s <= min(shipped(result).values())


@pytest.mark.parametrize("seq_len", [1 << 14, 1 << 18, 1 << 20])
def test_on_the_hardware_of_flat_no_published_mapping_is_faster(seq_len: int) -> None:
    result = found(replace(FLAT, seq_len=seq_len))
    assert {"flat", "unfused"} <= set(shipped(result))
    assert result.run.metrics.latency_s <= min(shipped(result).values()) * (1 + 1e-6)


def test_scores_that_fit_no_buffer_pass_memory_four_times_and_little_else_does() -> None:
    """Phases at once: the scores are written and read, the probabilities too."""
    seq_len = 1 << 20
    result = found(replace(FLAT, seq_len=seq_len))
    hardware = result.run.plan.hardware
    assert isinstance(hardware, SpatialArray)
    scores_s = 64 * 12 * seq_len**2 * 2 / (hardware.memories["dram"].bandwidth_bytes_per_s or 1)
    assert result.run.metrics.latency_s == pytest.approx(4 * scores_s, rel=1e-3)
    assert result.run.metrics.latency_s < 0.975 * min(shipped(result).values())


def test_a_product_on_a_buffer_that_is_small_keeps_a_block_of_its_sums() -> None:
    result = found(Request(hardware="eyeriss_like", cascade="gemm", extents={"M": 512, "N": 512, "K": 512}))
    assert result.optimal
    assert isinstance(result.mapping, LoopNest)
    assert "Z" in result.mapping.phases[0].keep["global_buffer"]


def test_one_pass_on_the_hardware_of_flat_is_not_slower_than_the_published_mapping() -> None:
    result = found(replace(FLAT, cascade="attention_1pass", seq_len=1 << 14))
    assert result.run.metrics.latency_s <= shipped(result)["cascade"]


def test_a_product_on_a_small_buffer_reaches_the_bound_of_the_arrays() -> None:
    result = found(Request(hardware="fusemax_128", cascade="gemm", extents={"M": 1024, "N": 1024, "K": 1024}))
    assert result.optimal
    assert result.gap == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("objective", ["energy", "edp"])
def test_energy_and_its_product_with_latency_are_not_above_those_of_published_mappings(objective: Objective) -> None:
    result = found(replace(FUSEMAX, seq_len=1 << 12), objective=objective, budget=100)
    assert not result.optimal
    best = min(cost_of(one.run, objective) for one in result.shipped if one.run is not None)
    assert cost_of(result.run, objective) <= best


@pytest.mark.parametrize("request_", [SMALL_GEMM, TIGHT_GEMM, TIGHT_ROWS], ids=["roomy", "tight", "rows"])
def test_nothing_in_a_small_space_beats_the_mapping_that_is_called_optimal(request_: Request) -> None:
    result = found(request_, budget=5000)
    assert result.optimal
    plan, small = setting(request_)
    fastest = min(run.metrics.latency_s for run in drawn_runs(plan, small))
    assert result.run.metrics.latency_s <= fastest * (1 + 1e-6)
    assert result.run.metrics.latency_s >= (result.floor or 0.0) * (1 - 1e-6)


def drawn_runs(plan: Plan, small: Setting) -> list[Run]:
    """Runs of drawn tiles, blocks and residencies of a cascade of one Einsum, by the model alone."""
    phases = [
        phase
        for nest in nests_of_segment(small, (0, 1))
        for tile in list(tiles_of(small, nest))[::7]
        for x1 in block_sizes(small, nest, tile)[:3]
        for phase in every_residency(small, form_of(small, nest), replace(tile, x1=x1))
    ]
    tried = random.Random(0).sample(phases, k=TRIED)
    mappings = [mapping_of(small, [p], Target(cascade="gemm"), name="one", title="", source="") for p in tried]
    runs = (simulate_plan(replace(plan, mappings={small.step.name: mapping})) for mapping in mappings)
    return [run for run in runs if not isinstance(run, Infeasible)]


def every_residency(small: Setting, form: Form, tile: Tile) -> list[Phase]:
    placement = placements_of(small, form.nest, tile, form.works, least_energy=False)
    residency = residency_of(small, form, tile, placement, small.capacity_bytes)
    if isinstance(residency, str):
        return []
    base = phase_of(small, form, tile, placement, residency, name="one", beside=False, in_flight=8)
    ways = product([None, *form.nest.order], repeat=3)
    kept = [{tensor: loop for tensor, loop in zip("ABZ", way, strict=True) if loop} for way in ways]
    return [base, *(base.model_copy(update={"keep": {small.memory: keep}}) for keep in kept[::7])]


@pytest.mark.parametrize("cascade", ["attention_1pass", "attention_2pass", "linear_attention", "layer_norm"])
def test_a_search_counts_the_time_that_the_simulation_takes(cascade: str) -> None:
    extents = {"B": 2, "H": 3, "P": 700, "M": 600, "E": 32, "F": 32, "D": 512}
    request = Request(hardware="fusemax_128", cascade=cascade, extents=extents_of(cascade, extents))
    plan, small = setting(request)
    counted = PartitionSearch(small, "latency", Account(budget=60), 60).search()
    assert counted is not None
    phases = [
        phase_of(small, d.form, d.tile, d.placement, d.residency, name=f"p{i}", beside=counted.beside, in_flight=8)
        for i, d in enumerate(counted.designs)
    ]
    mapping = mapping_of(small, phases, Target(cascade=cascade), name="one", title="", source="")
    run = simulate_plan(replace(plan, mappings={small.step.name: mapping}))
    assert isinstance(run, Run)
    assert run.metrics.latency_s == pytest.approx(counted.latency_s, rel=1e-5)


def extents_of(cascade: str, extents: dict[str, int]) -> dict[str, int]:
    ranks = {rank for rank, _ in load_cascade(cascade).ranks} | {"B"}
    return {rank: extent for rank, extent in extents.items() if rank in ranks}


@pytest.mark.parametrize("cascade", ["attention_1pass", "attention_3pass", "linear_attention_chunked", "gemm"])
def test_the_iteration_space_of_a_search_is_that_of_the_model(cascade: str) -> None:
    extents = {"B": 2, "H": 3, "P": 100, "M": 100, "E": 16, "F": 16, "N": 40, "K": 30}
    _, small = setting(Request(hardware="fusemax_16", cascade=cascade, extents=extents_of(cascade, extents)))
    whole = (0, len(small.units))
    for nest in nests_of_segment(small, whole):
        form = form_of(small, nest)
        tile = Tile(x0=16, y0=10, x1=2)
        placement = placements_of(small, nest, tile, form.works, least_energy=False)
        residency = residency_of(small, form, tile, placement, float("inf"))
        if isinstance(residency, str):
            continue
        phase = phase_of(small, form, tile, placement, residency, name="p", beside=False, in_flight=8)
        space, _ = build_space(
            small.cascade, small.cascade.einsums, small.step.extents, phase, small.hardware, pad=True
        )
        mine = space_of(small, form, tile)
        assert (mine.loops, mine.tile, mine.symbols) == (space.loops, space.tile, space.symbols)


def test_scores_that_wait_for_their_maximum_stay_in_the_buffer_if_the_registers_are_too_small() -> None:
    result = found(replace(FLAT, cascade="attention_1pass", seq_len=1 << 12))
    assert isinstance(result.mapping, LoopNest)
    assert "QK" in result.mapping.phases[0].keep["global_buffer"]


def test_the_same_seed_finds_the_same_mapping() -> None:
    request = replace(HEADS, extents={"H": 8, "G": 1, "E": 96, "F": 96})
    first, second = (found(request, budget=40, seed=7) for _ in range(2))
    assert first.mapping == second.mapping


def test_an_interrupted_search_gives_the_best_so_far() -> None:
    def stop(evaluated: int) -> None:
        if evaluated == 3:
            raise KeyboardInterrupt

    result = find_mapping(replace(FLAT, seq_len=1 << 14), Goal(), stop)
    assert result.interrupted
    assert result.tally.evaluated == 3


def test_a_search_that_runs_out_of_time_says_that_nothing_is_proven() -> None:
    result = found(replace(FLAT, seq_len=1 << 14), max_s=1e-6)
    assert not result.optimal
    assert result.tally.evaluated == 0


def test_modeled_pipelines_are_simulated_and_never_called_optimal() -> None:
    small = Request(hardware="fusemax_16", cascade="attention_1pass", extents={"E": 16, "F": 16}, seq_len=128)
    result = found(replace(small, fill_drain="modeled"), budget=20)
    assert isinstance(result.mapping, LoopNest)
    assert result.mapping.fill_drain == "modeled"
    assert not result.optimal
    assert result.run.metrics.latency_s <= min([*shipped(result).values(), 1.0])


def test_a_space_without_a_mapping_says_which_memory_is_too_small() -> None:
    tiny = replace(FUSEMAX, seq_len=1 << 10, overrides=("hardware.memories.global_buffer.capacity=16 B",))
    with pytest.raises(AttnSimError, match="global_buffer removes"):
        found(tiny)


@pytest.mark.parametrize("head_dim", [64, 128, 256])
@pytest.mark.parametrize("gpu", ["a100_sxm", "h100_sxm"])
def test_on_a_gpu_no_tile_of_the_kernel_itself_is_faster(gpu: str, head_dim: int) -> None:
    extents = {"H": 16, "G": 1, "E": head_dim, "F": head_dim}
    result = found(replace(HEADS, hardware=gpu, extents=extents))
    own = {"a100_sxm": "fa2", "h100_sxm": "fa3"}[gpu]
    assert result.run.metrics.latency_s <= shipped(result)[own] * (1 + 1e-9)


@pytest.mark.parametrize("head_dim", [160, 320])
def test_tiles_for_head_dimensions_of_no_kernel_fit_an_sm(head_dim: int) -> None:
    result = found(replace(HEADS, extents={"H": 16, "G": 1, "E": head_dim, "F": head_dim}))
    gpu, kernel = result.run.plan.hardware, result.mapping
    assert isinstance(gpu, GpuTile)
    assert isinstance(kernel, Kernel)
    assert kernel.attention is not None
    assert rule_ctas(kernel.attention.tiles[0], kernel, gpu, head_dim, head_dim) >= 1


def test_an_account_ends_a_search_at_its_budget() -> None:
    account = Account(budget=5)
    for _ in range(5):
        account.spend()
    with pytest.raises(OutOfTime):
        account.spend()
