"""`attnsim list`: the names that the other commands know, with their titles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attnsim.cli.answer import Answer


def list_specs(
    kind: Annotated[
        str, typer.Argument(help="hardware, mapping, model, cascade, study or validation; all of them if left out")
    ] = "",
) -> Answer:
    """List the shipped hardware, mappings, models, cascades and validation sets."""
    from attnsim.errors import UnknownNameError
    from attnsim.specs.library import KINDS, shipped_files, unknown_name

    singular = kind.lower().removesuffix("s")
    if kind and singular not in KINDS:
        raise UnknownNameError(unknown_name("kind", kind, KINDS))
    listed = {known: shipped_files(known) for known in KINDS if singular in ("", known)}
    return Answer(text="".join(_section(known, files) for known, files in listed.items() if files))


def _section(kind: str, files: dict[str, Path]) -> str:
    width = max(map(len, files))
    lines = [f"  {name:{width}}  {_title(path)}".rstrip() for name, path in files.items()]
    return "\n".join([kind, *lines, ""])


def _title(path: Path) -> str:
    from attnsim.specs.load import read_node

    root = read_node(path).value
    title = root.get("title") if isinstance(root, dict) else None
    return str(title.value) if title else ""
