"""Mappings that other tools find, written as mapping files: they take here what those tools report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from attnsim.explore.mapper import find_mapping
from attnsim.explore.mapper_answer import Goal
from attnsim.pipeline import Request, Run, simulate

FILES = Path(__file__).parents[2] / "benchmarks" / "mapping"
GEMM = Request(hardware=str(FILES / "zigzag_tpu_like.yaml"), cascade="gemm", extents={"M": 1024, "N": 1024, "K": 1024})
BERT = Request(
    hardware=str(FILES / "accelforge_tpu_v4i.yaml"),
    cascade=str(FILES / "softmax_as_one.yaml"),
    extents={"B": 1, "H": 12, "G": 1, "P": 512, "M": 512, "E": 64, "F": 64},
)
PREFILL = replace(BERT, extents={"B": 1, "H": 8, "G": 4, "P": 8192, "M": 8192, "E": 128, "F": 128})
HEAD = Request(
    hardware=str(FILES / "stream_fusemax.yaml"),
    cascade=str(FILES / "attention_head.yaml"),
    extents={"P": 128, "M": 128, "D": 512, "E": 64, "F": 64},
)


REPORTED_S = [(GEMM, 1179712e-9), (BERT, 17.554286e-6), (HEAD, 67464e-9), (PREFILL, 14.984211e-3)]


def mapped(request: Request, mapping: Path) -> Run:
    run = simulate(replace(request, mapping=str(mapping)))
    assert isinstance(run, Run)
    return run


def test_zigzags_loops_keep_all_cells_at_work() -> None:
    # 1,048,576 cycles, to which ZigZag adds 131,136 of loading
    assert mapped(GEMM, FILES / "zigzag_gemm.yaml").metrics.latency_s == pytest.approx(1024**2 * 1e-9, rel=1e-4)


def test_accelforges_einsums_one_after_the_other_take_what_it_reports(tmp_path: Path) -> None:
    text = (FILES / "accelforge_bert.yaml").read_text(encoding="utf-8")
    serial = tmp_path / "serial.yaml"
    serial.write_text(text.replace("    keep:", "    overlap: [QK, S, AV]\n    keep:"), encoding="utf-8")
    assert mapped(BERT, serial).metrics.latency_s == pytest.approx(17.554286e-6, rel=1e-4)


@pytest.mark.parametrize(("request_", "reported_s"), [(BERT, 23.055e-6), (PREFILL, 14.984211e-3)])
def test_accelforges_scores_off_the_chip_take_what_it_reports(request_: Request, reported_s: float) -> None:
    assert mapped(request_, FILES / "accelforge_unfused.yaml").metrics.latency_s == pytest.approx(reported_s, rel=1e-4)


@pytest.mark.parametrize(("request_", "reported_s"), REPORTED_S, ids=["gemm", "bert", "head", "prefill"])
def test_what_is_found_is_never_slower_than_what_they_report(request_: Request, reported_s: float) -> None:
    assert find_mapping(request_, Goal()).run.metrics.latency_s <= reported_s
