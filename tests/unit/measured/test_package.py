"""Finding the package of timings: what is said when it is missing or unknown, and which of two versions counts."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from attnsim.measured.package import (
    MODULE,
    MeasuredDataError,
    MeasuredPackage,
    find_package,
    newest,
    tables,
    version_key,
)

Write = Callable[..., Path]


def installed(monkeypatch: pytest.MonkeyPatch, folder: Path | None, version: str | None) -> None:
    """Pretend that the package lies in `folder`, or is not installed, and has this version, or none known."""
    spec = ModuleSpec(MODULE, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec if folder else None)

    def stated(name: str) -> str:
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(importlib.metadata, "version", stated)


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, None, None)
    with pytest.raises(MeasuredDataError) as caught:
        find_package()
    assert str(caught.value) == (
        "the measured timings are not installed; install them with: pip install 'attnsim[measured]'"
    )


@pytest.mark.parametrize(("version", "shown"), [("0.13.0", "0.13.0"), (None, "of unknown version")])
def test_an_unknown_version_is_refused_unless_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str | None, shown: str
) -> None:
    installed(monkeypatch, tmp_path, version)
    with pytest.raises(MeasuredDataError) as caught:
        find_package()
    assert f"aiconfigurator-core {shown} is not a known version" in str(caught.value)
    assert "known: 0.12.0" in str(caught.value)
    assert find_package(any_version=True) == MeasuredPackage(folder=tmp_path, version=version or "")


def test_the_package_is_found_without_being_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed(monkeypatch, tmp_path, "0.12.0")
    assert find_package().folder == tmp_path
    assert MODULE not in sys.modules


def test_a_package_without_tables_says_what_to_reinstall(package: MeasuredPackage) -> None:
    with pytest.raises(MeasuredDataError, match=r"holds no timings.*reinstall aiconfigurator-core==0\.12\.0"):
        tables(package)


@pytest.mark.parametrize(
    ("older", "newer"), [("0.5.6.post2", "0.5.14"), ("1.3.0rc9", "1.3.0rc20"), ("0.22.0", "0.24.0"), ("1.0", "1.0.1")]
)
def test_versions_are_ordered_by_their_numbers(older: str, newer: str) -> None:
    assert version_key(older) < version_key(newer)


def test_the_newest_version_of_each_gpu_framework_and_phase_counts(package: MeasuredPackage, write: Write) -> None:
    for version in ("0.5.14", "0.5.6.post2"):
        write("context", framework="sglang", version=version)
    write("generation", framework="sglang", version="0.5.6.post2")
    found = newest(tables(package))
    assert [(table.phase, table.version) for table in found] == [("context", "0.5.14"), ("generation", "0.5.6.post2")]
