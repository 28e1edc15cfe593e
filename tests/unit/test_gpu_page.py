"""docs/gpu.md and docs/specs.md name all that there is: constants, columns, rules, keys of kernels and GPUs.

`pytest --update-golden tests/unit/test_gpu_page.py` writes the table of constants anew.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from attnsim.families.gpu_tile.bulk import PARTS
from attnsim.families.gpu_tile.problems import ORDERS
from attnsim.families.gpu_tile.splits import RULES
from attnsim.families.gpu_tile.work import HIDDEN
from attnsim.predict.columns import NUMBERS, REQUIRED, TEXTS
from attnsim.specs import calibration, gpu_tile, kernel
from attnsim.specs.constants import CONSTANTS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "gpu.md"
HEADER = "| constant | meaning | default | bounds of a fit |\n|---|---|---:|---|\n"
TABLE = re.compile(re.escape(HEADER) + r"(?:\|.*\n)*")
SPECS = [
    *(kernel.Kernel, kernel.Types, kernel.WriteLaunch, kernel.AttentionLaunch, kernel.TileRule, kernel.Split),
    *(kernel.CombineLaunch, kernel.GemmLaunch, kernel.GemmTiles, kernel.KernelChoice, kernel.Constants),
    *(kernel.MeasuredRows, gpu_tile.GpuTile, gpu_tile.CacheLevel, gpu_tile.Dram, gpu_tile.Power, gpu_tile.Energy),
    *(calibration.Calibration, calibration.Errors, calibration.Tick),
]


def section(page: str, title: str) -> str:
    """The text of a section of a page, with all below it."""
    text = (DOCS / page).read_text(encoding="utf-8")
    level = re.search(rf"^(#+) {re.escape(title)}\n", text, re.MULTILINE)
    assert level is not None, title
    body = text[level.end() :]
    end = re.search(rf"^#{{2,{len(level[1])}}} ", body, re.MULTILINE)
    return body[: end.start()] if end else body


def quoted(text: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", text))


def constants_table() -> str:
    rows = [
        f"| `{name}` | {row.meaning} | {row.default:g} | {row.low:g} to {row.high:g} |\n"
        for name, row in CONSTANTS.items()
    ]
    return HEADER + "".join(rows)


def test_the_page_has_the_table_of_constants(request: pytest.FixtureRequest) -> None:
    page = PAGE.read_text(encoding="utf-8")
    renewed = TABLE.sub(lambda _: constants_table(), page)
    if request.config.getoption("--update-golden"):
        PAGE.write_text(renewed, encoding="utf-8")
    assert constants_table() in PAGE.read_text(encoding="utf-8")


def test_every_constant_has_its_place_in_an_equation() -> None:
    before = PAGE.read_text(encoding="utf-8").partition("## Constants")[0]
    assert [name for name in CONSTANTS if not re.search(rf"\b{name}\b", before)] == []


def test_every_column_of_a_table_is_listed() -> None:
    listed = set(re.findall(r"^\| `(\w+)` \|", section("gpu.md", "Predicting a table"), re.MULTILINE))
    assert {*REQUIRED, *NUMBERS, *TEXTS} - listed == set()


def test_every_bottleneck_of_a_row_is_listed() -> None:
    assert set(PARTS) - quoted(section("gpu.md", "Predicting a table")) == set()


@pytest.mark.parametrize(
    ("title", "known"),
    [("Splits", RULES), ("Splits", get_args(kernel.SplitRule)), ("Order", ORDERS), ("A tile", HIDDEN)],
    ids=["rules", "rules of kernel files", "orders", "overlaps"],
)
def test_every_choice_is_described(title: str, known: tuple[str, ...]) -> None:
    assert set(known) - quoted(section("gpu.md", title)) == set()


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.__name__)
def test_every_key_of_a_file_is_described(spec: type[BaseModel]) -> None:
    keys = {field.alias or name for name, field in spec.model_fields.items()}
    described = section("specs.md", "GPUs") + section("specs.md", "Mapping")
    assert {key for key in keys if not re.search(rf"\b{key}\b", described)} == set()
