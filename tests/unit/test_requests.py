"""A request with a trace: what the steps are given, what stands against it, and who may run it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from attnsim.errors import AttnSimError
from attnsim.families.registry import FAMILIES
from attnsim.pipeline import Request, Run, file_hashes, make_plan, simulate
from attnsim.results import result_json

GPU = Request(model="llama3_8b", hardware="h100_sxm")


@pytest.fixture
def equal(tmp_path: Path) -> str:
    path = tmp_path / "equal.csv"
    path.write_text("seq_len,ch_idx\n512,1\n512,0\n512,1\n", encoding="utf-8")
    return str(path)


@pytest.fixture
def different(tmp_path: Path) -> str:
    path = tmp_path / "different.csv"
    path.write_text("seq_len\n5\n6\n8\n", encoding="utf-8")
    return str(path)


def test_requests_of_one_length_are_sequences_of_that_length(equal: str) -> None:
    plan = make_plan(replace(GPU, trace=equal))
    extents = plan.workload.steps[0].extents
    assert (extents["B"], extents["P"], extents["M"], extents["PAST"]) == (3, 1, 512, 511)
    assert [(request.keys, request.channel) for request in plan.workload.requests] == [(512, 1), (512, 0), (512, 1)]
    traced, plain = simulate(replace(GPU, trace=equal)), simulate(replace(GPU, phase="decode", seq_len=512, batch=3))
    assert isinstance(traced, Run)
    assert isinstance(plain, Run)
    assert traced.metrics == plain.metrics


def test_a_cascade_without_a_model_takes_a_trace(equal: str) -> None:
    plan = make_plan(Request(cascade="attention_3pass", hardware="flat", trace=equal, extents={"E": 8, "F": 8}))
    assert dict(plan.workload.steps[0].extents) == {"B": 3, "H": 1, "P": 1, "M": 512, "E": 8, "F": 8}
    assert len(plan.workload.requests) == 3


@pytest.mark.parametrize("hardware", ["h100_sxm", "fusemax"])
def test_a_family_that_cannot_tell_requests_apart_takes_their_mean_and_says_so(hardware: str, different: str) -> None:
    asked = Request(model="llama3_8b", hardware=hardware, batch=3)
    traced = simulate(replace(asked, trace=different))
    assert isinstance(traced, Run)
    assert traced.plan.workload.averaged
    assert traced.plan.workload.label.endswith(", as if each had the mean")
    assert traced.metrics == simulate(replace(asked, seq_len=7, phase="decode")).metrics  # 5, 6 and 8, rounded up


def test_a_family_that_looks_at_requests_gets_them(different: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(FAMILIES["gpu_tile"]), "takes_requests", True)
    workload = make_plan(replace(GPU, trace=different)).workload
    assert workload.steps[0].extents["M"] == 7
    assert [request.keys for request in workload.requests] == [5, 6, 8]
    assert workload.label == "llama3_8b attention decode, different.csv with 3 requests of 6.333 tokens in the mean"
    drawn = make_plan(replace(GPU, trace="share-gpt", batch=6, seed=2)).workload
    assert drawn.requests != make_plan(replace(GPU, trace="share-gpt", batch=6)).workload.requests
    assert len(drawn.requests) == drawn.steps[0].extents["B"] == 6


def test_everything_that_stands_against_a_trace_is_named_at_once(equal: str) -> None:
    with pytest.raises(AttnSimError) as caught:
        make_plan(replace(GPU, trace=equal, seq_len=8, phase="prefill", extents={"M": 4, "P": 2, "H": 4}))
    assert [problem.path for problem in caught.value.problems] == [
        "--phase prefill",
        "--seq-len",
        "--extent M",
        "--extent P",
    ]
    assert make_plan(replace(GPU, trace=equal, phase="decode")).workload.requests


def test_json_tells_of_the_requests_and_the_hash_of_their_file(equal: str) -> None:
    run = simulate(replace(GPU, trace=equal, batch=2))
    assert isinstance(run, Run)
    wanted = {"trace": equal, "seed": None, "batch": 2, "mean_keys": 512.0, "largest_keys": 512}
    assert result_json(run)["requests"] == wanted
    assert "trace" in file_hashes(run.plan)
    drawn = simulate(replace(GPU, trace="alpaca", batch=1, seed=4))
    assert isinstance(drawn, Run)
    [request] = drawn.plan.workload.requests
    wanted = {"trace": "alpaca", "seed": 4, "batch": 1, "mean_keys": request.keys, "largest_keys": request.keys}
    assert result_json(drawn)["requests"] == wanted
    assert "trace" not in file_hashes(drawn.plan)


def test_a_run_without_a_trace_has_no_requests() -> None:
    run = simulate(replace(GPU, seq_len=64, batch=1))
    assert isinstance(run, Run)
    assert run.plan.workload.requests == ()
    assert result_json(run)["requests"] is None
