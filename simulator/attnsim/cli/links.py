"""`attnsim validate links`: held-out timings of collectives, our predictions, and those of simpler predictors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from attnsim.cli.answer import Answer

if TYPE_CHECKING:
    from rich.table import Table

    from attnsim.measured_validation.links import JudgedLinks

NAME = "links"
BY = ("gpu", "library", "operation")


def validate_links(*, gpu: str | None, any_package_version: bool, json: bool) -> Answer:
    """Judge held-out rows of some GPUs or all; exit code 1 if their mean error misses the target."""
    from attnsim.calibrate.links import GPUS_OF
    from attnsim.cli.progress import waiting
    from attnsim.errors import EXIT_CLAIM_FAILED, EXIT_OK, UnknownNameError
    from attnsim.measured.package import find_package
    from attnsim.measured_validation.links import UNSEEN, judge_links
    from attnsim.results import json_text
    from attnsim.specs.library import unknown_name

    known = tuple(one for table in (GPUS_OF, UNSEEN) for group in table.values() for one in group)
    fitted = tuple(one for group in GPUS_OF.values() for one in group)
    asked = tuple(name.strip() for name in gpu.split(",")) if gpu else ()
    unknown = [unknown_name("GPU with timings of collectives", name, known) for name in asked if name not in known]
    if unknown or (asked and not set(asked) & set(fitted)):
        raise UnknownNameError(*unknown or [unknown_name("GPU that a link was fitted to", asked[0], fitted)])
    with waiting("predicting"):
        judged = judge_links(find_package(any_version=any_package_version), asked)
    text = json_text(_json(judged)) if json else _text(judged)
    return Answer(text=text, exit_code=EXIT_OK if judged.met else EXIT_CLAIM_FAILED)


def _text(judged: JudgedLinks) -> str:
    from attnsim.cli.tables import render
    from attnsim.measured_validation.links import TARGET_MAPE

    rows = judged.held_out
    title = f"collectives, held-out rows of aiconfigurator-core {judged.package.version}: {rows.height}; "
    verdict = "met" if judged.met else "missed"
    taken = ", ".join(f"{name} {count}" for name, count in judged.dropped.items())
    return render(
        title + "errors are |predicted / measured - 1|",
        "",
        _grouped(rows, BY),
        "",
        "by number of devices",
        _grouped(rows, ("gpu", "devices")),
        "",
        f"all held-out rows, target MAPE {TARGET_MAPE:.0%}: {verdict}",
        _overall(judged),
        "",
        "other versions of the libraries, and GPUs that no constant was fitted to",
        _grouped(judged.other_versions, ("gpu", "library", "version")),
        _grouped(judged.unseen, ("gpu", "library", "version")),
        "",
        "how far versions are from the newest one, message by message: what no predictor of one version gets right",
        _noise(judged),
        "",
        f"rows dropped by the rules of validation/links/README.md: {taken}",
    )


def _grouped(rows: pl.DataFrame, by: tuple[str, ...]) -> Table:
    """Our errors for each group, with those of the others on the same rows where they were asked."""
    from attnsim.cli.tables import table
    from attnsim.measured_validation.links import PREDICTORS, score_of

    asked = [name for name in PREDICTORS if name in rows.columns]
    lines = []
    for part in rows.partition_by(by, maintain_order=True):
        scores = [score_of(part, name) for name in asked]
        told = [f"{100 * error:.1f} %" for one in scores for error in (one.mape, one.median_ape)]
        lines.append([*(str(part[name][0]) for name in by), str(part.height), *told])
    headings = [f"{PREDICTORS[name]} {what}" for name in asked for what in ("MAPE", "median")]
    return table((*by, "rows", *headings), sorted(lines), left=by)


def _overall(judged: JudgedLinks) -> Table:
    from attnsim.cli.tables import table
    from attnsim.measured_validation.links import PREDICTORS

    lines = [
        [
            PREDICTORS[name],
            str(one.rows),
            *(f"{100 * share:.1f} %" for share in (one.mape, one.median_ape, one.p90_ape, one.within_10)),
        ]
        for name, one in judged.scores.items()
    ]
    return table(("predictor", "rows", "MAPE", "median", "p90", "in 10 %"), lines, left=("predictor",))


def _noise(judged: JudgedLinks) -> Table:
    from attnsim.cli.tables import table

    lines = [
        [
            *(one.gpu, one.library, one.version, one.newest, str(one.rows)),
            *(f"{100 * x:.1f} %" for x in (one.mape, one.median)),
        ]
        for one in judged.noise
    ]
    return table(("gpu", "library", "version", "newest", "rows", "mean", "median"), lines, left=("gpu", "library"))


def _json(judged: JudgedLinks) -> dict[str, object]:
    from dataclasses import asdict

    from attnsim.measured_validation.links import OURS, PREDICTORS, TARGET_MAPE, score_of

    return {
        "package": judged.package.version,
        "target_mape": TARGET_MAPE,
        "met": judged.met,
        "all": {PREDICTORS[name]: asdict(one) for name, one in judged.scores.items()},
        "cells": [
            {name: part[name][0] for name in BY} | asdict(score_of(part, OURS))
            for part in judged.held_out.partition_by(BY, maintain_order=True)
        ],
        "versions": [asdict(one) for one in judged.noise],
        "dropped": dict(judged.dropped),
    }
