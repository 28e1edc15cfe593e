"""`attnsim schema`: the JSON Schemas that editors complete and check the YAML files with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attnsim.cli.answer import Answer


def schema(
    name: Annotated[
        str, typer.Argument(help="hardware, mapping, model, cascade, trace, claims or calibration; all if left out")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="write NAME.schema.json for every kind into this folder")] = None,
) -> Answer:
    """Print the JSON Schema of a kind of spec file, or write all of them to a folder."""
    from attnsim.errors import UnknownNameError
    from attnsim.specs.library import unknown_name
    from attnsim.specs.schema import schema_text, schemas, write_schemas

    known = schemas()
    if name and name not in known:
        raise UnknownNameError(unknown_name("schema", name, tuple(known)))
    if out is not None:
        return Answer(text="".join(f"{path}\n" for path in write_schemas(out)))
    return Answer(text=schema_text(known[name] if name else known))
