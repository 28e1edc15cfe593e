"""Claims against runs: verdicts, exit codes and messages of `attnsim validate`, on small claim files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from attnsim.cli import main
from attnsim.errors import AttnSimError
from attnsim.pipeline import Request, require_mapping_fits, simulate
from attnsim.specs.claims import RunRequest
from attnsim.validate import validate

HEAD = "name: sample\nsource: a paper\nkind: published\nrun: {model: bert, batch: 1, seq_len: 1024}\nclaims:\n"


def written(folder: Path, *claims: str) -> str:
    path = folder / "claims.yaml"
    lines = [f"  - {{name: c{i}, statement: s, {claim}}}\n" for i, claim in enumerate(claims)]
    path.write_text(HEAD + "".join(lines), encoding="utf-8")
    return str(path)


def latency_s(mapping: str) -> float:
    return require_mapping_fits(
        simulate(Request(model="bert", batch=1, seq_len=1024, mapping=mapping))
    ).metrics.latency_s


def test_a_claim_is_compared_with_the_run_that_it_names(tmp_path: Path) -> None:
    claim = "metric: latency_s, run: {mapping: flat}, value: 1.0, tolerance: {relative: 1e-3}"
    (result,) = validate(written(tmp_path, claim)).results
    assert result.worst.ours == latency_s("flat")
    assert not result.holds


def test_a_speedup_is_the_latency_of_the_other_run_over_that_of_the_run(tmp_path: Path) -> None:
    ratio = "run: {mapping: binding}, over: {mapping: flat}, inverse: true"
    claim = f"metric: latency_s, {ratio}, value: 6.6, tolerance: {{relative: 1}}"
    (result,) = validate(written(tmp_path, claim)).results
    assert result.worst.ours == pytest.approx(latency_s("flat") / latency_s("binding"))


def test_passes_come_from_the_cascade_without_a_run(tmp_path: Path) -> None:
    claim = "metric: analysis.passes.M, run: {cascade: attention_3pass}, value: 3, tolerance: {absolute: 0}"
    assert validate(written(tmp_path, claim)).holds


def test_each_run_is_simulated_once_however_many_claims_share_it(tmp_path: Path) -> None:
    claim = "run: {mapping: flat}, value: 1, tolerance: {relative: 1e9}"
    counts: list[int] = []

    def counted(runs: Sequence[RunRequest]) -> Sequence[RunRequest]:
        counts.append(len(runs))
        return runs

    validate(written(tmp_path, f"metric: latency_s, {claim}", f"metric: bytes.dram, {claim}"), track=counted)
    assert counts == [1]


@pytest.mark.parametrize(("most", "verdicts"), [(0.2, [False, True]), (0.4, [True, True])])
def test_a_series_holds_by_the_mean_of_its_errors_without_signs(
    most: float, verdicts: list[bool], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = latency_s("flat")
    rows = [("a", ours / 1.5), ("a", ours / 0.9), ("b", ours)]  # errors of +50 %, -10 % and none
    text = "".join(f"{figure},flat,{value!r}\n" for figure, value in rows)
    (tmp_path / "points.csv").write_text("figure,mapping,value\n" + text, encoding="utf-8")
    data = f"data: {{file: points.csv, series: [figure]}}, tolerance: {{mean_relative: {most}}}"
    path = written(tmp_path, f"metric: latency_s, {data}")
    (result,) = validate(path).results
    assert [(s.name, s.points, s.holds) for s in result.series] == [("a", 2, verdicts[0]), ("b", 1, verdicts[1])]
    assert [s.mean_error for s in result.series] == pytest.approx([0.3, 0])
    assert main(["validate", path]) == (0 if all(verdicts) else 1)
    assert f"30 %  {most * 100:g} % on average" in capsys.readouterr().out
    assert validate(path, sample=1).left_out == ("c0",)


def test_a_sample_leaves_out_claims_about_means_and_says_so(tmp_path: Path) -> None:
    mean = "metric: latency_s, vary: {mapping: [flat, binding]}, mean: true, value: 1, tolerance: {relative: 1}"
    one = "metric: latency_s, run: {mapping: flat}, value: 1, tolerance: {relative: 1}"
    validation = validate(written(tmp_path, mean, one), sample=1)
    assert [result.claim.name for result in validation.results] == ["c1"]
    assert validation.left_out == ("c0",)


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ("metric: latency, run: {mapping: flat}", "latency: a run has no 'latency' there; did you mean latency_s?"),
        ("metric: bytes, run: {mapping: flat}", "bytes: is not a number; name a single number of the JSON"),
        ("metric: analysis.passes.Z, run: {cascade: attention_1pass}", "there is no rank 'Z'"),
        ("metric: analysis.passes.M, run: {mapping: flat}", "is not an analysis of a cascade; write analysis.passes.M"),
        ("metric: latency_s, run: {mapping: flatt}", "there is no mapping 'flatt'; did you mean flat"),
    ],
)
def test_a_claim_that_cannot_be_measured_is_refused(claim: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(AttnSimError) as caught:
        validate(written(tmp_path, f"{claim}, value: 1, tolerance: {{relative: 1}}"))
    assert message in str(caught.value)


@pytest.mark.parametrize(("value", "code", "verdict"), [("3", 0, "holds"), ("2", 1, "FAILS")])
def test_the_exit_code_is_1_when_a_claim_fails(
    value: str, code: int, verdict: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claim = f"metric: analysis.passes.M, run: {{cascade: attention_3pass}}, value: {value}, tolerance: {{absolute: 0}}"
    assert main(["validate", written(tmp_path, claim)]) == code
    assert verdict in capsys.readouterr().out


def test_json_and_the_list_of_all_points_tell_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claim = "metric: latency_s, vary: {mapping: [flat, binding]}, value: 1, tolerance: {relative: 1e-3}"
    path = written(tmp_path, claim)
    assert main(["validate", path, "--json"]) == 1
    (document,) = json.loads(capsys.readouterr().out)
    points = document["claims"][0]["points"]
    assert [point["at"] for point in points] == ["flat", "binding"]
    assert main(["validate", path, "--all"]) == 1
    shown = capsys.readouterr().out
    assert all(f"{point['ours']:.6g}" in shown for point in points)


def test_an_unknown_dataset_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "fusemx"]) == 2
    assert "did you mean fusemax?" in capsys.readouterr().err
