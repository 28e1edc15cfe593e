"""Specs that differ from one another in single values, put together without reading their file again.

A spec, and the same spec after one override each -> the spec after all of them. Values of a file are checked one by
one, so a value that was right alone is right beside others; contradictions between values have to be looked for anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

from attnsim.specs.spec import FileSpec, Spec

T = TypeVar("T", bound=FileSpec)
Change = tuple[tuple[str, ...], FileSpec]
"""The path of an override inside the file, and the spec after it alone."""


def merged(base: T, changes: Sequence[Change]) -> T | None:
    """The spec with the value at each path taken from the spec beside it; None where a path leads through new blocks.

    Later changes win. The result remembers the places of `base`, not those of the overrides.
    """
    found: Any = base
    try:
        for path, changed in changes:
            found = _put(found, changed, path)
    except LookupError:
        return None
    assert isinstance(found, type(base))
    return found


def _put(node: Any, changed: Any, path: tuple[str, ...]) -> Any:
    if not path:
        return changed
    step, rest = path[0], path[1:]
    if type(node) is not type(changed):
        raise LookupError(step)
    if isinstance(node, Spec):
        name = _field_names(type(node))[step]
        return node.model_copy(update={name: _put(getattr(node, name), getattr(changed, name), rest)})
    if isinstance(node, dict):
        return {**node, step: _put(node[step] if rest else None, changed[step], rest)}
    if isinstance(node, list):
        place = int(step)
        return [*node[:place], _put(node[place], changed[place], rest), *node[place + 1 :]]
    raise LookupError(step)


@cache
def _field_names(kind: type[Spec]) -> dict[str, str]:
    """Field of each key as it is written in files."""
    return {field.alias or name: name for name, field in kind.model_fields.items()}
