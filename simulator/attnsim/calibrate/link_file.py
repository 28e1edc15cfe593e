"""A fitted link as its file: what people wrote stays, the constants below it are written anew.

Link name x timings -> text of `hwspecs/links/<name>.yaml`. The part from `beyond:` or `libraries:` on is the fit's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from attnsim.calibrate.links import GPUS_OF, LIBRARIES, fit_link, row_seconds
from attnsim.errors import Problem, UnknownNameError
from attnsim.measured.collectives import is_fitted_on, is_held_out, load_collectives
from attnsim.measured.package import DISTRIBUTION, MeasuredPackage
from attnsim.measured.scores import Scores, score
from attnsim.specs.library import find, unknown_name
from attnsim.specs.link import Link, Method, library_methods, load_link
from attnsim.specs.yaml_nodes import read_text

_FITTED = re.compile(r"^(?:beyond|libraries):", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedLink:
    """A link with fitted constants, the text of its file, and its errors on held-out rows."""

    link: Link
    text: str
    held_out: Scores


def fitted_names(asked: tuple[str, ...]) -> tuple[str, ...]:
    """Links that are fitted, those asked for or all; raises UnknownNameError for one that is not."""
    problems: list[Problem] = [
        unknown_name("fitted link", name, tuple(GPUS_OF)) for name in asked if name not in GPUS_OF
    ]
    if problems:
        raise UnknownNameError(*problems)
    return asked or tuple(GPUS_OF)


def calibrate_link(name: str, package: MeasuredPackage) -> FittedLink:
    """Fit a link anew and write its file as text."""
    rows = load_collectives(package, GPUS_OF[name]).rows
    fitted, held = rows.filter(pl.Series(is_fitted_on(rows))), rows.filter(pl.Series(is_held_out(rows)))
    link = fit_link(load_link(name), fitted)
    source = f"fitted to {DISTRIBUTION} {package.version}, {' and '.join(GPUS_OF[name])}"
    written = read_text(find("link", name))
    place = _FITTED.search(written)
    head = written[: place.start()] if place else written
    return FittedLink(
        link=link,
        text=head + "\n".join([*_paths(link, source), *_libraries(link, fitted, held, source)]) + "\n",
        held_out=_scores(link, held),
    )


def _scores(link: Link, rows: pl.DataFrame) -> Scores:
    parts = [rows.filter(pl.col("library") == name) for name in LIBRARIES]
    seconds = [
        pl.Series(row_seconds(link, library_methods(link, name), part))
        for name, part in zip(LIBRARIES, parts, strict=True)
    ]
    return score(pl.concat(parts)["latency_ms"].to_numpy(), pl.concat(seconds).to_numpy() * 1e3)


def _paths(link: Link, source: str) -> Iterator[str]:
    if link.beyond:
        yield "beyond:"
    for path in link.beyond:
        bandwidth = _rate(path.bandwidth_bytes_per_s)
        yield f'  - {{devices: {path.devices}, bandwidth: {bandwidth}, source: "{source}, with nccl below"}}'


def _libraries(link: Link, fitted: pl.DataFrame, held: pl.DataFrame, source: str) -> Iterator[str]:
    yield "libraries:"
    for name, library in link.libraries.items():
        used, judged = (rows.filter(pl.col("library") == name) for rows in (fitted, held))
        seconds = row_seconds(link, library_methods(link, name), judged)
        errors = score(judged["latency_ms"].to_numpy(), seconds * 1e3)
        versions = " and ".join(sorted(set(used["version"])))
        yield f"  {name}:"
        yield f"    source: >-\n      {source}, {name} {versions}: {used.height} rows;"
        yield f"      held out {errors.rows} rows: MAPE {errors.mape:.1%}, median {errors.median_ape:.1%}"
        if library.falls_back:
            yield f"    falls_back: {library.falls_back}"
        if library.methods:
            yield "    methods:"
        yield from (f"      - {{{', '.join(_constants(method))}}}" for method in library.methods)


def _constants(method: Method) -> Iterator[str]:
    yield f'name: "{method.name}"'
    yield f"kind: {method.kind}"
    yield f"launch: {method.launch_s * 1e6:.3g} us"
    yield f"step: {method.step_s * 1e6:.3g} us"
    yield f"efficiency: {method.efficiency:.3g}"
    if method.copy_bytes_per_s is not None:
        yield f"copy: {_rate(method.copy_bytes_per_s)}"
    if method.least_devices > 2:
        yield f"least_devices: {method.least_devices}"
    if method.most_devices is not None:
        yield f"most_devices: {method.most_devices}"
    if method.floating:
        yield "floating: true"


def _rate(bytes_per_s: float) -> str:
    return f"{float(f'{bytes_per_s / 1e9:.3g}'):g} GB/s"


def write_link(made: FittedLink, folder: Path | None) -> Path:
    """Write the file over the shipped one, or into a folder; returns its path."""
    path = find("link", made.link.name) if folder is None else folder / f"{made.link.name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(made.text, encoding="utf-8", newline="\n")
    return path
