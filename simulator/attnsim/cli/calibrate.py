"""`attnsim calibrate`: fit the constants of kernels on GPUs, and write a calibration file for each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attnsim.cli.answer import Answer


def calibrate(
    kernels: Annotated[list[str] | None, typer.Argument(help="kernels; all that are measured if left out")] = None,
    gpu: Annotated[str | None, typer.Option(help="GPUs, with commas; all that are measured if left out")] = None,
    out: Annotated[
        Path | None, typer.Option(help="folder for <gpu>/<kernel>.yaml; that of the shipped files if left out")
    ] = None,
    rows: Annotated[int, typer.Option(min=10, help="calibration rows of each head dimension and window")] = 120,
    any_package_version: Annotated[
        bool, typer.Option("--any-package-version", help="take timings of a version that is not described")
    ] = False,
) -> Answer:
    """Fit the constants of kernels to measured timings; needs the extra `measured`."""
    from attnsim.calibrate import calibrate as fit
    from attnsim.calibrate import write_calibration
    from attnsim.calibrate.choose import pairs, shipped_folder
    from attnsim.cli.progress import track
    from attnsim.measured.dataset import attention_dataset
    from attnsim.measured.package import find_package
    from attnsim.measured.rows import Selection

    package = find_package(any_version=any_package_version)
    asked = tuple(gpu.split(",")) if gpu else ()
    chosen = pairs(tuple(kernels or ()), asked)
    folder = out if out is not None else shipped_folder()
    lines = []
    for name in dict.fromkeys(target.gpu.name for target in chosen):
        dataset = attention_dataset(
            Selection(gpus=(name,), phases=("context", "generation", "encoder")), package=package
        )
        mine = [target for target in chosen if target.gpu.name == name]
        for target in track(mine, f"calibrating {name}"):
            made = fit(target.kernel, target.gpu, dataset, rows_per_stratum=rows)
            path = folder / name / f"{target.kernel.name}.yaml"
            write_calibration(made, path)
            held = made.held_out
            lines.append(f"{path}: held out {held.rows} rows, MAPE {held.mape:.1%}, median {held.median:.1%}\n")
    return Answer(text="".join(lines))
