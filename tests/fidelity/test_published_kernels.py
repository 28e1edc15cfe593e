"""Published throughputs and times of GPU attention kernels: which claims hold, and by how much the others miss.

`attnsim validate` judges the same claims. What is known to miss stands in the table below, and in the README of its
dataset with the reason; a series that begins to hold must leave the table.
"""

from __future__ import annotations

import pytest

from attnsim.validate import ClaimResult, Validation, validate

DATASETS = ("flash_attention", "flash_decoding", "sage_attention", "lean_attention", "flash_sigmoid")

MISSES = {
    "flash_attention": {"peak-fp8"},
    "flash_decoding": {"split: flash_decoding", "unsplit: flash_attention_2"},
    "sage_attention": {
        "sage-1: A100_hd128 full",
        "sage-2: 4090_hd64 causal",
        "flash-2: H100_hd64 full",
        "flash-2: H100_hd64 causal",
        "flash-3: H100_hd128 causal",
        "flash-3: H100_hd64 full",
        "flash-3-fp8: H100_hd128 full",
        "flash-3-fp8: H100_hd128 causal",
    },
    "lean_attention": {"most-over-flash-2"},
    "flash_sigmoid": set(),
}


@pytest.fixture(scope="module", params=DATASETS)
def judged(request: pytest.FixtureRequest) -> Validation:
    return validate(str(request.param))


def missed(result: ClaimResult) -> set[str]:
    """Names of what a claim misses: its series, or the claim itself if it has none."""
    if result.series:
        return {f"{result.claim.name}: {series.name}" for series in result.series if not series.holds}
    return set() if result.holds else {result.claim.name}


def test_every_published_claim_holds_but_those_that_are_known_to_miss(judged: Validation) -> None:
    found = set[str]().union(*(missed(result) for result in judged.results))
    assert found == MISSES[judged.claims.name]


def test_the_overlap_alone_gives_the_three_throughputs_of_the_ablation(judged: Validation) -> None:
    errors = {r.claim.name: abs(r.worst.relative_error) for r in judged.results if "ablation" in r.claim.name}
    assert len(errors) == (3 if judged.claims.name == "flash_attention" else 0)
    assert all(error <= 0.05 for error in errors.values()), errors
