"""Tensor-parallel groups of GPUs: the all-reduces that a layer has, how long they take, and GPUs without a link."""

from __future__ import annotations

import pytest

from attnsim.components.collectives import collective_seconds
from attnsim.errors import SpecError
from attnsim.pipeline import Request, Run, simulate
from attnsim.specs.link import load_link

BATCH, WIDTH = 64, 8192


def layer(hardware: str, devices: int, *overrides: str, scope: str = "layer") -> Run:
    request = Request(
        model="llama3_70b",
        hardware=hardware,
        phase="decode",
        seq_len=4096,
        batch=BATCH,
        scope=scope,
        tensor_parallel=devices,
        overrides=overrides,
    )
    run = simulate(request)
    assert isinstance(run, Run)
    return run


def sums(run: Run) -> dict[str, float]:
    return {phase.step: phase.latency_s for phase in run.metrics.phases if phase.name == "all_reduce"}


@pytest.mark.parametrize("devices", [2, 4, 8])
def test_a_layer_adds_up_what_its_two_row_parallel_products_give(devices: int) -> None:
    """Megatron-LM, section 3: one all-reduce after attention and one after the feed-forward network, of B x D words."""
    found = sums(layer("h100_sxm", devices))
    expected = float(collective_seconds(load_link("nvlink4"), "all_reduce", 2 * BATCH * WIDTH, devices))
    assert list(found) == ["output_projection", "ffn_down"]
    assert list(found.values()) == pytest.approx([expected, expected], rel=1e-6)


def test_bytes_on_the_link_are_those_of_two_all_reduces() -> None:
    run = layer("h100_sxm", 2)
    assert run.metrics.bytes["link"] == pytest.approx(2 * 2 * BATCH * WIDTH)
    assert run.metrics.phases[-1].limiter == "link"


def test_one_gpu_adds_up_nothing_and_needs_no_link() -> None:
    run = layer("rtx4090", 1)
    assert sums(run) == {}
    assert "link" not in run.metrics.bytes


def test_attention_alone_adds_up_nothing() -> None:
    assert sums(layer("rtx4090", 4, scope="attention")) == {}


def test_a_gpu_without_a_link_is_refused_with_what_to_do() -> None:
    with pytest.raises(SpecError, match=r"rtx4090 names no link, and output_projection adds up .* --tensor-parallel 1"):
        layer("rtx4090", 4)


def test_another_link_can_be_named_and_an_unknown_one_is_refused() -> None:
    slow, fast = (sums(layer("h100_sxm", 2, f"hardware.link={name}")) for name in ("pcie4", "nvlink4"))
    assert slow["ffn_down"] > 2 * fast["ffn_down"]
    with pytest.raises(SpecError, match="there is no link 'nvlink9'"):
        layer("h100_sxm", 2, "hardware.link=nvlink9")
    with pytest.raises(SpecError, match=r"there is no file 'a/b.yaml'"):
        layer("h100_sxm", 2, "hardware.link=a/b.yaml")
