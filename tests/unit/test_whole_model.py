"""All layers of a model, in stages of a pipeline: what a layer amounts to so many times, and tokens a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from attnsim.errors import AttnSimError
from attnsim.mapping.infeasible import Infeasible
from attnsim.metrics import Metrics
from attnsim.pipeline import Request, Run, make_plan, simulate
from attnsim.specs.model import load_model

LAYERS = {
    "spatial array": Request(model="bert", hardware="fusemax", seq_len=1024, scope="layer"),
    "gpu": Request(model="llama3_8b", hardware="h100_sxm", phase="decode", batch=4, scope="layer"),
    "npu": Request(model="gpt3-7b", hardware="neupims", trace="share-gpt", batch=32, scope="layer"),
    "sub-batches": Request(
        model="gpt3-7b", hardware="neupims", mapping="concurrent_subbatch", trace="share-gpt", batch=32, scope="layer"
    ),
}
LINKED = Request(model="gpt3-175b", hardware="attacc", phase="decode", seq_len=512, batch=8, scope="model")
ROOM = ("hardware.memory.capacity=800 GB",)


def metrics_of(request: Request) -> Metrics:
    found = simulate(request)
    assert isinstance(found, Run)
    return found.metrics


@pytest.mark.parametrize("case", LAYERS)
def test_a_model_takes_and_moves_and_spends_as_much_as_its_layers(case: str) -> None:
    layer = metrics_of(LAYERS[case])
    model = metrics_of(replace(LAYERS[case], scope="model"))
    number = load_model(str(LAYERS[case].model)).layers
    assert number
    assert model.latency_s == pytest.approx(number * layer.latency_s, rel=1e-9)
    for name in ("bytes", "energy_j", "bounds_s"):
        parts = {key: pytest.approx(number * value) for key, value in getattr(layer, name).items()}
        assert getattr(model, name) == parts
    assert model.utilization == pytest.approx(layer.utilization)
    assert model.bottleneck == pytest.approx(layer.bottleneck)
    assert sum(phase.latency_s for phase in model.phases) == pytest.approx(model.latency_s)
    assert (model.area_m2, model.average_power_w) == (layer.area_m2, pytest.approx(layer.average_power_w))
    assert layer.tokens_per_s is None


def test_decode_gives_a_token_a_request_and_prefill_takes_all_of_them() -> None:
    decode = metrics_of(replace(LAYERS["npu"], scope="model"))
    assert decode.tokens_per_s == pytest.approx(32 / decode.latency_s)
    prefill = metrics_of(replace(LAYERS["spatial array"], scope="model"))
    assert prefill.tokens_per_s == pytest.approx(64 * 1024 / prefill.latency_s)


def test_each_stage_of_a_pipeline_has_a_batch_of_its_own() -> None:
    whole = metrics_of(replace(LAYERS["npu"], scope="model"))
    staged = metrics_of(replace(LAYERS["npu"], scope="model", pipeline_parallel=4))
    assert staged.latency_s == whole.latency_s
    assert staged.tokens_per_s == pytest.approx(4 * (whole.tokens_per_s or 0))


def test_states_are_handed_over_where_a_link_joins_the_stages() -> None:
    alone = metrics_of(replace(LINKED, pipeline_parallel=1, overrides=ROOM))
    staged = metrics_of(replace(LINKED, pipeline_parallel=3, overrides=ROOM))
    (handed,) = [phase for phase in staged.phases if phase.name == "hand_over"]
    # Twice 8 states of 12,288 words of 2 bytes, at 300 GB/s after the latency of the link.
    link = make_plan(LINKED).hardware.link  # type: ignore[union-attr]
    assert handed.latency_s == pytest.approx(2 * (link.latency_s + 8 * 12288 * 2 / link.bandwidth_bytes_per_s))
    assert staged.latency_s == pytest.approx(alone.latency_s + handed.latency_s)
    assert not [phase for phase in alone.phases if phase.name == "hand_over"]


def test_a_models_own_stages_are_used_and_told() -> None:
    label = make_plan(replace(LINKED, overrides=ROOM)).workload.label
    assert label.endswith(", 1 of 8 devices, 96 layers in 4 stages")
    assert make_plan(replace(LAYERS["gpu"], scope="model")).workload.label.endswith(", 32 layers")


def test_weights_and_all_keys_and_values_have_to_fit() -> None:
    found = simulate(Request(model="gpt3-30b", hardware="neupims", trace="share-gpt", batch=256, scope="model"))
    assert isinstance(found, Infeasible)
    assert [name for name, _ in found.parts] == ["K and V", "weights"]
    # 48 layers of 7168 x (3 x 14 x 128 + 14 x 128 + 2 x 7168) weights of 2 bytes, in two stages.
    assert dict(found.parts)["weights"] == 24 * 2 * 7168 * (4 * 14 * 128 + 2 * 7168)
    more = simulate(
        Request(model="gpt3-7b", hardware="neupims", phase="decode", seq_len=2048, batch=160, scope="model")
    )
    assert isinstance(more, Infeasible)
    assert more.demand_bytes == 32 * 160 * 2048 * 8 * 256 * 2


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"scope": "layer", "pipeline_parallel": 2}, "only a whole model is divided into stages"),
        ({"pipeline_parallel": 5}, "96 layers are not divided by 5 stages; take 1, 2, 3, 4, 6, 8"),
        ({"pipeline_parallel": 0}, "96 layers are not divided by 0 stages"),
    ],
)
def test_stages_that_cannot_be_are_refused(changed: dict[str, int | str], said: str) -> None:
    with pytest.raises(AttnSimError, match=said):
        make_plan(replace(LINKED, **changed))  # type: ignore[arg-type]


def test_a_model_of_unknown_depth_is_refused(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "workloads/models/bert.yaml").read_text(encoding="utf-8")
    path = tmp_path / "shallow.yaml"
    path.write_text(text.replace("layers: 12\n", ""), encoding="utf-8")
    with pytest.raises(AttnSimError, match="does not say how many layers it has"):
        make_plan(replace(LAYERS["spatial array"], model=str(path), scope="model"))
