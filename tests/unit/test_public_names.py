"""The public interface: few names, each found where it is promised, and none imported before it is used."""

from __future__ import annotations

import doctest
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import attnsim

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", attnsim.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(attnsim, name) is not None


def test_there_are_at_most_15_public_names_and_dir_lists_them() -> None:
    assert len(attnsim.__all__) <= 15
    assert dir(attnsim) == sorted(attnsim.__all__)


def test_an_unknown_name_is_an_attribute_error_that_lists_the_known_ones() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'simulat'; it has .*simulate"):
        attnsim.simulat  # noqa: B018


def test_importing_the_package_imports_nothing_else_of_it() -> None:
    code = "import sys, attnsim; print(*(m for m in sys.modules if m.startswith('attnsim.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert attnsim.__version__ == project["version"]
    assert f"\nversion: {attnsim.__version__}\n" in citation


def test_the_examples_for_python_give_what_they_say() -> None:
    page = ROOT / "docs" / "python.md"
    found = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert found.attempted > 8
    assert found.failed == 0


def test_the_page_for_python_names_all_public_names() -> None:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    assert [name for name in attnsim.__all__ if f"`{name}`" not in page] == []
