"""`attnsim validate`: every claim of a dataset, what was published, what we get, the error and the verdict."""

from __future__ import annotations

from typing import Annotated

import typer

from attnsim.cli import inputs
from attnsim.cli.answer import Answer


def validate(
    datasets: Annotated[
        list[str] | None, typer.Argument(help="names or paths of claim files; all that are shipped if left out")
    ] = None,
    every_point: Annotated[
        bool, typer.Option("--all", help="print every point, not only the worst of a claim")
    ] = False,
    sample: Annotated[int | None, typer.Option(min=1, help="simulate at most this many points of each claim")] = None,
    json: inputs.JsonOption = False,
) -> Answer:
    """Compare with published values; exit code 1 if a claim does not hold."""
    from attnsim.cli.progress import track
    from attnsim.cli.validate_table import validation_json, validation_table
    from attnsim.errors import EXIT_CLAIM_FAILED, EXIT_OK
    from attnsim.results import json_text
    from attnsim.specs.library import names
    from attnsim.validate import validate as validate_dataset

    validations = [
        validate_dataset(name, sample=sample, track=lambda runs: track(runs, "simulating"))
        for name in datasets or names("validation")
    ]
    if json:
        text = json_text([validation_json(validation) for validation in validations])
    else:
        text = "\n".join(validation_table(validation, every_point=every_point) for validation in validations)
    holds = all(validation.holds for validation in validations)
    return Answer(text=text, exit_code=EXIT_OK if holds else EXIT_CLAIM_FAILED)
