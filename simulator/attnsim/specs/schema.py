"""JSON Schemas of the spec files, for editors that complete and check YAML as it is written.

From the pydantic classes to JSON Schema draft 2020-12, one file a kind, under `docs/schema` of the checkout. Every
shipped YAML names its schema in its first line, in the form that the YAML language server reads.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from attnsim.specs.library import Kind, data_root

FOLDER = "docs/schema"
SCHEMA_OF: dict[Kind, str] = {
    "hardware": "hardware",
    "link": "link",
    "system": "system",
    "cascade": "cascade",
    "model": "model",
    "mapping": "mapping",
    "trace": "trace",
    "study": "study",
    "validation": "claims",
}
"""Name of the schema of each kind of file."""
CALIBRATION = "calibration"
"""Schema of the files that `attnsim calibrate` writes, which no command takes by name."""


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema of every kind of spec file, by schema name."""
    return {name: _schema(name, spec_types(name)) for name in sorted([*SCHEMA_OF.values(), CALIBRATION])}


def schema_text(schema: dict[str, Any]) -> str:
    """A schema as the text of its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> tuple[Path, ...]:
    """Write every schema to `<folder>/<name>.schema.json`, making the folder if need be; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, schema in schemas().items():
        path = folder / f"{name}.schema.json"
        path.write_text(schema_text(schema), encoding="utf-8")
        written.append(path)
    return tuple(written)


def header_line(kind: Kind, path: Path) -> str:
    """The first line of a YAML file of the checkout: a comment that leads an editor to the schema."""
    target = data_root() / FOLDER / f"{SCHEMA_OF[kind]}.schema.json"
    return f"# yaml-language-server: $schema={Path(os.path.relpath(target, path.parent)).as_posix()}"


def spec_types(name: str) -> tuple[type[BaseModel], ...]:
    """Spec classes of a schema by its name; imported late because each brings its own dependencies."""
    if name == "hardware":
        from attnsim.specs.hardware import FAMILIES

        return tuple(FAMILIES.values())
    if name == "cascade":
        from attnsim.specs.cascade import CascadeFile

        return (CascadeFile,)
    if name == "mapping":
        from attnsim.specs.mapping import MAPPINGS

        return tuple(MAPPINGS.values())
    if name == "link":
        from attnsim.specs.link import Link

        return (Link,)
    if name == "system":
        from attnsim.specs.system import System

        return (System,)
    if name == "study":
        from attnsim.specs.study import Study

        return (Study,)
    if name == "model":
        from attnsim.specs.model import Model

        return (Model,)
    if name == "trace":
        from attnsim.specs.trace import Trace

        return (Trace,)
    if name == CALIBRATION:
        from attnsim.specs.calibration import Calibration

        return (Calibration,)
    from attnsim.specs.claims import Claims

    return (Claims,)


def _schema(name: str, types: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    """Schema of one class, or of a choice between several by the `family` that a file names."""
    union: Any = types[0]
    for other in types[1:]:
        union = union | other
    schema = _tidied(TypeAdapter(union).json_schema(by_alias=True))
    if "anyOf" in schema:
        schema = _chosen_by_family(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"attnsim {name}", **schema}


def _chosen_by_family(schema: dict[str, Any]) -> dict[str, Any]:
    """A choice whose branch follows from `family`, so that an editor speaks of the branch that is meant.

    A class in whose files `family` may be left out is the branch of those that leave it out.
    """
    branches = []
    for choice in schema.pop("anyOf"):
        own = schema["$defs"][choice["$ref"].rpartition("/")[2]]
        named: dict[str, Any] = {"properties": {"family": {"const": own["properties"]["family"]["const"]}}}
        if "family" in own.get("required", ()):
            named["required"] = ["family"]
        branches.append({"if": named, "then": choice})
    families = [branch["if"]["properties"]["family"]["const"] for branch in branches]
    required = [] if any("required" not in branch["if"] for branch in branches) else ["family"]
    return {
        **schema,
        "type": "object",
        "properties": {"family": {"enum": families}},
        "required": required,
        "allOf": branches,
    }


def _tidied(part: Any) -> Any:
    """A schema without what says nothing to a reader: titles made from key names, and defaults in SI units.

    A key called `title` has a schema of its own and stays.
    """
    if isinstance(part, list):
        return [_tidied(item) for item in part]
    if not isinstance(part, dict):
        return part
    kept = {key: value for key, value in part.items() if not (key == "title" and isinstance(value, str))}
    if kept.get("default") is None or (kept.get("type") == "string" and not isinstance(kept["default"], str)):
        kept.pop("default", None)
    return {key: _tidied(value) for key, value in kept.items()}
