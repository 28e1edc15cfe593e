"""NPUs with PIM in a group of devices, starts of steps, heads on channels or arrays of their own, and areas."""

from __future__ import annotations

from pathlib import Path

import pytest

from attnsim.cli.run_table import area
from attnsim.errors import MappingError, SpecError
from attnsim.metrics import Metrics
from attnsim.pipeline import Request, Run, make_plan, simulate

HEADS = {"B": 80, "H": 1, "P": 1, "M": 1024, "E": 128, "F": 128}
UNSTARTED = "hardware.start=0 s"


def metrics(request: Request) -> Metrics:
    found = simulate(request)
    assert isinstance(found, Run)
    return found.metrics


def attention(hardware: str = "attacc", *overrides: str, mapping: str | None = None, **extents: int) -> Metrics:
    return metrics(
        Request(
            cascade="attention_3pass",
            hardware=hardware,
            mapping=mapping,
            extents={**HEADS, **extents},
            overrides=(UNSTARTED, *overrides),
        )
    )


def block(*overrides: str, devices: int, hardware: str = "attacc") -> Metrics:
    return metrics(
        Request(
            model="gpt3-7b",
            hardware=hardware,
            scope="layer",
            phase="decode",
            seq_len=256,
            batch=16,
            tensor_parallel=devices,
            overrides=overrides,
        )
    )


def test_products_that_contract_a_divided_rank_are_summed_over_the_devices() -> None:
    request = Request(model="gpt3-7b", hardware="attacc", scope="layer", seq_len=64, batch=2, tensor_parallel=4)
    summed = {step.name: step.summed_over for step in make_plan(request).workload.steps}
    assert {name for name, devices in summed.items() if devices > 1} == {"output_projection", "ffn_down"}
    assert set(summed.values()) == {1, 4}
    alone = make_plan(Request(model="gpt3-7b", hardware="attacc", scope="layer", seq_len=64, tensor_parallel=1))
    assert {step.summed_over for step in alone.workload.steps} == {1}


def test_an_all_reduce_takes_a_step_for_each_other_device() -> None:
    # Two in a block: three steps of 6.06 us and a fourth of 16 x 4096 words of 2 bytes at 111 GB/s.
    busy = [phase.busy_s.get("link", 0.0) for phase in block(devices=4).phases]
    expected_s = 3 * (6.06e-6 + 16 * 4096 * 2 / 4 / 111e9)
    assert [seconds for seconds in busy if seconds] == [pytest.approx(expected_s, rel=1e-6)] * 2


def test_a_device_alone_or_without_a_link_sums_nothing() -> None:
    assert "link" not in block(devices=1).utilization
    assert "link" not in block(devices=4, hardware="neupims").utilization


def test_every_step_starts_after_the_time_that_it_takes_to_start() -> None:
    started, at_once = block(devices=4), block(UNSTARTED, devices=4)
    assert started.latency_s - at_once.latency_s == pytest.approx(len(started.phases) * 2.2e-6, rel=1e-9)


def test_heads_fill_the_channels_in_rounds() -> None:
    one, full, two = (attention(B=batch).latency_s for batch in (1, 80, 81))
    assert full == pytest.approx(one, rel=0.05)  # results of 80 heads are stored one a cycle
    assert two > 1.8 * full


def test_heads_of_a_request_lie_on_channels_as_heads_of_requests_do() -> None:
    assert attention(B=10, H=8).latency_s == attention(B=80, H=1).latency_s


def test_a_head_that_fills_its_rows_moves_what_it_holds() -> None:
    # 1024 tokens of 128 words of 2 bytes, K and V, of 80 heads: eight rows of 64 banks for each of a head's two.
    assert attention().bytes["banks"] == 80 * 2 * 1024 * 128 * 2
    # In rows shared by the heads of a request, one head leaves three quarters of the rows of K empty.
    assert attention(mapping="in_banks").latency_s > attention().latency_s


def test_a_trace_that_names_channels_is_refused_where_heads_have_their_own(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("seq_len,ch_idx\n128,0\n256,1\n", encoding="utf-8")
    request = Request(
        cascade="attention_3pass", hardware="attacc", trace=str(file), extents={"H": 4, "E": 128, "F": 128}
    )
    with pytest.raises(MappingError, match="the trace puts a request on one channel"):
        simulate(request)


def test_requests_of_a_trace_lie_head_by_head(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("seq_len\n128\n2048\n", encoding="utf-8")
    request = Request(
        cascade="attention_3pass",
        hardware="attacc",
        trace=str(file),
        extents={"H": 4, "E": 128, "F": 128},
        overrides=("mapping.attention.placement=min_load", UNSTARTED),
        mapping="per_head",
    )
    assert metrics(request).bytes["banks"] == 4 * (128 + 2048) * 2 * 128 * 2


def test_sub_batches_need_whole_requests() -> None:
    with pytest.raises(SpecError, match="sub-batches are of whole requests"):
        attention("attacc", "mapping.attention.sub_batches=2", mapping="per_head")


def test_arrays_with_a_head_each_wait_for_memory_where_all_on_one_wait_for_themselves() -> None:
    abreast = attention(mapping="heads_abreast", M=4096)
    in_turn = attention("attacc", "mapping.attention.heads=in_turn", mapping="heads_abreast", M=4096)
    assert abreast.bytes == in_turn.bytes
    assert abreast.bottleneck["dram"] > 0.5
    assert in_turn.latency_s > 2 * abreast.latency_s


def test_the_area_of_the_dram_and_of_what_pim_adds_is_told() -> None:
    found = attention("neupims", mapping="concurrent", E=128)
    assert found.area_m2["pim"] == pytest.approx(0.0311 * 2944e-6)
    assert found.total_area_m2 is None
    assert area(found) == "not known: the hardware gives none for die; dram 2944 mm^2; pim 91.558 mm^2"
    assert "pim" not in attention("neupims_npu").area_m2


@pytest.mark.parametrize("name", ["attacc", "attacc_group", "attacc_buffer", "hbm_pim", "gddr6_aim"])
def test_no_device_is_faster_than_its_multipliers(name: str) -> None:
    found = attention(name, B=160, M=2048)
    assert found.latency_s > found.bounds_s["pim"]


def test_hbm_pim_computes_at_four_times_its_pins_at_most() -> None:
    # ISCA 2021: 1.23 TB/s through the pins, four times as much in the banks.
    held = 160 * 2048 * 2 * 128 * 2
    assert held / attention("hbm_pim", B=40, H=4, M=2048).bounds_s["pim"] == pytest.approx(4 * 1229e9, rel=0.01)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("hardware.pim.banks_per_unit=3", "pim.banks_per_unit"),
        ("hardware.memory.efficiency=0", "memory.efficiency"),
        ("hardware.arrays.efficiency=1.5", "arrays.efficiency"),
    ],
)
def test_numbers_that_cannot_be_are_refused(change: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        attention("attacc", change)
