"""Every shipped hardware runs every shipped cascade or says what it lacks; what comes out obeys the laws of metrics."""

from __future__ import annotations

import json
import math
from functools import cache

import pytest

from attnsim.analysis import CascadeAnalysis, analyse
from attnsim.errors import MappingError
from attnsim.families.gpu_tile.launch import BoundWorkload as BoundLaunches
from attnsim.families.registry import FAMILIES
from attnsim.families.spatial_array.bound import BoundWorkload
from attnsim.pipeline import Request, Run, simulate
from attnsim.results import json_text, run_json
from attnsim.specs.cascade import load_cascade
from attnsim.specs.hardware import load_hardware
from attnsim.specs.library import names

SMALL = {"B": 1, "H": 2, "G": 2, "P": 96, "M": 96, "E": 16, "F": 16, "D": 64, "S": 128, "N": 80, "K": 48, "J": 8}
SMALL |= {"C": 12, "W": 96, "Q": 48, "R": 3}
CASCADES = names("cascade")
HARDWARE = names("hardware")
# Arrays of one design in many sizes: one small and one large stand for them where both models run.
ARRAYS = [name for name in HARDWARE if load_hardware(name).family == "spatial_array"]
DESIGNS = [name for name in ARRAYS if not name.startswith("fusemax_") or name == "fusemax_16"]
# GPUs differ in numbers only; two stand for all where every cascade runs.
GPUS = ["h100_sxm", "l40s"]
# NPUs with PIM run attention of two products, single products, and work without one.
NPUS = [name for name in HARDWARE if load_hardware(name).family == "npu_pim"]
UNKNOWN_TO_NPUS = ("attention_scan", "attention_scan_blocked", "decoder_layer", "encoder_layer", "linear_attention")
UNKNOWN_TO_NPUS += ("linear_attention_chunked", "masked_attention", "topk_attention")
WITHOUT_SOFTMAX = ("eyeriss_like",)
LINEAR = ("conv1d", "gemm", "residual_add")
# Cascades without masks, windows or chosen points, and hardware whose sides divide the small extents.
DENSE = [
    name
    for name in CASCADES
    if not any(e.conditions or e.populate for e in load_cascade(name).einsums)
    and not load_cascade(name).sparse
    and name not in ("conv1d", "topk_attention", "linear_attention_chunked", "attention_scan_blocked", "decoder_layer")
]
TILES_DIVIDE = ("fusemax", "flat", "fusemax_16", "tpu_v4i_like")

# Every phase ends on a whole picosecond.
PICOSECONDS = 1e-12 * 60

array_pairs = pytest.mark.parametrize(
    ("cascade", "hardware"),
    [(c, h) for h in DESIGNS for c in CASCADES if h not in WITHOUT_SOFTMAX or c in LINEAR],
)
npu_pairs = [(c, h) for h in NPUS for c in CASCADES if c not in UNKNOWN_TO_NPUS]
pairs = pytest.mark.parametrize(
    ("cascade", "hardware"),
    [(c, h) for h in [*DESIGNS, *GPUS] for c in CASCADES if h not in WITHOUT_SOFTMAX or c in LINEAR] + npu_pairs,
)


def extents_of(cascade: str, **changed: int) -> dict[str, int]:
    """Small extents for the ranks of a cascade; parts of split ranks follow from the mapping."""
    loaded = load_cascade(cascade)
    parts = {part for split in loaded.splits for part in split.parts}
    parts |= {rank for pair in loaded.same for rank in pair if set(pair) & parts}
    bound = {**SMALL, **changed}
    return {rank: bound[rank] for rank, _ in loaded.ranks if rank not in parts}


@cache
def run(cascade: str, hardware: str, fill_drain: str = "ideal", batch: int = 1) -> Run:
    extents = extents_of(cascade, B=batch)
    mapping = "pytorch" if hardware in GPUS else None
    request = Request(cascade=cascade, hardware=hardware, mapping=mapping, extents=extents, fill_drain=fill_drain)
    result = simulate(request)
    assert isinstance(result, Run), result
    return result


@cache
def analysis(cascade: str) -> CascadeAnalysis:
    return analyse(load_cascade(cascade), extents_of(cascade))


def test_every_hardware_belongs_to_a_registered_family() -> None:
    assert {load_hardware(name).family for name in HARDWARE} <= set(FAMILIES)


@pytest.mark.parametrize("hardware", HARDWARE)
def test_every_hardware_multiplies_matrices_no_faster_than_its_resources_allow(hardware: str) -> None:
    metrics = run("gemm", hardware).metrics
    assert metrics.latency_s >= max(metrics.bounds_s.values()) - PICOSECONDS


@pairs
def test_no_run_is_faster_than_its_lower_bounds(cascade: str, hardware: str) -> None:
    for fill_drain in ("ideal", "modeled"):
        metrics = run(cascade, hardware, fill_drain).metrics
        for name, bound_s in metrics.bounds_s.items():
            assert metrics.latency_s >= bound_s - PICOSECONDS, (fill_drain, name)


@pairs
def test_every_utilization_is_a_share(cascade: str, hardware: str) -> None:
    for fill_drain in ("ideal", "modeled"):
        metrics = run(cascade, hardware, fill_drain).metrics
        assert all(0 <= share <= 1 + 1e-4 for share in metrics.utilization.values()), metrics.utilization
        assert sum(metrics.bottleneck.values()) == pytest.approx(1)


@array_pairs
def test_a_pipeline_that_fills_and_drains_is_never_faster_and_moves_the_same(cascade: str, hardware: str) -> None:
    ideal, modeled = run(cascade, hardware).metrics, run(cascade, hardware, "modeled").metrics
    assert modeled.latency_s >= ideal.latency_s - PICOSECONDS
    assert modeled.bytes == ideal.bytes
    assert modeled.energy_j == ideal.energy_j


@pairs
def test_what_must_move_moves(cascade: str, hardware: str) -> None:
    # A small problem may stay in the L2 of a GPU; every byte of it passes there.
    # What banks multiply does not leave them.
    moved = run(cascade, hardware).metrics.bytes
    backing = (
        {"l2"} if hardware in GPUS else {*moved} if hardware in NPUS else {[*load_hardware(hardware).memories][-1]}
    )
    assert sum(moved[name] for name in backing) >= analysis(cascade).compulsory_bytes * (1 - 1e-9)


@array_pairs
def test_every_point_that_the_algorithm_has_is_computed(cascade: str, hardware: str) -> None:
    plan = run(cascade, hardware).plan
    bound = FAMILIES[plan.hardware.family].bind(plan.workload, plan.hardware, plan.mappings, plan.assumptions)
    assert isinstance(bound, BoundWorkload)
    done = {s.einsum.name: s.points * phase.events(s.each) for phase in bound.phases for s in phase.stages}
    inner = {part for split in load_cascade(cascade).splits for part in split.parts[1:]}
    [mapping] = plan.mappings.values()
    asked = {part: size for phase in mapping.phases for part, size in phase.tile.items() if part in inner}
    found = {part: size for phase in bound.phases for part, size in phase.space.tile.items() if part in inner}
    cut = {part: size if isinstance(size, int) else found[part] for part, size in asked.items()}
    needed = {e.name: e.points for e in analyse(load_cascade(cascade), {**extents_of(cascade), **cut}).einsums}
    assert done.keys() == needed.keys()
    assert [name for name in needed if done[name] < needed[name]] == []
    if cascade in DENSE and hardware in TILES_DIVIDE:
        assert done == needed


@pytest.mark.parametrize("cascade", CASCADES)
def test_a_gpu_without_a_fused_kernel_launches_every_einsum_once(cascade: str) -> None:
    plan = run(cascade, "h100_sxm").plan
    bound = FAMILIES["gpu_tile"].bind(plan.workload, plan.hardware, plan.mappings, plan.assumptions)
    assert isinstance(bound, BoundLaunches)
    launched = [einsum for launch in bound.launches for einsum in launch.einsums]
    assert launched == [einsum.name for einsum in load_cascade(cascade).einsums]


@pytest.mark.parametrize("cascade", CASCADES)
def test_twice_the_memory_bandwidth_is_never_slower(cascade: str) -> None:
    hardware = load_hardware("fusemax_16")
    bandwidth = hardware.memories["dram"].bandwidth_bytes_per_s
    assert bandwidth is not None
    doubled = (f"memories.dram.bandwidth={2 * bandwidth} byte/s",)
    faster = simulate(Request(cascade=cascade, hardware="fusemax_16", extents=extents_of(cascade), overrides=doubled))
    assert isinstance(faster, Run)
    assert faster.metrics.latency_s <= run(cascade, "fusemax_16").metrics.latency_s + PICOSECONDS


@pairs
def test_the_time_of_the_phases_makes_up_the_latency(cascade: str, hardware: str) -> None:
    metrics = run(cascade, hardware).metrics
    assert metrics.latency_s == pytest.approx(sum(phase.latency_s for phase in metrics.phases))


@pairs
def test_twice_the_batch_takes_twice_the_time_and_energy(cascade: str, hardware: str) -> None:
    batched = "B" in load_cascade(cascade).batch
    once, twice = run(cascade, hardware).metrics, run(cascade, hardware, batch=2).metrics
    if batched and hardware not in (*GPUS, *NPUS):
        assert twice.latency_s == pytest.approx(2 * once.latency_s, abs=PICOSECONDS)
        assert twice.total_energy_j == pytest.approx(2 * once.total_energy_j, rel=1e-9)
    else:
        assert twice.latency_s >= once.latency_s - PICOSECONDS


@pairs
def test_energies_and_areas_are_finite_and_make_up_their_totals(cascade: str, hardware: str) -> None:
    metrics = run(cascade, hardware).metrics
    known_areas = [area for area in metrics.area_m2.values() if area is not None]
    assert all(math.isfinite(value) and value >= 0 for value in (*metrics.energy_j.values(), *known_areas))
    if metrics.energy_j:
        assert metrics.total_energy_j == pytest.approx(math.fsum(metrics.energy_j.values()))
    else:
        assert metrics.total_energy_j is None
        assert metrics.average_power_w is None


@pairs
def test_the_json_of_a_run_reads_back_as_it_was(cascade: str, hardware: str) -> None:
    document = run_json(run(cascade, hardware))
    assert json.loads(json_text(document)) == json.loads(json.dumps(document))


@pytest.mark.parametrize("cascade", [c for c in CASCADES if c not in LINEAR])
def test_an_array_without_exp_and_div_says_so_with_its_file_and_line(cascade: str) -> None:
    with pytest.raises(MappingError) as caught:
        run(cascade, "eyeriss_like")
    assert all("eyeriss_like.yaml:" in str(problem) for problem in caught.value.problems)
    assert all("cannot do" in problem.what and "add `" in problem.remedy for problem in caught.value.problems)


@pytest.mark.parametrize("hardware", NPUS)
@pytest.mark.parametrize("cascade", UNKNOWN_TO_NPUS)
def test_an_npu_says_which_cascades_it_cannot_place(cascade: str, hardware: str) -> None:
    for queries in (1, 96):
        request = Request(cascade=cascade, hardware=hardware, extents=extents_of(cascade, P=queries))
        with pytest.raises(
            MappingError, match=r"for\.cascade: .*(products? among other Einsums; take|; use a mapping)"
        ):
            simulate(request)


@pytest.mark.parametrize(("cascade", "hardware"), npu_pairs)
def test_an_npu_runs_a_single_query_as_it_runs_many(cascade: str, hardware: str) -> None:
    found = simulate(Request(cascade=cascade, hardware=hardware, extents=extents_of(cascade, P=1)))
    assert isinstance(found, Run)
    assert found.metrics.latency_s >= max(found.metrics.bounds_s.values()) - PICOSECONDS
