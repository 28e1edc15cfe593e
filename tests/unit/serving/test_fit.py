"""The largest batch that keeps an objective, on a small system with real times."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from attnsim.cli import main

SMALL = """name: small
family: offload
source: none but this test
pools:
  gpus: {hardware: h100_sxm, devices: 1}
layers: {pool: gpus}
prefill: {mode: removed}
"""


def answer(tmp_path: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, object]:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    call = ["serve", "--system", str(path), "--model", "llama3_8b", "--set", "model.layers=2", "--trace", "share-gpt"]
    main([*call, "--requests", "60", "--saturated", "--json", *more])
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_the_fitted_batch_keeps_the_limit_and_one_more_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slo = ["--slo", "tbt=760us"]
    fitted = answer(tmp_path, capsys, *slo, "--fit-batch")
    batch = fitted["provenance"]["assumptions"]["schedule"]["max_batch"]  # type: ignore[index]
    assert 2 < batch < 59
    assert fitted["slo"]["kept"] >= 0.99  # type: ignore[index]
    same = answer(tmp_path, capsys, *slo, "--set", f"system.schedule.max_batch={batch}")
    for key in ("tokens_per_s", "slo", "batch"):
        assert same[key] == fitted[key]
    require_same_use(same, fitted)
    more = answer(tmp_path, capsys, *slo, "--set", f"system.schedule.max_batch={batch + 1}")
    assert more["slo"]["kept"] < 0.99  # type: ignore[index]


def test_the_whole_batch_is_taken_where_it_keeps_the_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fitted = answer(tmp_path, capsys, "--slo", "tbt=1s", "--fit-batch")
    assert fitted["batch"]["largest"] == 60  # type: ignore[index]


def test_the_best_batch_is_told_as_it_was_served_where_none_keeps_the_limit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A batch of 40 or fewer makes the others wait for more than a millisecond, so that none is fitted.
    slo = ["--slo", "ttft=1ms"]
    fitted = answer(tmp_path, capsys, *slo, "--set", "system.schedule.max_batch=40", "--fit-batch")
    batch = fitted["provenance"]["assumptions"]["schedule"]["max_batch"]  # type: ignore[index]
    assert batch == 40
    assert 0 < fitted["slo"]["kept"] < 0.99  # type: ignore[index]
    same = answer(tmp_path, capsys, *slo, "--set", f"system.schedule.max_batch={batch}")
    require_same_use(same, fitted)


def require_same_use(one: dict[str, object], other: dict[str, object]) -> None:
    """What was busy and what it took, but for the order in which it is added up."""
    assert one["utilization"] == pytest.approx(other["utilization"])
    assert one["energy_j"] == pytest.approx(other["energy_j"])
