"""The wheel holds the whole package and all of its data, and puts nothing else where it could be imported."""

from __future__ import annotations

import json
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


RUN_FROM = """
import sys
sys.path.insert(0, sys.argv[1])
import attnsim.cli
print(attnsim.cli.__file__, file=sys.stderr)
sys.exit(attnsim.cli.main(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A freshly built wheel."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def contents(wheel: Path) -> set[str]:
    """Names of the files in the wheel."""
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


def test_what_is_installed_runs_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    call = ["run", "--model", "bert", "--seq-len", "1K", "--batch", "1", "--mapping", "binding", "--json"]
    call += ["--engine", "reference"]  # it needs no compilation
    command = [sys.executable, "-c", RUN_FROM, str(tmp_path), *call]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(str(tmp_path))
    assert json.loads(done.stdout)["latency_s"] > 0
