"""Time of attention in the banks and of a layer: who waits for whom, and a batch by hand."""

from __future__ import annotations

import pytest

from attnsim.components.pim import gemv_tile
from attnsim.metrics import Metrics
from attnsim.pipeline import Request, Run, simulate
from attnsim.specs.cascade import load_cascade
from attnsim.specs.hardware import load_hardware
from attnsim.specs.library import names
from attnsim.specs.mapping import load_mapping
from attnsim.specs.npu_pim import NpuPim

UNIFORM = {"B": 32, "H": 8, "E": 128, "F": 128, "P": 1, "M": 512}
BLOCKED_PER_CHANNEL = ("mapping.attention.pim_command_issue=per_channel",)


def metrics(request: Request) -> Metrics:
    run = simulate(request)
    assert isinstance(run, Run), run
    return run.metrics


def uniform(mapping: str, *overrides: str, engine: str = "fast", **extents: int) -> Metrics:
    asked = {**UNIFORM, **extents}
    return metrics(
        Request(
            cascade="attention_3pass",
            hardware="neupims",
            mapping=mapping,
            extents=asked,
            overrides=overrides,
            engine=engine,
        )
    )


def skewed(mapping: str, *overrides: str, batch: int = 64, scope: str = "attention") -> Metrics:
    return metrics(
        Request(
            model="gpt3-7b",
            hardware="neupims",
            mapping=mapping,
            batch=batch,
            trace="share-gpt",
            scope=scope,
            overrides=overrides,
        )
    )


def test_one_short_request_takes_the_time_computed_by_hand() -> None:
    # 32 keys of one head of 128 in a channel. Scores: fill 96 + 2, then header, two ranks of four activates, 14 rcd and
    # the command, 1 + 1 + 90 + 14 + 1; 14 + 2 until the result is there. A row of scores is stored in a cycle, softmax
    # of 32 keys takes one for each map and reduction. Values: fill 98, four tiles of 143; again 14 + 2.
    found = uniform("concurrent", "hardware.vectors.count=1000", B=1, H=1, M=32)
    softmax = found.phases[0].busy_s["vectors"]
    by_hand = 98 + 107 + 16 + 1 + (98 + 4 * 143) + 16
    assert found.latency_s - softmax == pytest.approx(by_hand * 1e-9, abs=1e-12)


def test_a_channel_works_off_its_requests_one_after_the_other() -> None:
    # 512 keys, 8 heads: scores 2 x (98 + 16 x 197), values 8 x (98 + 4 x 143); refreshes only lengthen it.
    one, two = uniform("concurrent"), uniform("concurrent", B=64)
    alone_s = (2 * (98 + 16 * 197) + 8 * (98 + 4 * 143)) * 1e-9
    assert alone_s < one.latency_s < 1.45 * alone_s
    assert 1.9 * one.latency_s < two.latency_s < 2.1 * one.latency_s


@pytest.mark.parametrize("found", [uniform, skewed])
def test_one_row_buffer_is_slower_than_two_and_one_command_bus_for_all_slower_yet(found: object) -> None:
    assert callable(found)
    concurrent, device = found("concurrent").latency_s, found("blocked").latency_s
    channel = found("blocked", *BLOCKED_PER_CHANNEL).latency_s
    assert device > 2 * channel
    assert channel > 1.1 * concurrent


@pytest.mark.parametrize("mapping", ["concurrent", "blocked"])
@pytest.mark.parametrize("overrides", [(), BLOCKED_PER_CHANNEL])
@pytest.mark.parametrize("batch", [8, 40, 200])
def test_values_that_need_not_wait_for_all_scores_are_no_later(
    mapping: str, overrides: tuple[str, ...], batch: int
) -> None:
    waiting = skewed(mapping, *overrides, batch=batch)
    free = skewed(mapping, *overrides, "mapping.attention.barrier=false", batch=batch)
    assert free.latency_s <= waiting.latency_s


def test_a_barrier_costs_time_where_channels_end_their_scores_apart() -> None:
    free = skewed("concurrent", "mapping.attention.barrier=false", "mapping.attention.placement=round_robin")
    assert free.latency_s < skewed("concurrent", "mapping.attention.placement=round_robin").latency_s


def test_min_load_beats_taking_channels_in_turn() -> None:
    in_turn = skewed("concurrent", "mapping.attention.placement=round_robin", batch=256)
    assert skewed("concurrent", batch=256).latency_s < 0.75 * in_turn.latency_s


def test_the_two_parts_of_attention_make_up_its_time() -> None:
    phases = uniform("concurrent").phases
    assert sum(phase.latency_s for phase in phases) == pytest.approx(uniform("concurrent").latency_s)


def test_sub_batches_take_turns_in_two_phases_of_one_layer() -> None:
    found = skewed("concurrent_subbatch", scope="layer", batch=256)
    assert [phase.name for phase in found.phases] == ["half 1 attends", "half 2 attends"]
    assert all({"pim", "arrays"} <= set(phase.busy_s) for phase in found.phases)
    # Weights are read twice, but attention hides behind them.
    apart = skewed("concurrent", scope="layer", batch=256)
    assert found.bytes["dram"] > 1.5 * apart.bytes["dram"]
    assert found.latency_s < apart.latency_s


def test_reads_beside_the_banks_lose_the_bus_to_commands_of_the_busiest_channel() -> None:
    calm = skewed("concurrent_subbatch", "hardware.pim.command_bus=own", scope="layer", batch=256)
    shipped = skewed("concurrent_subbatch", scope="layer", batch=256)
    loud = skewed("concurrent_subbatch", "hardware.memory.timing.rtrs=4 ns", scope="layer", batch=256)
    assert calm.latency_s < shipped.latency_s < loud.latency_s
    # Without sub-batches nothing runs beside the banks.
    assert skewed("concurrent", "hardware.pim.command_bus=own").latency_s == skewed("concurrent").latency_s


def test_what_a_tile_takes_of_the_bus_is_near_what_was_counted_in_the_simulator() -> None:
    device = load_hardware("neupims")
    assert isinstance(device, NpuPim)
    assert device.pim is not None
    # 32 precharges, a header and 8 activates; 3.5 ns a result. Counted: 52.9 ns for K with four heads, 45.0 for V.
    assert gemv_tile(device.memory, device.pim, (8, 8, 8, 8)).bus_ps == 55_000
    assert gemv_tile(device.memory, device.pim, (32,)).bus_ps == 44_500


def test_refreshes_cost_time() -> None:
    never = uniform("concurrent", "hardware.memory.timing.refi=1 s").latency_s
    assert never == pytest.approx(12e-6, rel=0.05)
    assert uniform("concurrent").latency_s > 1.1 * never


@pytest.mark.parametrize("mapping", ["concurrent", "blocked", "concurrent_subbatch", "npu_only"])
def test_both_engines_agree(mapping: str) -> None:
    def latency_s(engine: str) -> float:
        request = Request(
            model="gpt3-7b", hardware="neupims", mapping=mapping, batch=6, trace="alpaca", scope="layer", engine=engine
        )
        return metrics(request).latency_s

    assert latency_s("fast") == latency_s("reference")


def test_more_than_one_query_runs_on_the_arrays_whatever_the_mapping_says() -> None:
    found = uniform("concurrent", P=64)
    assert "banks" not in found.bytes
    assert (
        found.latency_s
        == uniform(
            "npu_only", "mapping.attention.serial_passes=false", "mapping.attention.spare_block=false", P=64
        ).latency_s
    )


SCHEDULES = [name for name in names("mapping") if load_mapping(name).family == "npu_pim"]


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_mapping_runs_every_cascade_that_it_names(name: str) -> None:
    target = load_mapping(name).target
    for cascade in (target.cascade, *target.also):
        ranks = {rank for rank, _ in load_cascade(cascade).ranks}
        asked = {rank: size for rank, size in {**UNIFORM, "B": 2, "M": 64, "G": 2}.items() if rank in ranks}
        found = metrics(Request(cascade=cascade, hardware=target.hardware, mapping=name, extents=asked))
        assert ("banks" in found.bytes) == (name not in ("npu_only", "heads_abreast"))
