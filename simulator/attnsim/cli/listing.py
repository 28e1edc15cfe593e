"""`attnsim list`: the names that the other commands know, with their titles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attnsim.cli.answer import Answer

BY_FAMILY = ("hardware", "mapping")
"""Kinds whose files lie in a folder for each hardware family."""


def list_specs(
    kind: Annotated[
        str,
        typer.Argument(
            help="hardware, link, system, cascade, model, mapping, trace, study or validation; all if left out"
        ),
    ] = "",
) -> Answer:
    """List the shipped hardware, systems, mappings, models, cascades, traces and validation sets."""
    from attnsim.errors import UnknownNameError
    from attnsim.specs.library import KINDS, shipped_files, unknown_name

    singular = kind.lower().removesuffix("s")
    if kind and singular not in KINDS:
        raise UnknownNameError(unknown_name("kind", kind, KINDS))
    listed = {known: shipped_files(known) for known in KINDS if singular in ("", known)}
    return Answer(text="".join(_section(known, files) for known, files in listed.items() if files))


def _section(kind: str, files: dict[str, Path]) -> str:
    """The names of a kind, those of each hardware family under its own heading."""
    width = max(map(len, files))
    if kind not in BY_FAMILY:
        return "\n".join([kind, *(_line(name, path, "  ", width) for name, path in files.items()), ""])
    families = sorted({path.parent.name for path in files.values()})
    lines = [kind]
    for family in families:
        own = [(name, path) for name, path in files.items() if path.parent.name == family]
        lines += [f"  {family}", *(_line(name, path, "    ", width) for name, path in own)]
    return "\n".join([*lines, ""])


def _line(name: str, path: Path, indent: str, width: int) -> str:
    return f"{indent}{name:{width}}  {_title(path)}".rstrip()


def _title(path: Path) -> str:
    from attnsim.specs.load import read_node

    root = read_node(path).value
    title = root.get("title") if isinstance(root, dict) else None
    return str(title.value) if title else ""
