"""JSON Schemas for editors: written from the spec classes, named by every shipped YAML, and true of all of them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from attnsim.specs.library import Kind, data_root, shipped_files
from attnsim.specs.load import read_node
from attnsim.specs.schema import CALIBRATION, FOLDER, SCHEMA_OF, header_line, schema_text, schemas, write_schemas
from attnsim.specs.yaml_nodes import plain

SHIPPED: list[tuple[Kind, Path]] = [(kind, path) for kind in SCHEMA_OF for path in shipped_files(kind).values()]


def label(value: object) -> str:
    return value.stem if isinstance(value, Path) else str(value)


@pytest.mark.parametrize("name", sorted(schemas()))
def test_the_committed_schema_is_the_one_that_the_classes_give(name: str) -> None:
    committed = data_root() / FOLDER / f"{name}.schema.json"
    remedy = "write it with: attnsim schema --out docs/schema"
    assert committed.read_text(encoding="utf-8") == schema_text(schemas()[name]), remedy


def test_every_committed_schema_belongs_to_a_kind_of_file() -> None:
    names = {path.name.removesuffix(".schema.json") for path in (data_root() / FOLDER).iterdir()}
    assert names == {*SCHEMA_OF.values(), CALIBRATION}


@pytest.mark.parametrize("name", sorted(schemas()))
def test_a_schema_is_itself_valid(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schemas()[name])


@pytest.mark.parametrize(("kind", "path"), SHIPPED, ids=label)
def test_a_shipped_file_meets_its_schema(kind: Kind, path: Path) -> None:
    validator = jsonschema.Draft202012Validator(schemas()[SCHEMA_OF[kind]])
    assert [error.message for error in validator.iter_errors(plain(read_node(path)))] == []


@pytest.mark.parametrize(("kind", "path"), SHIPPED, ids=label)
def test_the_first_line_of_a_shipped_file_names_its_schema(kind: Kind, path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == header_line(kind, path)
    assert (path.parent / first.partition("$schema=")[2]).resolve().is_file()


def test_every_shipped_calibration_names_its_schema_and_meets_it() -> None:
    validator = jsonschema.Draft202012Validator(schemas()[CALIBRATION])
    for path in sorted((data_root() / "workloads" / "calibrations").glob("*/*.yaml")):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first == "# yaml-language-server: $schema=../../../docs/schema/calibration.schema.json", path
        assert [error.message for error in validator.iter_errors(plain(read_node(path)))] == [], path


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"clock": 940}, "is not of type 'string'"),
        ({"clock": "940"}, "does not match"),
        ({"clok": "1 MHz"}, "Additional properties are not allowed"),
        ({"source": ""}, "should be non-empty"),
        ({"family": "toaster"}, "is not one of"),
    ],
)
def test_an_editor_sees_the_commonest_mistakes(change: dict[str, object], why: str) -> None:
    tree = plain(read_node(shipped_files("hardware")["fusemax"]))
    assert isinstance(tree, dict)
    errors = jsonschema.Draft202012Validator(schemas()["hardware"]).iter_errors({**tree, **change})
    assert any(why in error.message for error in errors)


def test_schemas_are_written_to_a_folder_that_need_not_be_there(tmp_path: Path) -> None:
    written = write_schemas(tmp_path / "new" / "folder")
    assert [path.name for path in written] == [f"{name}.schema.json" for name in schemas()]
    assert all(json.loads(path.read_text(encoding="utf-8")) for path in written)
