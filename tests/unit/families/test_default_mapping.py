"""The mapping that is used when none is named: close to those written by hand, clear about what it cannot place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from attnsim.errors import MappingError
from attnsim.families.spatial_array.auto import default_mapping
from attnsim.metrics import Metrics
from attnsim.pipeline import Request, Run, simulate
from attnsim.specs.cascade import load_cascade, read_cascade
from attnsim.specs.hardware import load_hardware

HEAD = {"B": 4, "H": 4, "E": 64, "F": 64}


def metrics(request: Request) -> Metrics:
    run = simulate(request)
    assert isinstance(run, Run), run
    return run.metrics


def by_default(cascade: str, hardware: str, **extents: int) -> Metrics:
    """A run with the default mapping, even where the hardware names one for the cascade."""
    text = load_cascade(cascade)
    step = {rank: extents[rank] for rank, _ in text.ranks if rank in extents}
    mapping = default_mapping(text, load_hardware(hardware), step)
    assert mapping.name == "auto"
    return metrics(Request(cascade=cascade, hardware=hardware, extents=step))


@pytest.mark.parametrize(("m", "n", "k"), [(4096, 768, 768), (768, 4096, 768), (65536, 512, 512), (2048, 2048, 2048)])
def test_a_matrix_product_is_as_fast_as_with_the_mapping_written_by_hand(m: int, n: int, k: int) -> None:
    extents = {"M": m, "N": n, "K": k}
    by_hand = metrics(Request(mapping="matmul", hardware="fusemax", extents=extents))
    default = metrics(Request(cascade="gemm", hardware="fusemax", extents=extents))
    assert default.latency_s == pytest.approx(by_hand.latency_s, rel=0.03)
    assert default.bytes["dram"] <= by_hand.bytes["dram"] * 1.03
    assert default.energy_j["array_2d.mac"] == by_hand.energy_j["array_2d.mac"]


@pytest.mark.parametrize("length", [1024, 4096])
def test_one_pass_attention_is_within_twice_the_mapping_written_by_hand(length: int) -> None:
    extents = {**HEAD, "P": length, "M": length}
    by_hand = metrics(Request(mapping="binding", extents=extents))
    default = by_default("attention_1pass_causal", "fusemax", **extents)
    assert by_hand.latency_s / 2 <= default.latency_s <= 2 * by_hand.latency_s
    assert default.bytes["dram"] == by_hand.bytes["dram"]


def test_fused_attention_moves_its_operands_once_where_they_fit() -> None:
    length = 2048
    found = by_default("attention_1pass_causal", "fusemax", **HEAD, P=length, M=length)
    assert found.bytes["dram"] == 2 * 16 * length * 4 * 64


@pytest.mark.parametrize("hardware", ["fusemax", "flat", "tpu_v4i_like"])
def test_sigmoid_attention_runs_on_arrays_that_can_exp_and_divide(hardware: str) -> None:
    extents = {**HEAD, "P": 1024, "M": 1024}
    found = by_default("sigmoid_attention", hardware, **extents)
    assert found.latency_s >= max(found.bounds_s.values()) * (1 - 1e-6)


@pytest.mark.parametrize("size", [255, 256, 257, 300, 384, 511])
def test_odd_extents_are_cut_into_even_tiles(size: int) -> None:
    found = metrics(Request(cascade="gemm", hardware="fusemax", extents={"M": size, "N": size, "K": 64}))
    tiles = -(-size // 256)
    worked = (tiles * -(-size // tiles)) ** 2 * 64
    assert found.energy_j["array_2d.mac"] == pytest.approx(worked * 17.1645e-12)
    assert worked <= size**2 * 64 * 1.02


def test_what_no_array_can_do_is_named_once_for_all_einsums() -> None:
    text = (
        "name: erfs\nsource: own\nranks: {P: rows}\ninputs: X[p]\noperators:\n"
        "  erf: {expression: tanh(x) * 1.2}\neinsums: |\n  Y[p] = erf(X[p])\n  Z[p] = erf(Y[p])\noutputs: [Z]\n"
    )
    with pytest.raises(MappingError) as caught:
        default_mapping(read_cascade(text), load_hardware("eyeriss_like"), {"P": 64})
    [problem] = caught.value.problems
    assert problem.what == "pe_array of eyeriss_like cannot do erf, which Einsums Y, Z need"
    assert "tanh" in problem.remedy
    assert default_mapping(read_cascade(text), load_hardware("fusemax"), {"P": 64}).phases


def test_nothing_is_kept_when_it_does_not_fit() -> None:
    tiny = ("memories.global_buffer.capacity=1 KiB",)
    run = simulate(Request(cascade="gemm", hardware="fusemax", extents={"M": 512, "N": 512, "K": 64}, overrides=tiny))
    assert isinstance(run, Run)
    assert not any(phase.keep for mapping in run.plan.mappings.values() for phase in mapping.phases)


def test_iterative_ranks_become_loops_in_the_order_of_their_split() -> None:
    scan = default_mapping(load_cascade("attention_scan_blocked"), load_hardware("fusemax"), {**HEAD, "M": 1024})
    [phase] = scan.phases
    assert phase.order.index("M1") < phase.order.index("M0")


@pytest.mark.parametrize("fill_drain", ["ideal", "modeled"])
def test_an_input_that_is_not_kept_is_read_in_each_pass(fill_drain: str) -> None:
    tiny = ("memories.global_buffer.capacity=1 KiB",)
    extents = {"P": 512, "D": 256}
    request = Request(cascade="layer_norm_welford", hardware="fusemax", extents=extents, overrides=tiny)
    found = metrics(replace(request, fill_drain=fill_drain))
    once = 512 * 256 * 2
    assert 3 * once <= found.bytes["dram"] < 3.1 * once
