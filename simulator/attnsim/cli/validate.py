"""`attnsim validate`: every claim of a dataset, what was published, what we get, the error and the verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from attnsim.cli import inputs
from attnsim.cli.answer import Answer


def validate(
    datasets: Annotated[
        list[str] | None,
        typer.Argument(help="names or paths of claim files, `measured` or `links`; all shipped claims if left out"),
    ] = None,
    every_point: Annotated[
        bool, typer.Option("--all", help="print every point, not only the worst; measured: judge every held-out row")
    ] = False,
    sample: Annotated[
        int | None, typer.Option(min=1, help="at most this many points of each claim, or rows of each measured cell")
    ] = None,
    gpu: Annotated[str | None, typer.Option(help="measured, links: GPUs, with commas")] = None,
    framework: Annotated[str | None, typer.Option(help="measured: vllm, trtllm, sglang, with commas")] = None,
    phase: Annotated[str | None, typer.Option(help="measured: prefill, decode, with commas")] = None,
    dtype: Annotated[str | None, typer.Option(help="measured: types of the cache, bf16, fp8, with commas")] = None,
    window: Annotated[Literal["all", "full", "windowed"], typer.Option(help="measured: rows with a window")] = "all",
    require_targets: Annotated[
        bool, typer.Option("--require-targets", help="measured: exit code 1 if a target is missed")
    ] = False,
    unseen: Annotated[
        bool, typer.Option("--unseen", help="measured: GPUs with constants of others, slices that no fit saw; minutes")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="measured, unseen: also write the tables as JSON")] = None,
    any_package_version: Annotated[
        bool, typer.Option("--any-package-version", help="measured, links: take a version that is not described")
    ] = False,
    json: inputs.JsonOption = False,
) -> Answer:
    """Compare with published values, `measured` and `links` with timings; exit code 1 if a claim does not hold."""
    from attnsim.cli.links import NAME as LINKS
    from attnsim.cli.measured import NAME, require_no_measured_options, validate_measured, validate_unseen

    if datasets == [NAME] and unseen:
        return validate_unseen(sample=sample, out=out, any_package_version=any_package_version, json=json)
    if datasets == [NAME]:
        return validate_measured(
            gpu=gpu,
            framework=framework,
            phase=phase,
            dtype=dtype,
            window=window,
            sample=sample,
            every_row=every_point,
            require_targets=require_targets,
            any_package_version=any_package_version,
            json=json,
        )
    of_links = datasets == [LINKS]
    require_no_measured_options(
        gpu=None if of_links else gpu,
        framework=framework,
        phase=phase,
        dtype=dtype,
        window=window,
        require_targets=require_targets,
        unseen=unseen,
        out=out,
        any_package_version=not of_links and any_package_version,
    )
    if of_links:
        from attnsim.cli.links import validate_links

        return validate_links(gpu=gpu, any_package_version=any_package_version, json=json)
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
