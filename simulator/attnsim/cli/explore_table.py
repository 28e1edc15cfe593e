"""The front of a study as a table for people, and as JSON."""

from __future__ import annotations

from pathlib import Path

from attnsim.cli.tables import LEAST_WIDTH, render, table
from attnsim.explore.results import Results
from attnsim.explore.space import labels
from attnsim.explore.store import NUMBER
from attnsim.specs.study import limits_of

MOST_ROWS = 40


def front_table(results: Results, folder: Path) -> str:
    """The front, under how many designs there were and why others are not feasible."""
    study = results.study
    told = f"{results.designs:,} designs, {results.feasible:,} feasible, {len(results.front)} on the front; {folder}"
    paths = list(study.vary)
    shown = tuple(dict.fromkeys((*study.objectives, *(limit.metric for limit in limits_of(study)))))
    rows = [
        [str(row[NUMBER]), *(str(row[path]) for path in paths), *(_number(row[name]) for name in shown)]
        for row in results.front[:MOST_ROWS]
    ]
    headings = ("design", *labels(paths), *shown)
    width = sum(max(map(len, column)) + 2 for column in zip(headings, *rows, strict=True))
    cut = [f"and {len(results.front) - MOST_ROWS} more"] if len(results.front) > MOST_ROWS else []
    front = table(headings, rows, left=())
    return render(
        study.title or study.name, told, "", front, *cut, *_reasons(results), least_width=max(LEAST_WIDTH, width)
    )


def _number(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, int | float) else ""


def _reasons(results: Results) -> list[str]:
    most = sorted(results.reasons.items(), key=lambda item: (-item[1], item[0]))[:5]
    return ["", *(f"{count:,} not feasible: {reason}" for reason, count in most)] if most else []


def front_json(results: Results) -> dict[str, object]:
    """The front with its designs and metrics."""
    study = results.study
    return {
        "study": study.name,
        "designs": results.designs,
        "feasible": results.feasible,
        "infeasible": dict(sorted(results.reasons.items())),
        "minimize": list(study.minimize),
        "maximize": list(study.maximize),
        "front": [
            {
                "design": row[NUMBER],
                "values": {path: row[path] for path in study.vary},
                "metrics": {name: row[name] for name in study.metrics},
            }
            for row in results.front
        ],
    }
