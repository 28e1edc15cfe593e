"""Specs back to YAML text: a file with values put at paths of it, under a name of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from attnsim.specs.load import read_node
from attnsim.specs.overrides import apply_overrides, parse_override
from attnsim.specs.yaml_nodes import plain

LINE = 118


def overridden_text(path: Path, overrides: Sequence[str], name: str) -> str:
    """The YAML of a spec file after overrides (`path=value`), called `name`; comments are lost.

    Raises SpecError for what cannot be read, and for paths that lead nowhere.
    """
    root = apply_overrides(read_node(path), [parse_override(text) for text in overrides])
    document = plain(root)
    assert isinstance(document, dict)
    return yaml.safe_dump({**document, "name": name}, sort_keys=False, allow_unicode=True, width=LINE)
