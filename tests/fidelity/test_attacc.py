"""AttAcc: cycles of attention in its memory, and the time of a token of GPT-3 175B on eight GPUs."""

from __future__ import annotations

import pytest

from attnsim.validate import Validation, validate

MISSES = {"bank-shared-rows": 3}
"""Points beyond the tolerance of their claim, as the README of the dataset says."""


@pytest.fixture(scope="module")
def judged() -> Validation:
    return validate("attacc")


def test_every_point_holds_but_those_that_are_known_to_miss(judged: Validation) -> None:
    missed = {result.claim.name: sum(not one.holds for one in result.comparisons) for result in judged.results}
    assert {name: points for name, points in missed.items() if points} == MISSES


def errors(judged: Validation, name: str) -> dict[str, float]:
    (result,) = (result for result in judged.results if result.claim.name == name)
    return {one.point.where: one.relative_error for one in result.comparisons}


@pytest.mark.parametrize(("name", "heads"), [("few-heads", 3), ("bank", 130), ("group", 130), ("buffer", 130)])
def test_a_last_round_that_leaves_channels_idle_takes_as_long_as_a_full_one(
    judged: Validation, name: str, heads: int
) -> None:
    found = [error for where, error in errors(judged, name).items() if f"B={5 * heads} " in where]
    assert len(found) >= 3
    assert all(-0.025 < error < 0.01 for error in found)


def test_where_the_simulator_reads_an_open_row_of_another_head_every_length_is_slower_here(judged: Validation) -> None:
    own, shared = errors(judged, "bank-own-rows"), errors(judged, "bank-shared-rows")
    assert own.keys() == shared.keys()
    assert all(shared[where] > max(own[where], 0.03) for where in own)
