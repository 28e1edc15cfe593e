"""Tensor parallelism of models: what a device of a group has, what is refused, and the shipped GPT-3 models."""

from __future__ import annotations

import math

import pytest

from attnsim.errors import AttnSimError, SpecError
from attnsim.pipeline import Request, Run, make_plan, simulate
from attnsim.specs.load import load_text
from attnsim.specs.model import Model, devices_of, load_model, model_problems, one_of

TEXT = """\
name: mine
source: a notebook
ranks: {D: 96, H: 12, E: 8, F: 8, S: 384}
tensor_parallel: {devices: 4, ranks: [H, S]}
"""

# parameters of the weights, layers, devices; NeuPIMs, ASPLOS 2024, and the names of the models
GPT3 = {
    "gpt3-7b": (6.44e9, 32, 4),
    "gpt3-13b": (12.6e9, 40, 4),
    "gpt3-30b": (29.6e9, 48, 4),
    "gpt3-175b": (174e9, 96, 8),
}


def test_a_device_has_its_part_of_the_divided_ranks_and_all_of_the_others() -> None:
    model = load_text(TEXT, Model, check=model_problems)
    assert devices_of(model, None) == 4
    assert devices_of(model, 2) == 2
    assert one_of(model, 4).ranks == {"D": 96, "H": 3, "E": 8, "F": 8, "S": 96}
    assert one_of(model, 1).ranks == model.ranks


def test_a_model_without_tensor_parallelism_is_whole() -> None:
    bert = load_model("bert")
    assert devices_of(bert, None) == 1
    assert one_of(bert, 1) == bert
    with pytest.raises(SpecError, match="bert does not say which ranks tensor parallelism divides"):
        one_of(bert, 2)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[H, S]", "[H, R]", "f.yaml:4: tensor_parallel.ranks.1: the model has no rank 'R'; known: D, H, E, F, S"),
        ("[H, S]", "[]", "tensor_parallel.ranks"),
        ("devices: 4", "devices: 0", "tensor_parallel.devices: 0 is out of range"),
        ("devices: 4, ", "", "tensor_parallel: 'devices' is missing; add `devices: ...`"),
    ],
)
def test_what_contradicts_itself_is_said_with_its_line(old: str, new: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_text(TEXT.replace(old, new), Model, "f.yaml", model_problems)
    assert said in str(caught.value)


@pytest.mark.parametrize("devices", [5, 8, 12 * 1024])
def test_devices_that_do_not_divide_are_refused_with_those_that_do(devices: int) -> None:
    with pytest.raises(SpecError) as caught:
        one_of(load_text(TEXT, Model, "f.yaml"), devices)
    assert "f.yaml:3: ranks.H: 12 is not divided by" in str(caught.value)
    assert "take 1, 2, 3, 4, 6, 12" in str(caught.value)


def test_fewer_devices_than_one_and_devices_without_a_model_are_refused() -> None:
    with pytest.raises(AttnSimError, match="--tensor-parallel: 0 is not a positive number"):
        one_of(load_model("gpt3-7b"), 0)
    with pytest.raises(AttnSimError, match="only the layer of a model is divided over devices"):
        make_plan(Request(cascade="gemm", hardware="fusemax", tensor_parallel=2, extents={"M": 8, "N": 8, "K": 8}))


@pytest.mark.parametrize("name", GPT3)
def test_the_weights_of_gpt3_add_up_to_its_name(name: str) -> None:
    parameters, layers, devices = GPT3[name]
    model = load_model(name)
    steps = make_plan(Request(model=name, hardware="fusemax", scope="layer", tensor_parallel=1)).workload.steps
    products = [step.extents for step in steps if step.cascade.name == "gemm"]
    assert layers * sum(extents["K"] * extents["N"] for extents in products) == pytest.approx(parameters, rel=5e-3)
    assert f"one of {layers} decoder layers" in model.title
    assert model.ranks["H"] * model.ranks["E"] == model.ranks["D"]
    assert devices_of(model, None) == devices


@pytest.mark.parametrize("name", GPT3)
def test_the_devices_of_a_group_share_heads_and_weights(name: str) -> None:
    devices = GPT3[name][2]
    part = make_plan(Request(model=name, hardware="fusemax", scope="layer")).workload
    whole = make_plan(Request(model=name, hardware="fusemax", scope="layer", tensor_parallel=1)).workload
    assert part.label == f"{whole.label}, 1 of {devices} devices"
    for own, all_ in zip(part.steps, whole.steps, strict=True):
        ratio = math.prod(all_.extents.values()) / math.prod(own.extents.values())
        shared = all_.cascade.name not in ("layer_norm", "residual_add")
        assert (own.name, ratio) == (all_.name, devices if shared else 1)


@pytest.mark.parametrize("hardware", ["fusemax", "flat", "h100_sxm"])
def test_a_device_of_a_group_is_faster_than_one_with_the_whole_layer(hardware: str) -> None:
    def latency_s(devices: int) -> float:
        request = Request(
            model="gpt3-7b",
            hardware=hardware,
            scope="layer",
            phase="decode",
            seq_len=256,
            batch=8,
            tensor_parallel=devices,
        )
        run = simulate(request)
        assert isinstance(run, Run)
        return run.metrics.latency_s

    assert latency_s(4) < latency_s(2) < latency_s(1) < 4 * latency_s(4)


def test_extents_of_a_run_are_those_of_the_device() -> None:
    plan = make_plan(Request(model="gpt3-7b", hardware="fusemax", extents={"H": 5}))
    assert plan.workload.steps[0].extents["H"] == 5
