"""The common form of every spec: frozen, without unknown keys, without silent conversions, and aware of its place.

A `Spec` is a block of a file; a `FileSpec` is a whole file and remembers the text it came from, so that a problem found
much later (a tile that does not divide an extent) can still name the line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, StringConstraints
from pydantic_core import PydanticCustomError

from attnsim.errors import Problem
from attnsim.specs.yaml_nodes import Node, locate

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""Text that is not empty."""

Source = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""Where numbers come from: paper and section, data sheet, or measurement."""

Fraction = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
"""A number from 0 to 1."""


class Spec(BaseModel):
    """A block of a spec file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The file that a spec was read from. It never decides whether two specs are equal."""

    file: str = field(default="", compare=False)
    folder: str = field(default="", compare=False)
    root: Node | None = field(default=None, compare=False, repr=False)


class FileSpec(Spec):
    """A whole spec file; use `problem_at` to report something wrong in it."""

    _origin: Origin = PrivateAttr(default_factory=Origin)


def problem_at(spec: FileSpec, path: str, what: str, remedy: str = "") -> Problem:
    """A problem at a dotted path of a spec (`phases.0.tile.M0`), with the line of its file if it was read from one.

    A path that the file does not contain is placed at the innermost block that it does contain.
    """
    origin = spec._origin
    node = locate(origin.root, path.split(".")) if origin.root else None
    if node is None:
        return Problem(what=what, remedy=remedy, file=origin.file, path=path)
    return Problem(what=what, remedy=remedy, file=node.file, line=node.line, column=node.column, path=path)


def invalid(what: str, remedy: str = "") -> PydanticCustomError:
    """The error that a validator of a spec raises: what is wrong with the value and what to write instead."""
    return PydanticCustomError("spec", "{what}; {remedy}", {"what": what, "remedy": remedy})
