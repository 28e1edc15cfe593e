"""The installed package of timings: where it lies, whether its version is known, and which tables it holds.

Python environment -> MeasuredPackage -> Tables. The package is found by name and never imported: only its files are
read, `systems/data/<gpu>/<family>/<framework>/<version>/<op>_perf.parquet`.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from attnsim.errors import AttnSimError, Problem

DISTRIBUTION = "aiconfigurator-core"
MODULE = "aiconfigurator_core"
KNOWN_VERSIONS = ("0.12.0",)
INSTALL = "pip install 'attnsim[measured]'"
OPS = {
    "context": "context_attention",
    "generation": "generation_attention",
    "encoder": "encoder_attention",
    "gemm": "gemm",
}
"""Phases and the tables that hold them."""


class MeasuredDataError(AttnSimError):
    """Measured timings that are not installed, not known, or not there for what was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPackage:
    """An installed package of timings; `folder` is the one that holds `systems`."""

    folder: Path
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One file of timings: a phase of one framework's version on one GPU."""

    gpu: str
    framework: str
    version: str
    phase: str
    path: Path


def find_package(*, any_version: bool = False) -> MeasuredPackage:
    """The installed package of timings.

    Raises MeasuredDataError, with what to install, if there is none or if its version is not one whose rows
    validation/measured/README.md describes; `any_version` accepts the latter.
    """
    spec = importlib.util.find_spec(MODULE)
    if spec is None or not spec.submodule_search_locations:
        what = "the measured timings are not installed"
        raise MeasuredDataError(Problem(what=what, remedy=f"install them with: {INSTALL}"))
    package = MeasuredPackage(folder=Path(spec.submodule_search_locations[0]), version=_version())
    if package.version not in KNOWN_VERSIONS and not any_version:
        what = f"{DISTRIBUTION} {package.version or 'of unknown version'} is not a known version of the timings"
        known = ", ".join(KNOWN_VERSIONS)
        remedy = f"known: {known}; {INSTALL} installs it, --any-package-version reads this one all the same"
        raise MeasuredDataError(Problem(what=what, remedy=remedy))
    return package


def is_installed() -> bool:
    """Whether there is a package of timings, of whatever version."""
    return importlib.util.find_spec(MODULE) is not None


def _version() -> str:
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return ""


def tables(package: MeasuredPackage) -> tuple[Table, ...]:
    """All tables of attention kernels and GEMMs, sorted by GPU, framework, version and phase.

    Raises MeasuredDataError if the package holds none.
    """
    root = package.folder / "systems" / "data"
    found = [table for phase, op in OPS.items() for table in _tables(root, phase, f"{op}_perf.parquet")]
    if not found:
        what = f"{root} holds no timings of attention kernels"
        remedy = f"reinstall {DISTRIBUTION}=={KNOWN_VERSIONS[-1]}"
        raise MeasuredDataError(Problem(what=what, remedy=remedy))
    return tuple(sorted(found, key=lambda t: (t.gpu, t.framework, version_key(t.version), tuple(OPS).index(t.phase))))


def _tables(root: Path, phase: str, name: str) -> Iterable[Table]:
    for path in root.glob(f"*/*/*/*/{name}"):
        gpu, _, framework, version = path.relative_to(root).parts[:4]
        yield Table(gpu=gpu, framework=framework, version=version, phase=phase, path=path)


def newest(found: Iterable[Table]) -> tuple[Table, ...]:
    """Of each GPU, framework and phase the table of the newest version, in the order given."""
    chosen: dict[tuple[str, str, str], Table] = {}
    for table in found:
        place = (table.gpu, table.framework, table.phase)
        other = chosen.get(place)
        if other is None or version_key(table.version) > version_key(other.version):
            chosen[place] = table
    return tuple(chosen.values())


def version_key(version: str) -> tuple[tuple[int, str], ...]:
    """Sorts versions by their numbers: 0.5.6 before 0.5.14, 1.3.0rc9 before 1.3.0rc20."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|[a-z]+", version))
