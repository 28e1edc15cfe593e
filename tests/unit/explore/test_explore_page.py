"""docs/explore.md: its study loads, its commands run and print what the page says, and it lists every shipped study.

`pytest --update-golden tests/unit/explore/test_explore_page.py` writes what they print now into the page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from attnsim.specs.library import names
from attnsim.specs.study import Derived, Range, Study

PAGE = Path(__file__).parents[3] / "docs" / "explore.md"


def test_the_page_prints_what_it_says(require_page: Callable[[Path, str], None]) -> None:
    require_page(PAGE, "study")


def test_the_page_lists_every_study_and_every_key() -> None:
    page = PAGE.read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \| .*\| \d+ \|$", page, re.MULTILINE)
    assert sorted(listed) == sorted(names("study"))
    keys = [*Study.model_fields, *Derived.model_fields, *(f.alias or n for n, f in Range.model_fields.items())]
    assert [key for key in keys if f"`{key}`" not in page and f"`{key}:" not in page] == []
