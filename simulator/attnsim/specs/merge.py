"""Specs that differ from one another in single values, put together without reading their file again.

A spec, and the same spec after one override each -> the spec after all of them. Values of a file are checked one by
one, so a value that was right alone is right beside others; contradictions between values have to be looked for anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

from pydantic import ValidationError, create_model

from attnsim.errors import SpecError
from attnsim.specs.overrides import Override, apply_overrides
from attnsim.specs.spec import FileSpec, Spec
from attnsim.specs.yaml_nodes import Node, child_of, plain

T = TypeVar("T", bound=FileSpec)
Change = tuple[tuple[str, ...], FileSpec]
"""The path of an override inside the file, and the spec after it alone."""


def changed(base: T, override: Override) -> T | None:
    """The spec after an override, of which only the field with the value is read; None where that does not do.

    That is for values that are wrong, and for specs that were read from no file.
    """
    depth = _depth(base, override.path)
    node = _node_at(base._origin.root, override.path[:depth])
    rest = override.path[depth:]
    if depth == 0 or (node is None and rest):
        return None
    try:
        given = apply_overrides(node, [Override(path=rest, value=override.value, text="")]) if node and rest else None
        found: T = _with_field(base, override.path[:depth], given or override.value)
    except (SpecError, ValidationError, LookupError):
        return None
    return found


def _depth(node: Any, path: tuple[str, ...]) -> int:
    """Steps of a path to the field of the innermost block that it leads through; 0 if there is none."""
    depth = 0
    for place, step in enumerate(path):
        if isinstance(node, Spec) and step in _field_names(type(node)):
            depth = place + 1
            node = getattr(node, _field_names(type(node))[step])
        elif isinstance(node, dict) and step in node:
            node = node[step]
        elif isinstance(node, list) and step.isdecimal() and int(step) < len(node):
            node = node[int(step)]
        else:
            return 0 if isinstance(node, Spec) else depth
    return depth


def _node_at(node: Node | None, path: Sequence[str]) -> Node | None:
    for step in path:
        node = child_of(node, step) if node is not None else None
    return node


def _with_field(node: Any, path: tuple[str, ...], given: Node) -> Any:
    """A block with the field at the end of a path read from a node."""
    step, rest = path[0], path[1:]
    if isinstance(node, Spec):
        name = _field_names(type(node))[step]
        if not rest:
            return node.model_copy(update={name: getattr(_alone(type(node), name)(**{step: plain(given)}), name)})
        return node.model_copy(update={name: _with_field(getattr(node, name), rest, given)})
    if isinstance(node, dict):
        return {**node, step: _with_field(node[step], rest, given)}
    place = int(step)
    return [*node[:place], _with_field(node[place], rest, given), *node[place + 1 :]]


@cache
def _alone(kind: type[Spec], name: str) -> type[Spec]:
    """A block with one of the fields of another."""
    field = kind.model_fields[name]
    fields: dict[str, Any] = {name: (field.annotation, field)}
    return create_model(f"{kind.__name__}Of{name}", __base__=Spec, **fields)


def merged(base: T, changes: Sequence[Change]) -> T | None:
    """The spec with the value at each path taken from the spec beside it; None where a path leads through new blocks.

    Later changes win. The result remembers the places of `base`, not those of the overrides.
    """
    try:
        found = _put(base, [(changed, path) for path, changed in changes])
    except LookupError:
        return None
    assert isinstance(found, type(base))
    return found


_MISSING = object()


def _put(node: Any, changes: Sequence[tuple[Any, tuple[str, ...]]]) -> Any:
    """A node with the values of others, each at its path below it; every block is copied once."""
    below: dict[str, list[tuple[Any, tuple[str, ...]]]] = {}
    for changed, path in changes:
        if not path:
            node, below = changed, {}
            continue
        if type(node) is not type(changed):
            raise LookupError(path[0])
        below.setdefault(path[0], []).append((changed, path[1:]))
    if not below:
        return node
    if isinstance(node, Spec):
        names = _field_names(type(node))
        return node.model_copy(
            update={
                names[step]: _put(
                    getattr(node, names[step]), [(getattr(one, names[step]), rest) for one, rest in group]
                )
                for step, group in below.items()
            }
        )
    if isinstance(node, dict):
        new = {
            step: _put(node.get(step, _MISSING), [(one[step], rest) for one, rest in group])
            for step, group in below.items()
        }
        return {**node, **new}
    if isinstance(node, list):
        items = list(node)
        for step, group in below.items():
            items[int(step)] = _put(items[int(step)], [(one[int(step)], rest) for one, rest in group])
        return items
    raise LookupError(next(iter(below)))


@cache
def _field_names(kind: type[Spec]) -> dict[str, str]:
    """Field of each key as it is written in files."""
    return {field.alias or name: name for name, field in kind.model_fields.items()}
