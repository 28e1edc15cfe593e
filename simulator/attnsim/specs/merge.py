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
