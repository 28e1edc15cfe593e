"""`attnsim compare` over devices of different families: each takes the mappings that are written for its family."""

from __future__ import annotations

import json

import pytest

from attnsim.cli import main

CALL = ["compare", "--model", "gpt3-7b", "--batch", "16", "--trace", "share-gpt", "--scope", "model"]


def rows(capsys: pytest.CaptureFixture[str], *options: str) -> list[tuple[str, str]]:
    assert main([*CALL, "--json", *options]) == 0, capsys.readouterr().err
    found = [run["provenance"] for run in json.loads(capsys.readouterr().out)]
    return [(run["hardware"], run["mappings"]["attention"]) for run in found]


def test_each_device_takes_the_mappings_of_its_family(capsys: pytest.CaptureFixture[str]) -> None:
    named = ["--mapping", "npu_only,concurrent,vllm_fa2_decode"]
    assert rows(capsys, "--hardware", "a100_sxm,neupims", *named) == [
        ("a100_sxm", "vllm_fa2_decode"),
        ("neupims", "npu_only"),
        ("neupims", "concurrent"),
    ]


def test_a_device_without_a_mapping_of_its_own_takes_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    (gpu, *npu) = rows(capsys, "--hardware", "a100_sxm,neupims", "--mapping", "npu_only")
    assert gpu == rows(capsys, "--hardware", "a100_sxm")[0]
    assert npu == [("neupims", "npu_only")]


def test_a_mapping_of_another_family_is_refused_where_one_device_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*CALL, "--hardware", "a100_sxm", "--mapping", "npu_only"]) == 2
    assert "npu_only" in capsys.readouterr().err


def test_the_table_tells_of_lengths_that_were_averaged_and_tokens_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*CALL, "--hardware", "a100_sxm,neupims"]) == 0
    text = capsys.readouterr().out
    assert "a100_sxm: all requests as if they had the mean of their lengths" in text
    assert "neupims: all requests" not in text
    assert text.splitlines()[0].endswith("tokens/s")
