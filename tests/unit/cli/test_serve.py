"""`attnsim serve` from the outside: what it answers, and what it says to anything that it cannot serve."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from attnsim.cli import main
from attnsim.serving.costs import Costs

SMALL = """name: small
family: offload
source: none but this test
pools:
  gpus: {hardware: h100_sxm, devices: 1}
layers: {pool: gpus}
prefill: {mode: removed}
"""
TRACE = "arrival_s,prompt_tokens,generated_tokens\n0,1000,3\n0.001,20,2\n0.002,30,40\n"
ONE_POOL, NO_PREFILL = "devices: 1}\nlayers: {pool: gpus}", "{mode: removed}"
MEMORY_POOL = "devices: 1}\n  other: {hardware: h20, devices: 1}\nlayers: {pool: gpus}"


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`serve("--json", system=..., trace=...)` runs the command on a small system in an empty folder."""
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SMALL, encoding="utf-8")
    Path("trace.csv").write_text(TRACE, encoding="utf-8")

    def run(*more: str, system: str = "./small.yaml", model: str = "llama3_8b", trace: str = "./trace.csv") -> int:
        layers = ["--set", "model.layers=2"] if model == "llama3_8b" else []
        return main(["serve", "--system", system, "--model", model, "--trace", trace, *layers, *more])

    return run


def changed(old: str, new: str) -> str:
    """The path of the small system with something else in it."""
    assert old in SMALL
    Path("other.yaml").write_text(SMALL.replace(old, new), encoding="utf-8")
    return "./other.yaml"


def require_refused(code: int, capsys: pytest.CaptureFixture[str], said: str) -> None:
    shown = capsys.readouterr()
    assert code == 2
    assert said in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"system": "lamna"}, "there is no system 'lamna'; did you mean lamina?"),
        ({"system": "./smal.yaml"}, "there is no file 'smal.yaml'; did you mean small.yaml?"),
        ({"system": "./small.yaml,,lamina"}, "--system: './small.yaml,,lamina' has an empty name"),
        ({"model": "lama3_70b"}, "there is no model 'lama3_70b'; did you mean llama3_70b?"),
        ({"trace": "azure"}, "--trace: there is no trace 'azure'"),
        ({"trace": "./none.csv"}, "none.csv: there is no such file"),
        ({"model": "t5"}, "rank G has no extent"),
    ],
    ids=str,
)
def test_unknown_names_are_told(
    serve: Callable[..., int], capsys: pytest.CaptureFixture[str], given: dict[str, str], said: str
) -> None:
    require_refused(serve(**given), capsys, said)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--rate", "5", "--saturated"], "--rate: --rate and --saturated both say when requests come"),
        (["--rate", "5", "--concurrency", "2"], "--rate: --rate and --concurrency both say when requests come"),
        (["--concurrency", "0"], "--concurrency: 0 is not a positive number"),
        (["--rate", "0"], "--rate: 0 is not a number from 1e-09"),
        (["--rate", "nan"], "--rate: nan is not a number"),
        (["--requests", "0"], "--requests: 0 is out of range"),
        (["--requests", "9"], "--requests: trace.csv has 3 requests, and 9 are asked for"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
        (["--slo", "ttft=2"], "--slo: '2' is not a time above zero; write for example ttft=60ms"),
        (["--slo", "tftt=2s"], "--slo: 'tftt=2s' limits nothing that is known; did you mean ttft?"),
        (["--slo", ""], "--slo: '' limits nothing that is known"),
        (["--fit-batch"], "--fit-batch: fits nothing without an objective; give --slo"),
        (["--set", "system.kv.page=0"], "kv.page: 0 is out of range"),
        (["--set", "system.schedule.overhead=5"], "5 has no unit; write a time with its unit"),
        (["--set", "nothing.is=1"], "nothing is called 'nothing'"),
        (["--out", "nowhere/requests.parquet"], "--out: there is no folder nowhere; give the path of a file"),
        (["--out", "."], "--out: . is a folder"),
        (["--out", ""], "--out: . is a folder"),
        (["--timeline", "nowhere/t.json", "--out", "."], "--timeline: there is no folder nowhere"),
    ],
    ids=" ".join,
)
def test_options_that_make_no_sense_are_refused_before_anything_is_simulated(
    serve: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    said: str,
) -> None:
    monkeypatch.setattr(Costs, "period_ps", None)
    require_refused(serve(*options), capsys, said)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (NO_PREFILL, "{mode: separate}", "other.yaml:7: prefill: a separate prefill needs a pool and a network"),
        (NO_PREFILL, "{mode: removed, network: pcie5}", ":7: prefill: mode removed uses no pool of its own"),
        (NO_PREFILL, "{mode: none}", ":7"),
        (ONE_POOL, "devices: 2}\nlayers: {pool: gpus, tensor_parallel: 2}", ":5: pools.gpus.link: 2 devices of layers"),
        (ONE_POOL, "devices: 2}\nlayers: {pool: gpus, pipeline_parallel: 2}", ":5: pools.gpus.link: 2 devices of"),
        (ONE_POOL, "devices: 3}\nlayers: {pool: gpus}", ":6: layers: 1 devices of pool 'gpus', which has 3"),
        (ONE_POOL, "devices: 1}\nlayers: {pool: gpu}", ":6: layers.pool: there is no pool 'gpu'; did you mean gpus?"),
        (ONE_POOL, MEMORY_POOL, ":6: pools.other: this pool has no role"),
        (
            ONE_POOL,
            "devices: 2, link: nvlnk4}\nlayers: {pool: gpus, tensor_parallel: 2}",
            ":5: pools.gpus.link: there is no link 'nvlnk4'; did you mean nvlink4?",
        ),
        (
            ONE_POOL,
            f"{MEMORY_POOL}\nattention: {{pool: other, network: roce_200g}}",
            "attention.network: there is no link 'roce_200g'; did you mean roce_400g?",
        ),
    ],
    ids=lambda value: "",
)
def test_contradictions_of_a_system_are_told_at_their_line(
    serve: Callable[..., int], capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    require_refused(serve(system=changed(old, new)), capsys, said)


def test_all_names_that_nothing_has_are_told_at_their_line(
    serve: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("own.yaml").write_text(SMALL.replace("h100_sxm", "h100_sx, mapping: fa5"), encoding="utf-8")
    assert serve(system="./own.yaml") == 2
    told = capsys.readouterr().err
    assert "own.yaml:5: pools.gpus.hardware: there is no hardware 'h100_sx'; did you mean h100_sxm?" in told
    assert "own.yaml:5: pools.gpus.mapping: there is no mapping 'fa5'" in told


def test_the_errors_are_those_of_the_kernels_that_run(
    serve: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve("--json", system="lamina_33b", model="llama_33b") == 0
    trust = json.loads(capsys.readouterr().out)["trust"]
    assert {(one["hardware"], one["step"]) for one in trust} >= {("h100_sxm", "q_projection"), ("h20", "attention")}
    assert ("h100_sxm", "attention") not in {(one["hardware"], one["step"]) for one in trust}
    assert serve("--json", "--set", "system.prefill.mode=chunked") == 0
    trust = json.loads(capsys.readouterr().out)["trust"]
    assert [one["mapping"] for one in trust if one["step"] == "attention"] == ["vllm_fa3_prefill", "vllm_fa3_decode"]


def test_a_system_says_itself_what_runs_on_what(capsys: pytest.CaptureFixture[str]) -> None:
    call = ["compare", "--system", "lamina", "--model", "llama3_70b", "--trace", "azure-conv"]
    require_refused(main([*call, "--hardware", "h20", "--phase", "decode"]), capsys, "--system: --hardware, --phase")


def test_the_link_of_a_separate_prefill_has_to_be_there(
    serve: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    prefill = "{mode: separate, pool: other, network: roce}"
    Path("own.yaml").write_text(SMALL.replace(ONE_POOL, MEMORY_POOL).replace(NO_PREFILL, prefill), encoding="utf-8")
    require_refused(serve(system="./own.yaml"), capsys, "there is no link 'roce'")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("arrival_s,prompt_tokens\n0,10\n", "bad.csv:1: there is no column 'generated_tokens'"),
        (f"{TRACE}0.001,5,5\n", "bad.csv:5: arrival_s: the request comes before the one above it; sort"),
        (f"{TRACE}1,0,5\n", "bad.csv:5: prompt_tokens: '0' is no number of tokens"),
        ("", "bad.csv: the file is empty"),
    ],
)
def test_a_trace_that_cannot_be_read_is_told_at_its_line(
    serve: Callable[..., int], capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    Path("bad.csv").write_text(text, encoding="utf-8")
    require_refused(serve(trace="./bad.csv"), capsys, said)


def test_a_model_that_does_not_fit_is_told_with_the_gap(
    serve: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    code = serve(model="llama3_70b")
    require_refused(code, capsys, "each device holds 141.1 GB of weights and has 77.31 GB for them, 63.8 GB too few")


@pytest.mark.parametrize(("model", "devices"), [("llama3_70b", 3), ("llama_33b", 8)])
def test_heads_that_do_not_divide_are_told(
    serve: Callable[..., int], capsys: pytest.CaptureFixture[str], model: str, devices: int
) -> None:
    code = serve("--set", f"system.pools.memory.devices={devices}", system="lamina", model=model)
    require_refused(code, capsys, f"{devices} devices")


def test_arrays_without_a_memory_of_known_capacity_are_refused(
    serve: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    require_refused(serve(system=changed("h100_sxm", "fusemax")), capsys, "does not say how much memory it has")


def test_an_objective_that_nothing_keeps_gives_exit_code_2_with_numbers_and_the_best_reached(
    serve: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    for more in ([], ["--fit-batch"]):
        assert serve("--slo", "tbt=1us,ttft=10s", *more) == 2
        shown = capsys.readouterr()
        assert shown.err.startswith(
            "--slo: no request on small keeps tbt 0.001 ms, ttft 10000 ms; the best that single requests reached: tbt"
        )
        assert "3 completed" in shown.out
        assert "kept by 0 % (tbt by 0 %, ttft by 100 %)" in shown.out
    assert serve("--slo", "tbt=1s") == 0


def test_requests_longer_than_the_memory_are_rejected_and_counted(
    serve: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("long.csv").write_text(f"{TRACE}0.003,99999999,1\n", encoding="utf-8")
    assert serve(trace="./long.csv") == 0
    assert "3 completed, 1 rejected: longer than the memory" in capsys.readouterr().out
    assert serve("--json", "--out", "requests.parquet", trace="./long.csv") == 0
    requests = json.loads(capsys.readouterr().out)["requests"]
    assert (requests["total"], requests["completed"], requests["rejected"], requests["unfinished"]) == (4, 3, 1, 0)
    assert pl.read_parquet("requests.parquet")["status"].to_list() == ["completed"] * 3 + ["rejected"]


def test_nothing_but_rejected_requests_is_an_answer_too(
    serve: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("long.csv").write_text(TRACE.partition("0,")[0] + "0,99999999,1\n", encoding="utf-8")
    for more in (["--json"], [], ["--timeline", "t.json", "--out", "r.parquet"]):
        assert serve(*more, trace="./long.csv") == 0
    assert "0 completed, 1 rejected" in capsys.readouterr().out
    assert serve("--slo", "ttft=1s", trace="./long.csv") == 2
    assert "no request ended" in capsys.readouterr().err


def test_an_interrupt_keeps_what_is_done(
    serve: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    period_ps, calls = Costs.period_ps, []

    def interrupted(self: Costs, *shape: int) -> int:
        calls.append(shape)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return period_ps(self, *shape)

    monkeypatch.setattr(Costs, "period_ps", interrupted)
    assert serve("--json", "--out", "requests.parquet", "--timeline", "timeline.json") == 130
    shown = capsys.readouterr()
    assert shown.err == "interrupted: these are the requests that had ended\n"
    found = json.loads(shown.out)
    assert found["interrupted"] is True
    assert found["requests"]["unfinished"] == 1
    assert found["iterations"]["count"] == 9
    written = pl.read_parquet("requests.parquet")
    assert written["status"].to_list() == ["completed", "completed", "unfinished"]
    assert written["done_s"].null_count() == 1
    assert json.loads(Path("timeline.json").read_text(encoding="utf-8"))["traceEvents"]


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(
    serve: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(Path, "replace", full)
    code = serve("--out", "requests.parquet")
    require_refused(code, capsys, "requests.parquet: no space left on device; check the path")
    assert sorted(path.name for path in Path().iterdir()) == ["small.yaml", "trace.csv"]


def test_a_row_is_written_for_each_request(serve: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert serve("--out", "requests.parquet") == 0
    written = pl.read_parquet("requests.parquet")
    assert written["generated_tokens"].to_list() == [3, 2, 40]
    assert written["arrival_s"].to_list() == [0, 0.001, 0.002]
    assert (written["first_token_s"] > written["arrival_s"]).all()
    assert (written["ttft_s"] - (written["first_token_s"] - written["arrival_s"])).abs().max() == 0
    assert written["longest_gap_s"].is_between(written["tpot_s"], written["done_s"]).all()


def keys_of(found: object, place: str = "") -> list[str]:
    """Dotted paths of all keys, one element of a list standing for all."""
    if isinstance(found, list):
        return keys_of(found[0], f"{place}[]") if found else [f"{place}[]"]
    if not isinstance(found, dict):
        return [place]
    return [path for key, value in found.items() for path in keys_of(value, f"{place}.{key}".lstrip("."))]


def test_json_has_the_same_keys_as_ever(
    serve: Callable[..., int], capsys: pytest.CaptureFixture[str], golden: Callable[[str, str], None]
) -> None:
    assert serve("--json", "--slo", "ttft=1s,tbt=1s", "--rate", "100") == 0
    text = capsys.readouterr().out
    golden("serve/keys.txt", "".join(f"{path}\n" for path in keys_of(json.loads(text))))
    assert serve("--json", "--slo", "ttft=1s,tbt=1s", "--rate", "100") == 0
    assert capsys.readouterr().out == text


def test_systems_stand_side_by_side_each_against_the_first(
    serve: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    faster = changed("h100_sxm", "h200_sxm")
    assert serve("--saturated", system=f"./small.yaml, {faster}") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[-2:]] == ["small", "small"]
    assert " 1x " in lines[-2]
    assert serve("--saturated", "--json", system=f"./small.yaml,{faster}") == 0
    documents = json.loads(capsys.readouterr().out)
    gain = documents[1]["tokens_per_s"] / documents[0]["tokens_per_s"]
    assert 1.1 < gain < 1.6
    assert f" {gain:.3g}x " in lines[-1]
    require_refused(serve("--out", "r.parquet", system="lamina,lamina"), capsys, "--out: is written for one system")
