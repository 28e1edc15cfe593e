"""The results of a validation for people, one line a claim or one a point, and as JSON for programs."""

from __future__ import annotations

import math

from attnsim.claims import Comparison
from attnsim.cli.tables import render, table
from attnsim.results import JsonObject
from attnsim.specs.claims import Tolerance
from attnsim.validate import ClaimResult, SeriesResult, Validation

HEADINGS = ("claim", "points", "published", "ours", "error", "allowed", "verdict", "worst at")
LEFT = ("claim", "verdict", "worst at", "at")


def validation_table(validation: Validation, *, every_point: bool) -> str:
    """A line for each claim with its worst point, or for each point; then how many claims hold, and which do not."""
    claims = validation.claims
    headings: tuple[str, ...] = HEADINGS
    if every_point:
        headings = ("claim", "at", *HEADINGS[2:7])
        rows = [_point_row(result, c) for result in validation.results for c in result.comparisons]
    else:
        rows = [_claim_row(result) for result in validation.results]
    title = f"{claims.title or claims.name} ({claims.kind}: {claims.source})"
    return render(title, "", table(headings, rows, left=LEFT), "", *_summary(validation))


def _claim_row(result: ClaimResult) -> list[str]:
    count = str(len(result.comparisons))
    if result.series:
        return _series_row(result, count)
    return [result.claim.name, count, *_numbers(result.worst), _verdict(result.holds), result.worst.point.where]


def _series_row(result: ClaimResult, count: str) -> list[str]:
    """Of a claim about series the worst one, with the mean of its errors."""
    worst = max(result.series, key=lambda series: series.mean_error)
    error = f"{worst.mean_error * 100:.2g} %"
    limit = allowed(result.claim.tolerance)
    return [result.claim.name, count, "", "", error, limit, _verdict(result.holds), worst.name]


def _point_row(result: ClaimResult, comparison: Comparison) -> list[str]:
    return [result.claim.name, comparison.point.where, *_numbers(comparison), _verdict(comparison.holds)]


def _numbers(comparison: Comparison) -> list[str]:
    point = comparison.point
    return [
        f"{point.value:.6g}",
        f"{comparison.ours:.6g}",
        signed_percent(comparison.relative_error),
        allowed(point.claim.tolerance),
    ]


def _verdict(holds: bool) -> str:
    return "holds" if holds else "FAILS"


def _summary(validation: Validation) -> list[str]:
    points = sum(len(result.comparisons) for result in validation.results)
    holding = sum(result.holds for result in validation.results)
    lines = [f"{holding} of {len(validation.results)} claims hold, {points} points"]
    lines += [f"FAILS: {r.claim.name}: {r.claim.statement}" for r in validation.results if not r.holds]
    if validation.left_out:
        lines.append(f"left out by --sample, because a mean needs all its runs: {', '.join(validation.left_out)}")
    return lines


def signed_percent(error: float) -> str:
    """A relative error in percent with two digits, `-0.21 %`; `0` for what rounding alone explains (below 1e-12)."""
    if not math.isfinite(error):
        return "from zero"
    return "0" if abs(error) < 1e-12 else f"{error * 100:+.2g} %"


def allowed(tolerance: Tolerance) -> str:
    """A tolerance as text: `0.1 %`, `8 % on average` of a series, or an absolute one as it is."""
    parts = [f"{tolerance.relative * 100:g} %"] if tolerance.relative is not None else []
    parts += [f"{tolerance.absolute:g}" if tolerance.absolute else "none"] if tolerance.absolute is not None else []
    if tolerance.mean_relative is not None:
        parts.append(f"{tolerance.mean_relative * 100:g} % on average")
    return " or ".join(parts)


def validation_json(validation: Validation) -> JsonObject:
    """A validation with every point; errors that are not finite are null."""
    claims = validation.claims
    return {
        "dataset": claims.name,
        "kind": claims.kind,
        "source": claims.source,
        "holds": validation.holds,
        "left_out": list(validation.left_out),
        "claims": [_claim_json(result) for result in validation.results],
    }


def _claim_json(result: ClaimResult) -> JsonObject:
    claim = result.claim
    return {
        "claim": claim.name,
        "statement": claim.statement,
        "metric": claim.metric,
        "tolerance": claim.tolerance.model_dump(exclude_none=True),
        "holds": result.holds,
        "worst": _point_json(result.worst),
        "points": [_point_json(comparison) for comparison in result.comparisons],
        **({"series": [_series_json(series) for series in result.series]} if result.series else {}),
        **({"notes": claim.notes} if claim.notes else {}),
    }


def _series_json(series: SeriesResult) -> JsonObject:
    mean = series.mean_error if math.isfinite(series.mean_error) else None
    return {"series": series.name, "points": series.points, "mean_error": mean, "holds": series.holds}


def _point_json(comparison: Comparison) -> JsonObject:
    error = comparison.relative_error
    return {
        "at": comparison.point.where,
        "published": comparison.point.value,
        "ours": comparison.ours,
        "relative_error": error if math.isfinite(error) else None,
        "holds": comparison.holds,
        "kind": comparison.point.kind,
        "source": comparison.point.source,
    }
