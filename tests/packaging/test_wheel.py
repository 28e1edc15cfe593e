"""The wheel holds the whole package and all of its data, and puts nothing else where it could be imported."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = {
    "simulator/attnsim": "attnsim",
    "hwspecs": "attnsim/_data/hwspecs",
    "workloads": "attnsim/_data/workloads",
    "validation": "attnsim/_data/validation",
}


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the files in a freshly built wheel."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def checkout_files(folder: str) -> set[str]:
    paths = (ROOT / folder).rglob("*")
    kept = (path for path in paths if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT / folder).as_posix() for path in kept}


@pytest.mark.parametrize(("folder", "place"), SHIPPED.items())
def test_every_file_of_the_checkout_is_in_the_wheel(folder: str, place: str, contents: set[str]) -> None:
    expected = checkout_files(folder)
    assert expected, f"{folder} is empty"
    assert {f"{place}/{name}" for name in expected} - contents == set()


def test_only_the_package_becomes_importable(contents: set[str]) -> None:
    tops = {name.split("/")[0] for name in contents}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"attnsim"}


def test_nothing_is_shipped_that_the_checkout_lacks(contents: set[str]) -> None:
    known = {f"{place}/{name}" for folder, place in SHIPPED.items() for name in checkout_files(folder)}
    assert {name for name in contents if ".dist-info/" not in name} - known == set()


def test_the_command_is_installed(contents: set[str]) -> None:
    assert any(name.endswith(".dist-info/entry_points.txt") for name in contents)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in contents)
