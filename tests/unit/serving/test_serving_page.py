"""docs/serving.md: its system file is read, its commands print what the page shows, and it names all that there is.

`pytest --update-golden tests/unit/serving/test_serving_page.py` writes what the commands print now into the page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel

from attnsim.serving.asked import IterationRequest, ServeRequest
from attnsim.serving.outcome import Outcome
from attnsim.serving.results import iteration_json, request_table
from attnsim.serving.simulate import serve
from attnsim.serving.steady import iterate
from attnsim.specs import system

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "serving.md"
SPECS: tuple[type[BaseModel], ...] = (
    *(system.System, system.Pool, system.Layers, system.Offloading),
    *(system.Prefill, system.Kv, system.Schedule, system.Kernels),
)


def test_the_page_prints_what_it_says(require_page: Callable[[Path, str], None]) -> None:
    require_page(PAGE, "file")


def names_of(heading: str) -> set[str]:
    """What stands in backticks under a heading, up to the next one."""
    part = PAGE.read_text(encoding="utf-8").split(f"{heading}\n", 1)[1]
    return set(re.findall(r"`([\w-]+)`", re.split(r"^##", part, maxsplit=1, flags=re.MULTILINE)[0]))


@pytest.mark.parametrize("kind", SPECS, ids=lambda kind: kind.__name__)
def test_every_key_of_a_system_is_told(kind: type[BaseModel]) -> None:
    told = names_of("## A system of one's own") | {"title", "notes"}
    assert {field.alias or name for name, field in kind.model_fields.items()} - told - {"family"} == set()


def test_every_key_of_the_answers_is_told() -> None:
    golden = (ROOT / "tests" / "golden" / "serve" / "keys.txt").read_text(encoding="utf-8").split()
    ours = {word for path in golden if not re.match(r"trust|provenance|slo\.(limits|kept_by|best)", path)
            for word in path.split(".")[:2]}  # fmt: skip
    told = names_of("### JSON of `serve`")
    assert ours - told - set(names_of("## An iteration")) - {"p50", "p90", "p99", "layers"} == set()
    steady = iterate(IterationRequest(system="lamina_33b", model="llama_33b", batch=2, keys=64))
    document = iteration_json(steady)
    inner = {key for value in document.values() if isinstance(value, dict) for key in value if " " not in key}
    assert (set(document) | inner) - names_of("### JSON of `iterate`") - {"link"} == set()


def test_every_column_of_the_table_of_requests_is_told() -> None:
    served = serve(ServeRequest(system="lamina_33b", model="llama_33b", trace="share-gpt", requests=2, saturated=True))
    assert set(request_table(Outcome(served)).columns) - names_of("## Files") == set()
