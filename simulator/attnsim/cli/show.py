"""`attnsim show`: the YAML behind a name, to read or to start one's own from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attnsim.cli.answer import Answer


def show(
    name: Annotated[str, typer.Argument(help="a name that `attnsim list` prints, or the path of a YAML file")],
    kind: Annotated[str, typer.Option(help="look among these only: hardware, mapping, model, cascade ...")] = "",
) -> Answer:
    """Print the YAML of a hardware, mapping, model or cascade; of all of them if several share the name."""
    from attnsim.errors import UnknownNameError
    from attnsim.specs.library import KINDS, is_path, names, shipped_files, unknown_name
    from attnsim.specs.yaml_nodes import read_text

    if kind and kind not in KINDS:
        raise UnknownNameError(unknown_name("kind", kind, KINDS))
    kinds = [known for known in KINDS if kind in ("", known)]
    paths = [Path(name)] if is_path(name) else [files[name] for k in kinds if name in (files := shipped_files(k))]
    if not paths:
        known_names = tuple(sorted({known for k in kinds for known in names(k)}))
        raise UnknownNameError(unknown_name(kind or "spec", name, known_names))
    return Answer(text="\n".join(read_text(path) for path in paths))
