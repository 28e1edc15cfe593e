"""Published values and claims as rows, out of a validation that has been judged."""

from __future__ import annotations

from typing import TypeAlias

from attnsim.claims import Comparison
from attnsim.report.fusemax.energy import total_j
from attnsim.report.tables import Row, relative_error, rounded
from attnsim.specs.claims import Tolerance
from attnsim.validate import ClaimResult, Validation, run_key

Published: TypeAlias = dict[tuple[str, str, str], float]
"""(run, metric, run that it is relative to or "") -> value."""

HEADLINE = "headline-"
PRINTED = "the paper prints "


def published_values(validation: Validation) -> Published:
    """Every published value of a single run, or of a single ratio of two runs."""
    found: Published = {}
    for comparison in (comparison for result in validation.results for comparison in result.comparisons):
        term = comparison.point.terms[0]
        if len(comparison.point.terms) == 1 and term.less is None:
            over = run_key(term.over) if term.over is not None else ""
            found[run_key(term.run), term.metric, over] = comparison.point.value
    return found


def claim_rows(validation: Validation) -> list[Row]:
    """One row a claim, with its worst point."""
    return [
        {
            "claim": result.claim.name,
            "statement": result.claim.statement,
            "points": len(result.comparisons),
            "at": (worst := _worst(result)).point.where,
            "published": rounded(worst.point.value),
            "ours": rounded(worst.ours),
            "error": _error(worst),
            "allowed": allowed(result.claim.tolerance),
            "holds": result.holds,
            "notes": result.claim.notes,
        }
        for result in validation.results
    ]


def _worst(result: ClaimResult) -> Comparison:
    """The first point with the largest error as it is written, so that last digits do not choose."""
    return max(result.comparisons, key=lambda comparison: abs(_error(comparison)))


def _error(comparison: Comparison) -> float:
    return relative_error(comparison.point.value, comparison.ours)


def allowed(tolerance: Tolerance) -> float:
    """The relative tolerance, or 0 for a claim that must be met exactly."""
    return tolerance.relative or 0.0


def headline_rows(validation: Validation, known: dict[str, float]) -> list[Row]:
    """The published means; for energies also with all register files counted."""
    results = (result for result in validation.results if result.claim.name.startswith(HEADLINE))
    return [_headline(result, result.worst, known) for result in results]


def _headline(result: ClaimResult, comparison: Comparison, known: dict[str, float]) -> Row:
    point = comparison.point
    return {
        "claim": result.claim.name,
        "statement": result.claim.statement,
        "printed": point.source.partition(PRINTED)[2],
        "published": rounded(point.value),
        "ours": rounded(comparison.ours),
        "error": _error(comparison),
        "all_files": rounded(_all_files(comparison, known)) if "energy" in result.claim.name else None,
    }


def _all_files(comparison: Comparison, known: dict[str, float]) -> float:
    """The mean of the claim's energy ratios with the register files of all PEs."""
    terms = comparison.point.terms
    ratios = [total_j(term.run, known) / total_j(term.over, known) for term in terms if term.over is not None]
    return sum(ratios) / len(terms)
