"""The tutorial works as written: its files load, its commands run, and they print what the page says they print.

`pytest --update-golden tests/unit/test_tutorial.py` writes what they print now into the page.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"


def test_the_tutorial_prints_what_it_says(require_page: Callable[[Path, str], None]) -> None:
    require_page(PAGE, "file")
