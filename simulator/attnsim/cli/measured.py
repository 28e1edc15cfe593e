"""`attnsim validate measured`: held-out GPU timings, our predictions, and what simpler predictors make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from attnsim.cli.answer import Answer

NAME = "measured"
PHASES = {"prefill": "context", "decode": "generation"}


def validate_measured(
    *,
    gpu: str | None,
    framework: str | None,
    phase: str | None,
    dtype: str | None,
    window: Literal["all", "full", "windowed"],
    sample: int | None,
    every_row: bool,
    require_targets: bool,
    any_package_version: bool,
    json: bool,
) -> Answer:
    """Judge held-out rows of a selection; every option narrows it."""
    from attnsim.cli.measured_json import measured_json
    from attnsim.cli.measured_table import measured_table
    from attnsim.cli.progress import waiting
    from attnsim.errors import EXIT_CLAIM_FAILED, EXIT_OK
    from attnsim.measured.dataset import SAMPLE
    from attnsim.measured.rows import FRAMEWORKS, GPUS, Selection
    from attnsim.measured_validation.judge import judge
    from attnsim.measured_validation.targets import verdicts
    from attnsim.results import json_text

    selection = Selection(
        gpus=_names(gpu) or GPUS,
        frameworks=_names(framework) or FRAMEWORKS,
        phases=tuple(PHASES.get(name, name) for name in _names(phase)) or ("context", "generation"),
        kv_cache_dtypes=_names(dtype),
        windows=window,
    )
    with waiting("predicting"):
        judged = judge(selection, per_cell=None if every_row else sample or SAMPLE, any_version=any_package_version)
        text = json_text(measured_json(judged)) if json else measured_table(judged)
    missed = require_targets and not all(verdict.met for verdict in verdicts(judged.rows))
    return Answer(text=text, exit_code=EXIT_CLAIM_FAILED if missed else EXIT_OK)


def validate_unseen(*, sample: int | None, out: Path | None, any_package_version: bool, json: bool) -> Answer:
    """Judge GPUs with constants of others, and slices that the fit did without; takes minutes."""
    from dataclasses import asdict

    from attnsim.cli.measured_table import unseen_table
    from attnsim.cli.progress import track
    from attnsim.measured.package import find_package
    from attnsim.measured_validation.unseen import PER_CELL, unseen
    from attnsim.report.tables import dumps
    from attnsim.results import json_text

    package = find_package(any_version=any_package_version)
    found = unseen(package, per_cell=sample or PER_CELL, track=lambda names: track(names, "withholding"))
    tables = asdict(found)
    if out is not None:
        out.write_text(dumps(tables), encoding="utf-8", newline="\n")
    return Answer(text=json_text(tables) if json else unseen_table(found))


def require_no_measured_options(**given: object) -> None:
    """Raise AttnSimError for options that only `measured` has."""
    from attnsim.errors import AttnSimError, Problem

    problems = [
        Problem(
            path=f"--{name.replace('_', '-')}",
            what="only measured timings have this",
            remedy=f"attnsim validate {NAME}, or leave it out",
        )
        for name, value in given.items()
        if value not in (None, False, "all")
    ]
    if problems:
        raise AttnSimError(*problems)


def _names(text: str | None) -> tuple[str, ...]:
    """Names separated by commas; none if the option was left out."""
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else ()
