"""Commands, bytes and energy of a workload, counted by hand, and as the simulator of NeuPIMs counted them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest

from attnsim.families.npu_pim.bind import bind
from attnsim.families.npu_pim.bound import BoundWorkload
from attnsim.families.npu_pim.counts import Counts, count
from attnsim.pipeline import Request, Run, make_plan, simulate
from attnsim.specs.npu_pim import NpuPim
from attnsim.specs.npu_schedule import Schedule

# 32 requests of 512 keys on 32 channels, eight heads of 128.
UNIFORM = {"B": 32, "H": 8, "E": 128, "F": 128, "P": 1, "M": 512}


def bound(request: Request) -> BoundWorkload:
    plan = make_plan(request)
    assert isinstance(plan.hardware, NpuPim)
    own = {step: mapping for step, mapping in plan.mappings.items() if isinstance(mapping, Schedule)}
    found = bind(plan.workload, plan.hardware, own)
    assert isinstance(found, BoundWorkload)
    return found


def attention(mapping: str = "concurrent", extents: Mapping[str, int] = UNIFORM, **rest: object) -> Request:
    return Request(cascade="attention_3pass", hardware="neupims", mapping=mapping, extents=extents, **rest)  # type: ignore[arg-type]


def layer(mapping: str) -> Request:
    return Request(model="gpt3-7b", hardware="neupims", mapping=mapping, scope="layer", batch=64, trace="share-gpt")


def test_commands_of_a_uniform_batch_are_those_of_the_simulator_of_neupims() -> None:
    # A request: two rows of four heads with 16 tiles of 4 x 8 steps, eight heads with 4 tiles of 32 steps.
    counts = count(bound(attention()))
    assert counts.tiles == 32 * (2 * 16 + 8 * 4) == 2048
    assert counts.steps == 2048 * 32 == 65_536
    assert counts.reads == 32 * (2 * 16 * 4 + 8 * 4) == 5120
    assert counts.fills == 32 * (2 + 8) == 320
    # 16,384 commands that activate four banks each.
    assert counts.activates == 2048 * 32 == 65_536
    # Nothing fills up a row here: K and V of 512 tokens, eight heads, 128 words of 2 bytes.
    assert counts.bank_bytes == 2 * 32 * 512 * 8 * 128 * 2
    assert counts.bank_macs == 2 * 32 * 512 * 8 * 128


def test_energy_of_a_uniform_batch_is_that_of_the_simulator_of_neupims() -> None:
    run = simulate(attention())
    assert isinstance(run, Run)
    # 65,536 x (3216 + 828) pJ, 320 x 12,864 pJ and 5120 x 804 pJ; rows of two ranks are open for 32 tiles of 197 ns and
    # 32 of 143 ns of each request, at 66 - 48 mW more than without.
    commands_j, open_j = 273.26e-6, 32 * 32 * (197 + 143) * 1e-9 * 2 * 18e-3
    assert run.metrics.energy_j["banks"] == pytest.approx(commands_j + open_j, rel=1e-4)
    assert run.metrics.total_energy_j == pytest.approx(416e-6, rel=0.03)


def test_lower_bounds_are_those_of_the_multipliers_and_of_the_dram() -> None:
    run = simulate(attention())
    assert isinstance(run, Run)
    # 64 MiB by 32 channels of 32 banks, 32 bytes each 2 ns; 256 rows of 512 scores, 2 bytes each, at 1024 GB/s.
    assert run.metrics.bounds_s["pim"] == pytest.approx(2**26 / (32 * 32 * 32 / 2e-9))
    assert run.metrics.bounds_s["dram"] == pytest.approx(256 * 512 * 2 / 1024e9)
    # Four banks that share multipliers take four times as long.
    shared = simulate(attention(overrides=("hardware.pim.level=group",)))
    assert isinstance(shared, Run)
    assert shared.metrics.bounds_s["pim"] == pytest.approx(4 * run.metrics.bounds_s["pim"])


def test_what_only_fills_up_a_row_is_multiplied_but_not_useful() -> None:
    # One token: a tile for each row of heads and four for each head, with 8 steps, and 6 that fill the adder tree.
    counts = count(bound(attention(extents={**UNIFORM, "M": 1})))
    assert counts.tiles == 32 * (2 + 8 * 4)
    assert counts.steps == 32 * (2 * 32 + 8 * 4)
    assert counts.bank_bytes == counts.steps * 16 * 2 * 32
    assert counts.bank_macs == 2 * 32 * 8 * 128


def test_queries_of_a_group_multiply_the_same_rows_again() -> None:
    request = Request(
        cascade="grouped_query_attention", hardware="neupims", mapping="concurrent", extents={**UNIFORM, "G": 4}
    )
    once, grouped = count(bound(attention())), count(bound(request))
    kept = {"vector_operations"}
    assert {f.name: getattr(grouped, f.name) for f in fields(Counts) if f.name not in kept} == {
        f.name: 4 * getattr(once, f.name) for f in fields(Counts) if f.name not in kept
    }


def test_a_query_multiplies_the_keys_that_it_sees() -> None:
    def keys(cascade: str, **extents: int) -> int:
        asked = {**UNIFORM, **extents}
        request = Request(cascade=cascade, hardware="neupims", mapping="concurrent", extents=asked)
        return bound(request).requests[0].keys

    # The query at position 2047 of 2048, with a window of 512, and with one that is longer than what there is.
    assert keys("flash_attention", G=1, M=2048, PAST=2047, W=512) == 512
    assert keys("flash_attention", G=1, M=2048, PAST=2047, W=4096) == 2048
    # A single query is the last token, also where the cascade has no constant that says so.
    assert keys("attention_3pass", M=2048) == keys("attention_3pass_causal", M=2048) == 2048


def test_a_window_hides_the_keys_of_long_requests_only(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("seq_len\n100\n700\n513\n", encoding="utf-8")
    extents = {"H": 8, "G": 1, "E": 128, "F": 128, "W": 512}
    request = Request(
        cascade="flash_attention", hardware="neupims", mapping="concurrent", extents=extents, trace=str(trace)
    )
    assert [request.keys for request in bound(request).requests] == [100, 512, 512]


@pytest.mark.parametrize("mapping", ["concurrent", "blocked", "npu_only", "concurrent_subbatch"])
def test_useful_multiplications_do_not_depend_on_where_they_are_done(mapping: str) -> None:
    counts, reference = count(bound(layer(mapping))), count(bound(layer("concurrent")))
    assert counts.array_macs + counts.bank_macs == reference.array_macs + reference.bank_macs


def test_two_sub_batches_read_the_weights_of_products_twice() -> None:
    once, twice = count(bound(layer("concurrent"))), count(bound(layer("concurrent_subbatch")))
    # A device of four: D 4096, 8 heads of 128, S 4096; QKV, output, up and down projection.
    weights = 4096 * (3 * 1024 + 1024 + 4096 + 4096) * 2
    assert twice.read_bytes - once.read_bytes == weights
    assert twice.written_bytes == once.written_bytes


def test_attention_on_the_arrays_reads_q_k_and_v_and_writes_its_result() -> None:
    counts = count(bound(attention("npu_only")))
    assert counts.read_bytes == 32 * 8 * (2 * 512 + 1) * 128 * 2
    assert counts.written_bytes == 32 * 8 * 128 * 2
    assert counts.steps == counts.fills == counts.bank_bytes == counts.bank_macs == 0
