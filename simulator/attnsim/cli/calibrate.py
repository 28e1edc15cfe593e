"""`attnsim calibrate`: fit the constants of kernels on GPUs, and write a calibration file for each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attnsim.cli.answer import Answer

if TYPE_CHECKING:
    from attnsim.specs.calibration import Calibration


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
    published: Annotated[
        bool, typer.Option("--published", help="fit to published series of validation/ instead")
    ] = False,
    links: Annotated[
        bool, typer.Option("--links", help="fit links to timings of collectives instead; the names are of links")
    ] = False,
) -> Answer:
    """Fit the constants of kernels, or of links, to measured timings; needs the extra `measured` or `--published`."""
    if links:
        return _links(tuple(kernels or ()), out, any_package_version=any_package_version)
    from attnsim.calibrate import calibrate as fit
    from attnsim.calibrate.choose import is_timed, pairs, shipped_folder
    from attnsim.calibrate.gemm import calibrate_gemm
    from attnsim.cli.progress import track
    from attnsim.measured.dataset import attention_dataset, gemm_dataset
    from attnsim.measured.package import find_package
    from attnsim.measured.rows import Selection

    asked = tuple(gpu.split(",")) if gpu else ()
    folder = out if out is not None else shipped_folder()
    if published:
        return _published(tuple(kernels or ()), asked, folder)
    package = find_package(any_version=any_package_version)
    chosen = pairs(tuple(kernels or ()), asked)
    products = [target for target in chosen if target.kernel.gemm is not None]
    lines = []
    for target in track(products, "calibrating products"):
        timed = gemm_dataset(Selection(gpus=(target.gpu.name,)), package=package)
        lines.append(_written(calibrate_gemm(target.kernel, target.gpu, timed), folder))
    fused = [target for target in chosen if target.kernel.gemm is None]
    for name in dict.fromkeys(target.gpu.name for target in fused):
        selection = Selection(gpus=(name,), phases=("context", "generation", "encoder"))
        dataset = attention_dataset(selection, package=package)
        here = [target for target in fused if target.gpu.name == name]
        mine = [target for target in here if kernels or is_timed(target, dataset)]
        made = (
            fit(target.kernel, target.gpu, dataset, rows_per_stratum=rows)
            for target in track(mine, f"calibrating {name}")
        )
        lines += [_written(one, folder) for one in made]
    return Answer(text="".join(lines))


def _links(names: tuple[str, ...], folder: Path | None, *, any_package_version: bool) -> Answer:
    from attnsim.calibrate.link_file import calibrate_link, fitted_names, write_link
    from attnsim.cli.progress import track
    from attnsim.measured.package import find_package
    from attnsim.specs.library import shown_path

    package = find_package(any_version=any_package_version)
    lines = []
    for name in track(fitted_names(names), "calibrating links"):
        made = calibrate_link(name, package)
        path, held = write_link(made, folder), made.held_out
        errors = f"MAPE {held.mape:.1%}, median {held.median_ape:.1%}"
        lines.append(f"{shown_path(path)}: held out {held.rows} rows, {errors}\n")
    return Answer(text="".join(lines))


def _published(kernels: tuple[str, ...], gpus: tuple[str, ...], folder: Path) -> Answer:
    from attnsim.calibrate.published import calibrate_published, published_targets
    from attnsim.cli.progress import track

    targets = published_targets(kernels, gpus)
    fitted = [calibrate_published(target) for target in track(targets, "calibrating")]
    return Answer(text="".join(_written(made, folder) for made in fitted))


def _written(made: Calibration, folder: Path) -> str:
    """Write a calibration; a line that says where and how good it is."""
    from attnsim.calibrate import write_calibration

    path, held = folder / made.hardware / f"{made.kernel}.yaml", made.held_out
    write_calibration(made, path)
    return f"{path}: held out {held.rows} rows, MAPE {held.mape:.1%}, median {held.median:.1%}\n"
