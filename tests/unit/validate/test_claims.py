"""From a claim file and its rows to points, and from a point to a verdict; nothing is simulated here."""

from __future__ import annotations

from pathlib import Path

import pytest

from attnsim.claims import Comparison, Point, compare, evenly, points_of
from attnsim.errors import AttnSimError, SpecError
from attnsim.pipeline import Request
from attnsim.specs.claims import RunRequest, load_claims
from attnsim.validate import request_of

HEAD = "name: sample\nsource: a paper\nkind: published\nrun: {batch: 64}\nclaims:\n"
ROWS = "model,seq_len,mapping,metric,value\nbert,1024,flat,latency_s,2.0\nxlm,4096,binding,latency_s,3.0\n"


def points(folder: Path, claim: str, rows: str = ROWS) -> tuple[Point, ...]:
    (folder / "points.csv").write_text(rows, encoding="utf-8")
    path = folder / "claims.yaml"
    path.write_text(HEAD + "  - {name: c, statement: s, metric: latency_s, " + claim + "}\n", encoding="utf-8")
    return points_of(load_claims(str(path)))


def latency_by_mapping(run: RunRequest, metric: str) -> float:
    assert metric == "latency_s"
    return {"flat": 6.0, "binding": 2.0, None: 1.0}[run.mapping]


def test_each_row_is_a_point_and_columns_named_like_a_setting_set_its_run(tmp_path: Path) -> None:
    found = points(tmp_path, "data: {file: points.csv}, tolerance: {relative: 1e-3}")
    assert [(p.value, p.where) for p in found] == [(2.0, "bert flat 1024"), (3.0, "xlm binding 4096")]
    assert found[0].terms[0].run == RunRequest(model="bert", mapping="flat", seq_len=1024, batch=64)


def test_only_the_rows_that_where_names_are_taken(tmp_path: Path) -> None:
    found = points(
        tmp_path, "data: {file: points.csv, where: {mapping: [binding, cascade]}}, tolerance: {relative: 1e-3}"
    )
    assert [p.value for p in found] == [3.0]


def test_the_second_run_of_a_row_keeps_its_settings_but_for_those_it_names(tmp_path: Path) -> None:
    found = points(tmp_path, "data: {file: points.csv}, over: {mapping: flat}, tolerance: {relative: 1e-3}")
    assert found[1].terms[0].over == RunRequest(model="xlm", mapping="flat", seq_len=4096, batch=64)


def test_columns_of_extents_set_ranks_and_an_empty_field_sets_nothing(tmp_path: Path) -> None:
    rows = "mapping,extents.M,extents.E,value\nflat,1024,64,2.0\n,512,,3.0\n"
    claim = "run: {extents: {E: 32, B: 2}, mapping: binding}, data: {file: points.csv}, tolerance: {relative: 1}"
    first, second = points(tmp_path, claim, rows)
    assert [(p.where, p.terms[0].run.mapping) for p in (first, second)] == [
        ("flat M=1024 E=64", "flat"),
        ("M=512", "binding"),
    ]
    assert first.terms[0].run.extents == {"E": 64, "B": 2, "M": 1024}
    assert second.terms[0].run.extents == {"E": 32, "B": 2, "M": 512}


def test_rows_that_agree_in_the_columns_of_series_are_one_series(tmp_path: Path) -> None:
    data = "data: {file: points.csv, series: [model, mapping]}, tolerance: {mean_relative: 0.1}"
    assert [p.series for p in points(tmp_path, data)] == ["bert flat", "xlm binding"]


def test_a_column_in_the_metric_stands_for_what_the_row_says(tmp_path: Path) -> None:
    rows = "model,einsum,value\nbert,QK,0.5\n"
    claim = "data: {file: points.csv}, tolerance: {relative: 1e-3}"
    (tmp_path / "points.csv").write_text(rows, encoding="utf-8")
    path = tmp_path / "claims.yaml"
    path.write_text(HEAD + '  - {name: c, statement: s, metric: "u.{einsum}", ' + claim + "}\n", encoding="utf-8")
    (found,) = points_of(load_claims(str(path)))
    assert found.terms[0].metric == "u.QK"
    assert found.where == "bert QK"


@pytest.mark.parametrize(
    ("claim", "ours"),
    [
        ("run: {mapping: binding}, value: 2", 2.0),
        ("run: {mapping: binding}, over: {mapping: flat}, value: 2", 2 / 6),
        ("run: {mapping: binding}, over: {mapping: flat}, inverse: true, value: 2", 6 / 2),
        ("run: {mapping: flat}, less: {mapping: binding}, value: 2", 6 - 2),
        ("run: {mapping: flat}, plus: {mapping: binding}, value: 2", 6 + 2),
        ("vary: {mapping: [flat, binding]}, mean: true, value: 2", (6 + 2) / 2),
        ("over: {mapping: flat}, vary: {mapping: [binding, flat]}, mean: true, value: 2", (2 / 6 + 6 / 6) / 2),
    ],
)
def test_ours_is_a_value_a_ratio_a_difference_a_sum_or_a_mean_of_ratios(
    claim: str, ours: float, tmp_path: Path
) -> None:
    (point,) = points(tmp_path, f"{claim}, tolerance: {{relative: 1e-3}}")
    assert compare(point, latency_by_mapping).ours == pytest.approx(ours, rel=1e-12)


def test_vary_without_mean_makes_a_point_of_each_combination(tmp_path: Path) -> None:
    found = points(tmp_path, "vary: {mapping: [flat, binding], seq_len: [1, 2]}, value: 2, tolerance: {relative: 1}")
    assert [p.where for p in found] == ["flat 1", "flat 2", "binding 1", "binding 2"]


@pytest.mark.parametrize(
    ("tolerance", "claimed", "ours", "holds"),
    [
        ("{relative: 0.1}", 10, 11, True),
        ("{relative: 0.1}", 10, 11.1, False),
        ("{relative: 0.1}", -10, -9, True),
        ("{absolute: 0.5}", 10, 10.5, True),
        ("{absolute: 0.5}", 10, 9.4, False),
        ("{absolute: 0.5, relative: 0.1}", 10, 9.1, True),
        ("{absolute: 0}", 3, 3, True),
        ("{relative: 0.1}", 0, 1e-9, False),
        ("{relative: 0.1}", 0, 0, True),
    ],
)
def test_a_comparison_holds_within_either_tolerance(
    tolerance: str, claimed: float, ours: float, holds: bool, tmp_path: Path
) -> None:
    (point,) = points(tmp_path, f"value: {claimed}, tolerance: {tolerance}")
    assert Comparison(point=point, ours=ours).holds is holds


@pytest.mark.parametrize(
    ("data", "rows", "message"),
    [
        ("{file: points.csv, value: valu}", ROWS, ":6: claims.0.data: "),
        ("{file: points.csv, series: [modle]}", ROWS, "no column 'modle'; did you mean model?"),
        ("{file: points.csv}", "extents.M,value\n4K,1\n", ":2: '4K' is not a whole number; write extents.M as digits"),
        ("{file: points.csv}", "extents.M,value\n0,1\n", "run.extents.M: input should be greater than 0"),
        ("{file: points.csv, value: valu}", ROWS, "no column 'valu'; did you mean value?"),
        ("{file: points.csv, where: {model: gpt}}", ROWS, "claims.0.data.where: no row of"),
        ("{file: points.csv}", ROWS.replace("3.0", "three"), "points.csv:3: 'three' is not a number"),
        ("{file: points.csv}", ROWS.replace("3.0", "nan"), "points.csv:3: 'nan' is not a number; write it as 0.125"),
        ("{file: points.csv}", ROWS.replace("4096", "4K"), "points.csv:3: '4K' is not a whole number; write seq_len"),
        ("{file: points.csv}", ROWS.replace(",3.0", ""), "points.csv:3: ragged row; write as many fields"),
        (
            "{file: points.csv, run: {modle: model}}",
            ROWS,
            "run.modle: extra inputs are not permitted; did you mean model",
        ),
    ],
)
def test_wrong_rows_are_refused_with_place_and_remedy(data: str, rows: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        points(tmp_path, f"data: {data}, tolerance: {{relative: 1}}", rows)
    assert message in str(caught.value)


def test_a_sample_keeps_the_first_and_the_last_point(tmp_path: Path) -> None:
    found = points(tmp_path, "vary: {seq_len: [1, 2, 3, 4, 5]}, value: 2, tolerance: {relative: 1}")
    assert [p.where for p in evenly(found, 3)] == ["1", "3", "5"]
    assert [p.where for p in evenly(found, 1)] == ["1"]
    assert [p.where for p in evenly(found, 9)] == ["1", "2", "3", "4", "5"]


def test_a_file_that_is_no_text_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "claims.yaml").write_text(
        HEAD + "  - {name: c, statement: s, metric: m, data: {file: points.csv}, tolerance: {relative: 1}}\n",
        encoding="utf-8",
    )
    (tmp_path / "points.csv").write_bytes(b"value\n\xff\xfe\n")
    with pytest.raises(SpecError, match=r"points.csv: not a CSV file: .*; save it as comma-separated text in UTF-8"):
        points_of(load_claims(str(tmp_path / "claims.yaml")))


def test_a_ratio_over_zero_is_a_message(tmp_path: Path) -> None:
    (point,) = points(tmp_path, "run: {mapping: flat}, over: {mapping: none}, value: 1, tolerance: {relative: 1}")
    with pytest.raises(AttnSimError, match="latency_s: is zero in the run that it is divided by"):
        compare(point, lambda run, metric: 0.0)


def test_a_run_names_its_phase_its_devices_and_its_requests(tmp_path: Path) -> None:
    run = "run: {phase: decode, tensor_parallel: 8, requests: {trace: alpaca, seed: 3}}"
    (point,) = points(tmp_path, f"{run}, value: 2, tolerance: {{relative: 1e-3}}")
    request = request_of(point.terms[0].run)
    assert (request.phase, request.tensor_parallel, request.trace, request.seed) == ("decode", 8, "alpaca", 3)
    assert request_of(RunRequest()) == Request()


def test_a_trace_file_lies_beside_its_claims(tmp_path: Path) -> None:
    named = "run: {requests: {trace: t.csv}}, over: {requests: {trace: more/t.csv}}"
    (point,) = points(tmp_path, f"{named}, value: 2, tolerance: {{relative: 1e-3}}")
    traces = [run.requests.trace for run in point.terms[0].runs if run.requests]
    assert traces == [str(tmp_path / "t.csv"), str(tmp_path / "more" / "t.csv")]


def test_a_column_gives_the_number_of_devices(tmp_path: Path) -> None:
    rows = "model,tensor_parallel,value\nbert,4,2.0\n"
    (point,) = points(tmp_path, "data: {file: points.csv}, tolerance: {relative: 1e-3}", rows)
    assert point.terms[0].run.tensor_parallel == 4
    with pytest.raises(SpecError, match="write tensor_parallel as digits"):
        points(tmp_path, "data: {file: points.csv}, tolerance: {relative: 1e-3}", rows.replace(",4,", ",four,"))
