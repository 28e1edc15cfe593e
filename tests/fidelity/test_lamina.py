"""Lamina: what its paper says of prices, memory, the network and queries that leave early."""

from __future__ import annotations

from attnsim.claims import points_of
from attnsim.report.tables import loads
from attnsim.report.write import default_folder
from attnsim.specs.claims import load_claims
from attnsim.validate import judge, measure, runs_of

MISSES = {"least-gain", "arithmetic"}
"""The README of the dataset gives the reason of each."""


def test_what_needs_no_requests_holds_but_what_is_known_to_miss() -> None:
    claims = load_claims("lamina")
    points = [
        point for point in points_of(claims) if all(run.requests is None for term in point.terms for run in term.runs)
    ]
    judged = judge(claims, points, measure(runs_of(points)))
    assert {result.claim.name for result in judged.results if not result.holds} == MISSES & {
        point.claim.name for point in points
    }
    assert len(judged.results) >= 8


def test_the_committed_report_misses_what_is_known_to_miss() -> None:
    tables = loads((default_folder() / "offloading.json").read_text(encoding="utf-8"))
    assert {row["claim"] for row in tables["claims"] if not row["holds"]} == MISSES
