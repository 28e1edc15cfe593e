"""NeuPIMs: speedups and utilization of its paper, most of which its released simulator does not show either."""

from __future__ import annotations

from attnsim.validate import validate

MISSES = {
    "over-gpu",
    "over-npu",
    "over-naive",
    "naive-over-npu",
    "npu-used-naive",
    "npu-used",
    "pim-used-naive",
    "pim-used",
}
"""The README of the dataset gives the reason of each."""


def test_every_claim_holds_but_those_that_are_known_to_miss() -> None:
    assert {result.claim.name for result in validate("neupims_paper").results if not result.holds} == MISSES
