"""What a request leaves out and how it is filled in: mapping, hardware, extents, companions, assumptions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from attnsim.errors import AttnSimError
from attnsim.mapping.infeasible import Infeasible
from attnsim.pipeline import Request, Run, file_hashes, make_plan, require_mapping_fits, simulate
from attnsim.specs.library import find

BERT = Request(model="bert", seq_len=1024, batch=2, mapping="binding")
HEAD = {"E": 64, "F": 64}

# a request that cannot be understood, and what is said
UNCLEAR = {
    "nothing to simulate": (Request(), "nothing says what to simulate: no --cascade; give --mapping, or --cascade"),
    "no hardware": (
        Request(cascade="gemm"),
        "nothing says what to simulate: no --hardware; give --mapping, or --hardware",
    ),
    "unknown scope": (
        replace(BERT, scope="block"),
        "scope: unknown scope 'block'; use attention or layer or head or model",
    ),
    "layer without model": (
        Request(cascade="gemm", hardware="flat", scope="layer"),
        "scope: a layer needs a model, which says its steps; give --model, for example bert",
    ),
    "unknown name": (replace(BERT, mapping="bindin"), "did you mean binding"),
    "missing extents": (
        Request(cascade="gemm", hardware="flat", extents={"M": 8}),
        "gemm.N: rank N has no extent; set it, for example --extent N=1024",
    ),
    "extent of zero": (
        Request(cascade="gemm", hardware="flat", extents={"M": 0, "N": 8, "K": 8}),
        "M: extent 0 is not a positive number",
    ),
    "extent of nothing": (replace(BERT, extents={"Z": 4}), "--extent Z: there is no such rank"),
    "override of nothing": (replace(BERT, overrides=("clok=1 GHz",)), "nothing is called 'clok'"),
}


@pytest.mark.parametrize("case", UNCLEAR)
def test_a_request_that_cannot_be_understood_is_answered_in_words(case: str) -> None:
    request, expected = UNCLEAR[case]
    with pytest.raises(AttnSimError) as caught:
        simulate(request)
    assert expected in str(caught.value)


def test_missing_extents_are_named_all_at_once() -> None:
    with pytest.raises(AttnSimError) as caught:
        make_plan(Request(cascade="gemm", hardware="flat"))
    assert [problem.path for problem in caught.value.problems] == ["gemm.M", "gemm.N", "gemm.K"]


@pytest.mark.parametrize(
    ("request_", "mapping"),
    [
        (Request(hardware="fusemax", seq_len=512, extents=HEAD), "binding"),
        (Request(hardware="fusemax", cascade="attention_1pass", seq_len=512, extents=HEAD), "binding"),
        (Request(hardware="fusemax", cascade="attention_3pass", seq_len=512, extents=HEAD), "auto"),
        (
            Request(hardware="fusemax", cascade="attention_3pass", mapping="unfused", seq_len=512, extents=HEAD),
            "unfused",
        ),
        (Request(hardware="flat", seq_len=512, extents=HEAD), "flat_rows"),
        (Request(hardware="tpu_v4i_like", cascade="attention_1pass", seq_len=512, extents=HEAD), "auto"),
    ],
)
def test_the_mapping_is_the_named_one_or_the_hardwares_own_for_the_cascade_or_the_default(
    request_: Request, mapping: str
) -> None:
    assert [m.name for m in make_plan(request_).mappings.values()] == [mapping]


def test_a_mapping_brings_its_cascade_its_hardware_and_its_assumptions() -> None:
    plan = make_plan(BERT)
    assert plan.hardware.name == "fusemax"
    assert plan.workload.steps[0].cascade.name == "attention_1pass"
    assert plan.assumptions.fill_drain == plan.mappings["attention"].fill_drain
    assert make_plan(replace(BERT, fill_drain="modeled")).assumptions.fill_drain == "modeled"


def test_the_other_steps_of_a_layer_use_the_companions_of_the_mapping() -> None:
    plan = make_plan(replace(BERT, scope="layer"))
    assert {step: mapping.name for step, mapping in plan.mappings.items()} == {
        "q_projection": "matmul",
        "k_projection": "matmul",
        "v_projection": "matmul",
        "attention": "binding",
        "output_projection": "matmul",
        "ffn_up": "matmul",
        "ffn_down": "matmul",
    }


def test_a_layer_takes_as_long_as_its_steps_one_after_the_other() -> None:
    layer, attention = simulate(replace(BERT, scope="layer")), simulate(BERT)
    assert isinstance(layer, Run)
    assert isinstance(attention, Run)
    steps = {phase.step: phase.latency_s for phase in layer.metrics.phases}
    assert layer.metrics.latency_s == pytest.approx(sum(steps.values()))
    assert steps["attention"] == pytest.approx(attention.metrics.latency_s)


def test_extents_win_over_the_model_and_the_length() -> None:
    plan = make_plan(replace(BERT, extents={"H": 3, "P": 256}))
    extents = plan.workload.steps[0].extents
    assert (extents["H"], extents["P"], extents["M"]) == (3, 256, 1024)


def test_an_override_of_the_mapping_reaches_it() -> None:
    plan = make_plan(replace(BERT, overrides=("mapping.fill_drain=modeled",)))
    assert plan.assumptions.fill_drain == "modeled"


def test_the_hashes_are_those_of_the_files() -> None:
    hashes = file_hashes(make_plan(BERT))
    assert sorted(hashes) == ["cascade", "hardware", "mapping", "model"]
    assert len(set(hashes.values())) == 4
    assert hashes == file_hashes(make_plan(replace(BERT, seq_len=2048)))


def test_a_copy_of_a_shipped_hardware_gives_the_same_numbers(tmp_path: Path) -> None:
    copy = tmp_path / "copy.yaml"
    copy.write_text(find("hardware", "fusemax").read_text(encoding="utf-8"), encoding="utf-8")
    shipped, copied = simulate(BERT), simulate(replace(BERT, hardware=str(copy)))
    assert isinstance(shipped, Run)
    assert isinstance(copied, Run)
    assert copied.metrics == shipped.metrics


def test_what_does_not_fit_becomes_an_error_only_when_asked_for() -> None:
    misfit = simulate(replace(BERT, overrides=("memories.global_buffer.capacity=64 KiB",)))
    assert isinstance(misfit, Infeasible)
    with pytest.raises(AttnSimError, match="does not fit global_buffer"):
        require_mapping_fits(misfit)
