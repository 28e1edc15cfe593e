"""Published points of GPU kernels beside ours: every claim of the datasets, judged, as rows."""

from __future__ import annotations

from attnsim.report.tables import Row, Tables, relative_error, rounded
from attnsim.validate import ClaimResult, Track, Validation, validate

DATASETS = ("flash_attention", "flash_decoding", "sage_attention", "lean_attention", "flash_sigmoid")
_DIGITS = 3
"""Of errors; fits differ in later digits from machine to machine."""


def collect(track: Track) -> Tables:
    """Judge every dataset; simulates each run once."""
    judged = {name: validate(name, track=track) for name in DATASETS}
    return {
        "claims": [row for name, validation in judged.items() for row in _claims(name, validation)],
        "points": [row for name, validation in judged.items() for row in _points(name, validation)],
    }


def _claims(dataset: str, validation: Validation) -> list[Row]:
    """A row for each series of a claim, or for the claim if it has none."""
    return [row for result in validation.results for row in _claim_rows(dataset, result)]


def _claim_rows(dataset: str, result: ClaimResult) -> list[Row]:
    tolerance = result.claim.tolerance
    common: Row = {"dataset": dataset, "claim": result.claim.name, "statement": result.claim.statement}
    if result.series:
        return [
            {
                **common,
                "series": series.name,
                "points": series.points,
                "error": rounded(series.mean_error, _DIGITS),
                "allowed": tolerance.mean_relative,
                "holds": series.holds,
            }
            for series in result.series
        ]
    worst = max(result.comparisons, key=lambda comparison: abs(comparison.relative_error))
    return [
        {
            **common,
            "series": worst.point.where,
            "points": len(result.comparisons),
            "error": rounded(abs(relative_error(worst.point.value, worst.ours)), _DIGITS),
            "allowed": tolerance.relative or 0.0,
            "holds": result.holds,
        }
    ]


def _points(dataset: str, validation: Validation) -> list[Row]:
    return [
        {
            "dataset": dataset,
            "claim": result.claim.name,
            "series": comparison.point.series,
            "where": comparison.point.where,
            "published": rounded(comparison.point.value),
            "ours": rounded(comparison.ours),
        }
        for result in validation.results
        if result.series
        for comparison in result.comparisons
    ]
