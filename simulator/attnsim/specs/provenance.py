"""Where every number of a hardware comes from: the nearest `source` around it.

A file names a source for all its numbers; a block may name its own for those inside it. From the tree of a file to one
row a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from attnsim.specs.spec import FileSpec
from attnsim.specs.yaml_nodes import Node
from attnsim.units import NUMBER, UnitError, parse_quantity

_TEXT_KEYS = ("name", "title", "notes", "source", "family")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcedNumber:
    """A number as the file writes it, its dotted path and its source, empty if nothing around it names one."""

    path: str
    value: str
    source: str
    line: int


def sourced_numbers(spec: FileSpec) -> tuple[SourcedNumber, ...]:
    """Every number of a spec that was read from a file, in the order of the file."""
    root = spec._origin.root
    return tuple(_numbers(root, (), "")) if root else ()


def _numbers(node: Node, path: tuple[str, ...], source: str) -> Iterator[SourcedNumber]:
    source = _own_source(node) or source
    for key, child in _children(node):
        yield from _numbers(child, (*path, key), source)
    if _is_number(node.value):
        yield SourcedNumber(path=".".join(path), value=str(node.value), source=source, line=node.line)


def _children(node: Node) -> list[tuple[str, Node]]:
    """What a node holds, without the keys that hold words."""
    if isinstance(node.value, dict):
        return [(key, child) for key, child in node.value.items() if key not in _TEXT_KEYS]
    return [(str(i), child) for i, child in enumerate(node.value)] if isinstance(node.value, tuple) else []


def _own_source(node: Node) -> str:
    own = node.value.get("source") if isinstance(node.value, dict) else None
    return own.value.strip() if own is not None and isinstance(own.value, str) else ""


def _is_number(value: object) -> bool:
    if isinstance(value, str):
        try:
            return parse_quantity(value).dimension != NUMBER
        except UnitError:
            return False
    return isinstance(value, int | float) and not isinstance(value, bool)
