"""The report on measured timings: what counts as falling short, and pages of numbers that lack a part."""

from __future__ import annotations

import polars as pl
import pytest

from attnsim.report.gpu_measured import cases, sections, unseen_sections
from attnsim.report.gpu_measured.misses import misses
from attnsim.report.tables import Row


def judged(kernel: str, lengths: list[int], factor: float, bottleneck: str = "sm") -> pl.DataFrame:
    """Prefill rows of a millisecond whose predictions are the factor."""
    return pl.DataFrame(
        {
            "kernel_name": kernel,
            "gpu": "h100_sxm",
            "phase": "context",
            "isl": lengths,
            "step": 0,
            "latency_ms": 1.0,
            "predicted_ms": factor,
            "bottleneck": bottleneck,
        }
    )


def test_kernels_above_the_target_of_their_phase_fall_short_the_worst_first() -> None:
    rows = [judged("good", [64, 512], 1.05), judged("slow", [64, 512], 1.07), judged("fast", [64, 512], 0.5)]
    assert [row["kernel"] for row in misses(pl.concat(rows))] == ["fast", "slow"]


def test_a_miss_tells_short_from_long_and_what_bad_rows_wait_for() -> None:
    rows = pl.concat([judged("k", [32, 64], 1.3, "launch"), judged("k", [512], 1.3), judged("k", [1024], 1.0)])
    (miss,) = misses(rows)
    assert (miss["short"], miss["long"], miss["bad"]) == (0.3, 0.15, 0.75)
    assert (miss["bad_limit"], miss["bad_of_limit"], miss["bad_too_slow"]) == ("launch", 0.6667, 1.0)


def cell(**changes: object) -> Row:
    plain: dict[str, object] = {"gpu": "l40s", "framework": "vllm", "phase": "context", "kernel": "k", "rows": 0}
    return {**plain, "unanswered": 3, **changes}  # type: ignore[dict-item]


def test_kernels_without_an_answer_are_one_line_with_their_gpus() -> None:
    tables = {"cells": [cell(), cell(gpu="b200_sxm", unanswered=4), cell(rows=5, kernel="other")]}
    (line,) = sections.unanswered(tables).splitlines()[2:]
    assert line == "| vLLM | prefill | `k` | L40S, B200 | 7 |"


def test_a_page_says_what_was_not_collected() -> None:
    tables: dict[str, list[Row]] = {"transfer": [], "sources": [], "slices": []}
    for section in (unseen_sections.transfer, unseen_sections.sources, unseen_sections.slices):
        assert "attnsim validate measured --unseen" in section(tables)


@pytest.mark.parametrize(("median", "shown"), [(0.1, "met"), (0.1001, "**missed**")])
def test_a_slice_is_judged_by_its_median_and_a_table_may_have_no_answer(median: float, shown: str) -> None:
    ours = {"slice": "decode_head_dim_128", "framework": "vllm", "predictor": "predicted_ms", "rows": 9}
    table = {**ours, "predictor": "table_ms", "rows": 0, "median": None}
    (line,) = unseen_sections.slices({"slices": [{**ours, "median": median}, table]}).splitlines()[2:]
    assert line.endswith(f"| no answer | {shown} |")
    assert cases.SLICES["decode_head_dim_128"] in line
