"""Claim files: what a claim must say, and what is said about claims that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from attnsim.errors import SpecError
from attnsim.specs.claims import load_claims

GOOD = """\
name: sample
source: a paper, figure 3
kind: published
run: {model: bert, batch: 64}
claims:
  - name: speedup
    statement: twice as fast
    metric: latency_s
    run: {mapping: binding}
    over: {mapping: unfused}
    inverse: true
    value: 2
    tolerance: {relative: 1e-2}
  - name: points
    statement: every point of the figure
    metric: utilization.array_2d
    data: {file: points.csv, value: utilization, run: {model: model, seq_len: seq_len}, where: {config: binding}}
    tolerance: {absolute: 0.01}
"""


def write(folder: Path, text: str) -> str:
    (folder / "points.csv").write_text("model,seq_len,utilization\n", encoding="utf-8")
    path = folder / "claims.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_claim_file_is_read(tmp_path: Path) -> None:
    claims = load_claims(write(tmp_path, GOOD))
    assert [claim.name for claim in claims.claims] == ["speedup", "points"]
    assert claims.run.model == "bert"
    assert claims.claims[0].value == 2
    assert claims.claims[1].data is not None
    assert claims.claims[1].data.where == {"config": "binding"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    value: 2\n", "", ":6: claims.0.value: has no value; give `value`, or `data`"),
        ("    value: 2\n", "    value: 2\n    data: {file: points.csv, value: x}\n", "has both `value` and `data`"),
        ("name: points", "name: speedup", ":6: claims.0.name: the name 'speedup' is used 2 times; give each its own"),
        (
            "{relative: 1e-2}",
            "{mean_relative: 0.1}",
            ":13: claims.0.tolerance.mean_relative: has no series; give `data`",
        ),
        (
            "inverse: true",
            "less: {mapping: flat}",
            ":11: claims.0.less: stands beside `over`; a claim is about a ratio",
        ),
        (
            "inverse: true",
            "plus: {mapping: flat}",
            ":11: claims.0.plus: stands beside `over`; a claim is about a ratio",
        ),
        (
            "{absolute: 0.01}",
            "{mean_relative: 0.1, relative: 1}",
            ":18: claims.1.tolerance: judges single points and their mean; give `mean_relative`, or",
        ),
        ("{absolute: 0.01}", "{}", ":18: claims.1.tolerance: is empty; write for example {relative: 1e-3}"),
        ("points.csv", "point.csv", ":17: claims.1.data.file: there is no file 'point.csv'; it lies beside the claim"),
        (
            "kind: published",
            "kind: publishd",
            ":3: kind: 'publishd' is not one of the choices; did you mean published?",
        ),
        ("kind: published\n", "", ":1: 'kind' is missing"),
        ("relative: 1e-2", "relative: -1", "claims.0.tolerance.relative: -1 is out of range"),
        ("value: 2\n", "value: .inf\n", "claims.0.value: inf is not finite"),
    ],
)
def test_a_wrong_claim_is_refused_with_line_path_and_remedy(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in GOOD
    with pytest.raises(SpecError) as caught:
        load_claims(write(tmp_path, GOOD.replace(old, new)))
    assert message in str(caught.value)
