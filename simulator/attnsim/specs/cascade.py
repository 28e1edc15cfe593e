"""Cascade files: what `workloads/cascades/<name>.yaml` may say, and YAML -> Cascade."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, WithJsonSchema

from attnsim.einsum.ast import Cascade
from attnsim.einsum.build import parse_cascade
from attnsim.einsum.source import CascadeSource, OperatorSource
from attnsim.specs.library import find, shown_path
from attnsim.specs.load import remembered, validate_node
from attnsim.specs.overrides import Override, apply_overrides
from attnsim.specs.spec import FileSpec, Fraction, Source, Spec, Text
from attnsim.specs.yaml_nodes import Node, parse_yaml, read_text

Number = Annotated[
    float, Field(allow_inf_nan=True), WithJsonSchema({"anyOf": [{"type": "number"}, {"enum": ["inf", "-inf"]}]})
]
Names = str | list[str]

_OUTER_COMMA = re.compile(r",(?![^\[]*\])")


class OperatorFile(Spec):
    """A user-defined operator: its value in x, y, z; with an identity it can reduce."""

    expression: Text = Field(examples=["x + log(1 + exp(y - x))"], description="the value for operands x, y, z")
    identity: Number | None = None
    flops: NonNegativeInt | None = None
    merge: Literal["intersection", "union"] | None = None


class CascadeFile(FileSpec):
    """A cascade of Einsums. The language is taught in docs/cascades.md.

    ranks: letter -> what it ranges over. batch: ranks that every tensor has and the text leaves out. same: rank -> rank
    with the same coordinates. split: rank -> its parts, outer to inner. inputs: tensors with their rank variables.
    constants: named numbers; one without value is bound with the extents. sparse: input -> density. iterate, start,
    stop: iterative ranks, initial values, stop conditions. computes: the formula that the values are checked against.
    """

    name: Text
    title: str = ""
    source: Source = Field(examples=["paper, year, section"], description="where the algorithm comes from")
    computes: str = ""
    ranks: dict[str, str] = Field(min_length=1)
    batch: Names = Field(default_factory=list)
    same: dict[str, str] = Field(default_factory=dict)
    split: dict[str, list[str]] = Field(default_factory=dict)
    inputs: Names = Field(default_factory=list, examples=["Q[e,p], K[e,m], V[f,m]"])
    constants: dict[str, float | None] = Field(default_factory=dict)
    operators: dict[str, OperatorFile] = Field(default_factory=dict)
    sparse: dict[str, Fraction] = Field(default_factory=dict)
    iterate: Names = Field(default_factory=list)
    start: dict[str, Number] = Field(default_factory=dict)
    stop: Names = Field(default_factory=list)
    einsums: Text = Field(examples=["Z[m,n] = A[k,m] * B[k,n]"], description="one Einsum a line")
    outputs: Names = Field(examples=["[Z]"], description="tensors that the cascade is for")


def load_cascade(name: str, overrides: Sequence[Override] = ()) -> Cascade:
    """Read a cascade by name or path, after `overrides`.

    Raises UnknownNameError for a name that does not exist, SpecError for a file that is not a cascade file,
    CascadeError for a cascade that does not parse or makes no sense.
    """
    path = find("cascade", name)

    def read() -> Cascade:
        text = read_text(path)
        return _cascade(apply_overrides(parse_yaml(text, shown_path(path)), overrides), text)

    return remembered("cascade", path, overrides, read)


def read_cascade(text: str, file: str = "") -> Cascade:
    """Understand the text of a cascade file; `file` names it in messages. Raises as `load_cascade` does."""
    return _cascade(parse_yaml(text, file), text)


def cascade_path(name: str) -> Path:
    """Path of a cascade file by name; UnknownNameError if there is none."""
    return find("cascade", name)


def _cascade(root: Node, text: str) -> Cascade:
    spec = validate_node(root, CascadeFile)
    assert isinstance(root.value, dict)
    first = root.value["einsums"].text_line
    lines = text.splitlines()
    written = lines[first - 1] if 0 < first <= len(lines) else ""
    return parse_cascade(
        CascadeSource(
            name=spec.name,
            title=spec.title,
            source=spec.source,
            computes=spec.computes,
            ranks=tuple(spec.ranks.items()),
            batch=_names(spec.batch),
            same=tuple(spec.same.items()),
            split=tuple((rank, tuple(parts)) for rank, parts in spec.split.items()),
            inputs=_names(spec.inputs),
            outputs=_names(spec.outputs),
            constants=tuple(spec.constants.items()),
            operators=tuple(
                OperatorSource(name=name, expression=o.expression, identity=o.identity, flops=o.flops, merge=o.merge)
                for name, o in spec.operators.items()
            ),
            sparse=tuple(spec.sparse.items()),
            iterate=_names(spec.iterate),
            start=tuple(spec.start.items()),
            stop=_names(spec.stop),
            einsums=_text(root.value["einsums"]),
            file=root.file,
            places=_places(root),
            einsums_line=first,
            indent=len(written) - len(written.lstrip()),
        )
    )


def _text(node: Node) -> str:
    return node.value if isinstance(node.value, str) else ""


def _names(value: Names) -> tuple[str, ...]:
    """Entries of a list or of a text with commas; commas inside brackets do not part."""
    entries = _OUTER_COMMA.split(value) if isinstance(value, str) else value
    return tuple(entry.strip() for entry in entries if entry.strip())


def _places(node: Node, prefix: str = "") -> dict[str, int]:
    """Line by dotted key for every key of a tree of mappings."""
    if not isinstance(node.value, dict):
        return {}
    found: dict[str, int] = {}
    for key, child in node.value.items():
        found[f"{prefix}{key}"] = child.line
        found.update(_places(child, f"{prefix}{key}."))
    return found
