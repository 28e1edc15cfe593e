"""Every shipped spec file: it loads, is called as its file is, and every number in it has a source."""

from __future__ import annotations

import pytest

from attnsim.specs.hardware import load_hardware
from attnsim.specs.library import Kind, names, shipped_files
from attnsim.specs.link import load_link
from attnsim.specs.load import load_text
from attnsim.specs.mapping import load_mapping
from attnsim.specs.model import Model, load_model
from attnsim.specs.provenance import sourced_numbers
from attnsim.specs.study import load_study
from attnsim.specs.system import load_system
from attnsim.specs.trace import load_trace

PLACEHOLDERS = ("", "?", "-", "tbd", "unknown", "none", "n/a", "guess", "made up")


@pytest.mark.parametrize("name", names("hardware"))
def test_every_number_of_a_hardware_has_a_source(name: str) -> None:
    numbers = sourced_numbers(load_hardware(name))
    assert len(numbers) > 10
    assert [n.path for n in numbers if n.source.lower() in PLACEHOLDERS] == []


@pytest.mark.parametrize("name", names("link"))
def test_every_number_of_a_link_has_a_source(name: str) -> None:
    numbers = sourced_numbers(load_link(name))
    assert len(numbers) > 5
    assert [n.path for n in numbers if n.source.lower() in PLACEHOLDERS] == []


@pytest.mark.parametrize("name", names("model"))
def test_every_number_of_a_model_has_a_source(name: str) -> None:
    assert [n.path for n in sourced_numbers(load_model(name)) if n.source.lower() in PLACEHOLDERS] == []


@pytest.mark.parametrize("name", names("trace"))
def test_every_number_of_a_trace_has_a_source(name: str) -> None:
    assert [n.path for n in sourced_numbers(load_trace(name)) if n.source.lower() in PLACEHOLDERS] == []


def test_the_nearest_source_is_the_source_of_a_number() -> None:
    text = "name: m\nsource: outer\nranks: {H: 12, E: 64}\nlayer:\n  - {name: a, extents: {M: 3, K: H*E}}\n"
    found = [(n.path, n.value, n.source, n.line) for n in sourced_numbers(load_text(text, Model))]
    assert found == [
        ("ranks.H", "12", "outer", 3),
        ("ranks.E", "64", "outer", 3),
        ("layer.0.extents.M", "3", "outer", 5),
    ]
    inner = {n.path: n.source for n in sourced_numbers(load_hardware("fusemax"))}
    assert inner["clock"].startswith("FuseMax")
    assert inner["memories.dram.read"].startswith("HBM2")
    assert inner["arrays.array_2d.shape.0"] == inner["clock"]


@pytest.mark.parametrize("name", names("mapping"))
def test_every_mapping_names_its_source_and_what_it_is_for(name: str) -> None:
    mapping = load_mapping(name)
    assert mapping.source
    assert mapping.target.hardware is None or mapping.target.hardware in names("hardware")


@pytest.mark.parametrize("name", names("study"))
def test_every_study_says_where_its_ranges_come_from(name: str) -> None:
    assert str(load_study(name).source).lower() not in PLACEHOLDERS


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for kind in ("hardware", "link", "system", "model", "mapping", "trace", "study")
        for name in names(kind)
    ],
)
def test_a_shipped_spec_is_called_as_its_file_is(kind: Kind, name: str) -> None:
    load = {
        "hardware": load_hardware,
        "link": load_link,
        "system": load_system,
        "model": load_model,
        "mapping": load_mapping,
        "trace": load_trace,
        "study": load_study,
    }[kind]
    named = load(name).model_dump()["name"]
    assert named == shipped_files(kind)[name].stem == name
