"""Overrides of single values, `arrays.array_2d.shape=[64, 64]`, applied to the tree of a file before it is checked.

Values are YAML, so `clock=1.2 GHz` and `tile.P1=4` read as they would in the file. A path names keys and list positions
with dots; its last step may be a key that the file leaves out, its first one a block that the kind of file knows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from attnsim.errors import Problem, SpecError
from attnsim.specs.library import suggest
from attnsim.specs.yaml_nodes import Node, child_of, parse_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A value to put at a path of a spec; `text` is what the user wrote."""

    path: tuple[str, ...]
    value: Node
    text: str


@lru_cache(maxsize=16_384)
def parse_override(text: str) -> Override:
    """Read `path=value`; raises SpecError when it has no path, no `=` or a value that is not YAML."""
    path, equals, value = text.partition("=")
    steps = tuple(step.strip() for step in path.split("."))
    if not equals or not all(steps):
        what = "is not an override"
        raise SpecError(Problem(file=f"--set {text}", what=what, remedy="write path=value, for example clock=1.2 GHz"))
    return Override(path=steps, value=_placeless(parse_value(value, f"--set {text}")), text=text)


def apply_overrides(root: Node, overrides: Sequence[Override], blocks: Collection[str] = ()) -> Node:
    """The tree with every override put in its place; raises SpecError for all paths that lead nowhere.

    blocks: keys at the top that may be left out of the file and then begin empty.
    """
    problems: list[Problem] = []
    for override in overrides:
        wrong = _wrong_step(root, override, blocks)
        if wrong is None:
            root = _replaced(root, override.path, override.value)
        else:
            problems.append(wrong)
    if problems:
        raise SpecError(*problems)
    return root


def _wrong_step(root: Node, override: Override, blocks: Collection[str]) -> Problem | None:
    """The first step of a path that is neither there nor a new key of a mapping at the end of the path."""
    node = root
    for position, step in enumerate(override.path):
        child = child_of(node, step)
        if child is None and position == 0 and step in blocks:
            return None
        last = position == len(override.path) - 1
        if child is None and not (last and isinstance(node.value, dict)):
            here = ".".join(override.path[:position]) or "the file"
            return Problem(file=f"--set {override.text}", what=f"{here} has no {step!r}", remedy=_remedy(node, step))
        node = child or node
    return None


def _remedy(node: Node, step: str) -> str:
    if isinstance(node.value, dict):
        return suggest(step, tuple(node.value))
    if isinstance(node.value, tuple) and node.value:
        return f"it is a list: write a position from 0 to {len(node.value) - 1}"
    return "it is a single value: end the path there"


def _replaced(node: Node, path: tuple[str, ...], value: Node) -> Node:
    if not path:
        return value
    step, rest = path[0], path[1:]
    child = child_of(node, step) or Node(value=None)
    if isinstance(node.value, tuple):
        position = int(step)
        items = (*node.value[:position], _replaced(child, rest, value), *node.value[position + 1 :])
        return dataclasses.replace(node, value=items)
    entries = node.value if isinstance(node.value, dict) else {}
    return dataclasses.replace(node, value={**entries, step: _replaced(child, rest, value)})


def _placeless(node: Node) -> Node:
    """A node without lines: those of an option on the command line would only mislead."""
    value = node.value
    if isinstance(value, dict):
        value = {key: _placeless(child) for key, child in value.items()}
    elif isinstance(value, tuple):
        value = tuple(_placeless(child) for child in value)
    return Node(value=value, file=node.file)
