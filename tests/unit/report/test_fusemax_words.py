"""Limits in words: neighbouring lengths together, shares as ranges."""

from __future__ import annotations

import pytest

from attnsim.report.fusemax import cases
from attnsim.report.fusemax.words import limits

LENGTHS = cases.LENGTHS


def rows(shares: list[dict[str, float]]) -> dict[str, list[dict[str, str | float]]]:
    at = {"model": "bert", "mapping": "flat"}
    return {
        "bottlenecks": [
            {**at, "seq_len": length, "resource": name, "share": share}
            for length, limit in zip(LENGTHS, shares, strict=True)
            for name, share in limit.items()
        ]
    }


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ([{"array_1d": 1.0}] * 6, ("1K to 1M: the 1D array all the time",)),
        (
            [{"array_1d": 1.0}] * 4 + [{"dram": 1.0}] * 2,
            ("1K to 64K: the 1D array all the time", "256K to 1M: DRAM all the time"),
        ),
        (
            [{"array_1d": 0.61, "dram": 0.39}, *[{"array_1d": 0.64, "dram": 0.36}] * 5],
            ("1K to 1M: the 1D array 61 to 64 % of it, DRAM 36 to 39 % of it",),
        ),
        ([{"array_1d": 0.9999, "dram": 0.0001}] * 6, ("1K to 1M: the 1D array all the time",)),
        (
            [{"dependencies": 0.7, "bus": 0.3}] * 6,
            ("1K to 1M: waiting for one another 70 % of it, bus 30 % of it",),
        ),
    ],
)
def test_what_limits_is_said_once_for_neighbouring_lengths(
    shares: list[dict[str, float]], said: tuple[str, ...]
) -> None:
    assert limits(rows(shares), "bert", "flat") == said
