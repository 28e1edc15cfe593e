"""Spec files to typed specs: text -> nodes -> pydantic model, every problem with its line, all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from attnsim.errors import SpecError
from attnsim.specs.explain import explain
from attnsim.specs.library import shown_path
from attnsim.specs.overrides import Override, apply_overrides
from attnsim.specs.spec import FileSpec, Origin
from attnsim.specs.yaml_nodes import Node, parse_yaml, plain, read_text

T = TypeVar("T", bound=FileSpec)


def load_spec(path: Path, model: type[T], overrides: Sequence[Override] = ()) -> T:
    """Read a YAML file as a spec, after `overrides`; raises SpecError with all problems of the file."""
    return validate_node(apply_overrides(read_node(path), overrides), model)


def load_text(text: str, model: type[T], file: str = "") -> T:
    """Read YAML text as a spec; `file` names it in messages."""
    return validate_node(parse_yaml(text, file), model)


def read_node(path: Path) -> Node:
    """Tree of a YAML file, not yet checked against any schema."""
    return parse_yaml(read_text(path), shown_path(path))


def validate_node(root: Node, model: type[T]) -> T:
    """Check a tree against a spec class; the result remembers the tree for later problems."""
    try:
        spec = model.model_validate(plain(root))
    except ValidationError as error:
        raise SpecError(*explain(error, root, model)) from None
    spec._origin = Origin(file=root.file, root=root)
    return spec
