"""Designs evaluated together have, to the last digit, the metrics of simulations one by one."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from attnsim.errors import AttnSimError
from attnsim.explore.batch import Evaluated, evaluate, metric_at, reason
from attnsim.mapping.infeasible import Infeasible
from attnsim.pipeline import Request, simulate
from attnsim.results import run_json

METRICS = (
    "latency_s",
    "energy_j.total",
    "energy_j.dram",
    "area_m2",
    "utilization.array_2d",
    "utilization.array_1d",
    "utilization.tensor",
    "bytes.dram",
    "average_power_w",
    "useful_flops_per_s",
    "tokens_per_s",
    "bottleneck_share.dram",
    "lower_bounds_s.dram",
    "area_by_component_m2.global_buffer",
    "no.such.metric",
)
WHOLE_RUN = ("phases.0.latency_s", "power_limited", "trust.0.mape", "bottleneck", "utilization_by_einsum.array_2d.QK")


def alone(request: Request, metrics: tuple[str, ...]) -> Evaluated:
    """A design by a simulation of its own."""
    try:
        result = simulate(request)
    except AttnSimError as error:
        return Evaluated(values=(None,) * len(metrics), infeasible=reason(error))
    if isinstance(result, Infeasible):
        return Evaluated(values=(None,) * len(metrics), infeasible=reason(result))
    document = run_json(result)
    return Evaluated(values=tuple(metric_at(document, path) for path in metrics))


def spatial(draw: random.Random) -> Request:
    mapping = draw.choice(("binding", "cascade", "architecture", "flat", "unfused", "flat_rows", None))
    overrides = [
        f"hardware.arrays.array_2d.shape=[{draw.choice((16, 64, 128, 96))}, {draw.choice((64, 128, 256))}]",
        f"hardware.memories.global_buffer.capacity={draw.choice((0.25, 1, 4, 16))} MiB",
        f"memories.dram.bandwidth={draw.choice((50, 400, 1234.5))} GB/s",
        f"clock={draw.choice((0.7, 0.94, 1.25))} GHz",
    ]
    return Request(
        model=draw.choice(("bert", "xlm")),
        cascade=None if mapping else "attention_3pass",
        hardware=None if mapping else "fusemax",
        mapping=mapping,
        seq_len=draw.choice((1024, 4096, 5000, 16384)),
        batch=draw.choice((None, 2)),
        overrides=tuple(draw.sample(overrides, draw.choice((0, 2, 4)))),
        register_files=draw.choice((None, "full")),
    )


def gpu(draw: random.Random) -> Request:
    overrides = [
        f"hardware.sms={draw.choice((64, 108, 132))}",
        f"hardware.l2.capacity={draw.choice((25, 50, 100))} MiB",
        f"hardware.dram.bandwidth={draw.choice((1500, 3350, 9000))} GB/s",
        f"hardware.clock={draw.choice((1.2, 1.5, 2.4))} GHz",
        f"hardware.exp_per_cycle={draw.choice((16, 32))}",
        f"hardware.shared_memory_per_cta={draw.choice((48, 227))} KiB",
    ]
    mapping = draw.choice(("vllm_fa3_prefill", "vllm_fa3_decode", "fa3", "flash_decoding", "pytorch", None))
    tiles = ["mapping.launches.0.tiles.0.m=64", "mapping.launches.0.tiles.0.n=96"] if mapping else []
    return Request(
        model="llama3_8b",
        hardware=draw.choice(("h100_sxm", "h100_sxm", "a100_sxm", "h20")),
        mapping=mapping,
        phase=draw.choice(("prefill", "decode")),
        seq_len=draw.choice((512, 2048, 5000)),
        batch=draw.choice((1, 8)),
        overrides=tuple(
            draw.sample(overrides, draw.choice((0, 2, 4))) + draw.sample(tiles, draw.choice((0, 1)) if tiles else 0)
        ),
        cold=draw.choice((False, True)),
    )


def npu_pim(draw: random.Random) -> Request:
    return Request(
        model="gpt3-7b",
        hardware=draw.choice(("neupims", "attacc")),
        phase="decode",
        seq_len=draw.choice((128, 512)),
        batch=draw.choice((1, 4)),
        overrides=tuple(draw.sample(["hardware.memory.channels=16", "hardware.clock=0.8 GHz"], draw.choice((0, 1, 2)))),
    )


@pytest.mark.parametrize(("kind", "count"), [(spatial, 60), (gpu, 60), (npu_pim, 8)])
@pytest.mark.parametrize("seed", [1, 2])
def test_designs_together_are_designs_alone(kind: Callable[[random.Random], Request], count: int, seed: int) -> None:
    draw = random.Random(seed)
    requests = [kind(draw) for _ in range(count)]
    expected = [alone(request, METRICS) for request in requests]
    assert evaluate(requests, METRICS) == expected
    assert any(not one.infeasible for one in expected)


def test_metrics_of_a_whole_run_are_found_too() -> None:
    requests = [spatial(random.Random(3)), gpu(random.Random(4))]
    assert evaluate(requests, WHOLE_RUN) == [alone(request, WHOLE_RUN) for request in requests]


def test_what_does_not_fit_and_what_is_wrong_are_reasons() -> None:
    small = Request(model="bert", mapping="binding", overrides=("hardware.memories.global_buffer.capacity=1 KiB",))
    requests = [
        small,
        Request(model="bert", mapping="binding", overrides=("hardware.arrays.array_2d.shape=[96, 96]",)),
        Request(model="bert", mapping="binding", overrides=("hardware.clock=3",)),
        Request(model="bert", mapping="binding", overrides=("nonsense=3",)),
        Request(model="bert", mapping="bindin"),
        Request(model="bert", mapping="binding", overrides=("hardware.family=gpu_tile",)),
        Request(model="bert", mapping="binding", overrides=("hardware.arrays.array_1d.ops={mac: {}}", "clock=1 GHz")),
        Request(model="bert", hardware="h100_sxm", overrides=("hardware.clock=9 GHz", "hardware.sms=64")),
        Request(model="bert", hardware="fusemax", overrides=("hardware.arrays.array_1d.ops={mac: {}}", "clock=1 GHz")),
    ] * 3
    found = evaluate(requests, ("latency_s",))
    assert found == [alone(request, ("latency_s",)) for request in requests]
    assert all(one.infeasible and one.values == (None,) for one in found)
    assert found[0].infeasible.startswith("attention: does not fit global_buffer")
    assert "is not a multiple of its tile" in found[1].infeasible


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a", 1.0),
        ("b.c", 2.0),
        ("b.d.e", 3.0),
        ("f.1.g", 4.0),
        ("h", 1.0),
        ("b", None),
        ("f.7", None),
        ("a.b", None),
        ("text", None),
        ("", None),
    ],
)
def test_a_metric_is_the_number_at_its_path(path: str, value: float | None) -> None:
    document = {"a": 1, "b": {"c": 2.0, "d.e": 3}, "f": [{}, {"g": 4}], "h": True, "text": "x"}
    assert metric_at(document, path) == value
