"""Damaged spec files: whatever is done to a shipped YAML, it loads or raises AttnSimError with a place and a reason."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnsim.errors import AttnSimError, Problem
from attnsim.specs.cascade import read_cascade
from attnsim.specs.library import Kind, shipped_files
from attnsim.specs.load import load_text
from attnsim.specs.loop_nest import LoopNest, loop_nest_problems
from attnsim.specs.model import Model
from attnsim.specs.overrides import apply_overrides, parse_override
from attnsim.specs.spatial_array import SpatialArray, spatial_array_problems
from attnsim.specs.yaml_nodes import Node, Plain, parse_value, parse_yaml, plain
from attnsim.units import UnitError, parse_quantity

LOADERS: dict[Kind, Callable[[str], object]] = {
    "hardware": lambda text: load_text(text, SpatialArray, "f.yaml", spatial_array_problems),
    "mapping": lambda text: load_text(text, LoopNest, "f.yaml", loop_nest_problems),
    "model": lambda text: load_text(text, Model, "f.yaml"),
    "cascade": lambda text: read_cascade(text, "f.yaml"),
}
TEXTS = [(kind, path.read_text(encoding="utf-8")) for kind in LOADERS for path in shipped_files(kind).values()]
VALUES = ["", "0", "-1", "1e9", "null", ".inf", "[]", "{}", "3 parsecs", "5 MHz"]
FRAGMENTS = [*VALUES, ": ", "- ", "\n", "\t", "&a", "*a", "!!int", "'"]
PLANTED = st.sampled_from(FRAGMENTS) | st.text(max_size=8) | st.floats().map(str) | st.integers().map(str)


def loads_or_explains(kind: Kind, text: str) -> None:
    """The one promise: AttnSimError with words for each problem, or a spec."""
    problems = problems_of(lambda: LOADERS[kind](text))
    assert problems is None or problems
    assert all(problem.what and problem.file == "f.yaml" for problem in problems or ())
    # A cascade's caret may say enough.
    assert all(problem.remedy or problem.snippet for problem in problems or ())


def problems_of(read: Callable[[], object]) -> tuple[Problem, ...] | None:
    """Problems that reading reports; None if it reports none and succeeds."""
    try:
        read()
    except AttnSimError as error:
        return error.problems
    return None


def splice(text: str, begin: int, length: int, planted: str) -> str:
    begin %= len(text)
    return text[:begin] + planted + text[begin + length :]


@settings(max_examples=400)
@given(st.sampled_from(TEXTS), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 12), PLANTED), max_size=4))
def test_a_file_with_characters_replaced_loads_or_is_explained(
    original: tuple[Kind, str], cuts: list[tuple[int, int, str]]
) -> None:
    kind, text = original
    for begin, length, planted in cuts:
        text = splice(text or " ", begin, length, planted)
    loads_or_explains(kind, text)


@settings(max_examples=300)
@given(st.sampled_from(TEXTS), st.data())
def test_a_file_with_a_value_replaced_loads_or_is_explained(original: tuple[Kind, str], data: st.DataObject) -> None:
    kind, text = original
    tree = parse_yaml(text)
    path = data.draw(st.sampled_from(all_paths(tree, ())))
    value = data.draw(st.sampled_from(VALUES) | st.recursive(PLANTED, lambda inner: st.lists(inner, max_size=2)))
    try:
        override = parse_override(f"{'.'.join(path)}={value}")
        damaged = apply_overrides(tree, [override])
    except AttnSimError:
        return
    loads_or_explains(kind, as_flow_yaml(plain(damaged)))


@settings(max_examples=150)
@given(st.binary(max_size=40) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace")))
def test_any_text_is_read_as_nodes_or_explained(content: bytes) -> None:
    problems = problems_of(lambda: parse_value(content.decode("latin-1"), "f.yaml"))
    assert all(problem.what and problem.file == "f.yaml" for problem in problems or ())


TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(st.characters(codec="ascii"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcxyz", min_size=1), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150)
@given(st.dictionaries(st.text("abcxyz", min_size=1), TREES, min_size=1, max_size=3))
def test_what_is_written_as_yaml_is_read_back(tree: dict[str, Plain]) -> None:
    assert plain(parse_yaml(as_flow_yaml(tree))) == tree


@settings(max_examples=150)
@given(st.text("0123456789.eE+- */^mskgJHzbBGiKPa²µ1", max_size=12))
def test_any_quantity_is_read_or_refused(text: str) -> None:
    with suppress(UnitError):
        assert abs(parse_quantity(text).value) < float("inf")


@pytest.mark.parametrize(("kind", "text"), TEXTS)
def test_a_file_cut_short_anywhere_loads_or_is_explained(kind: Kind, text: str) -> None:
    for end in range(0, len(text), max(1, len(text) // 25)):
        loads_or_explains(kind, text[:end])


def all_paths(node: Node, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Every path of a tree, the root's left out."""
    children: list[tuple[str, Node]] = []
    if isinstance(node.value, dict):
        children = list(node.value.items())
    elif isinstance(node.value, tuple):
        children = [(str(i), child) for i, child in enumerate(node.value)]
    return [found for key, child in children for found in [(*path, key), *all_paths(child, (*path, key))]]


def as_flow_yaml(tree: Plain) -> str:
    """A tree as YAML in which all text is quoted."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{as_flow_yaml(key)}: {as_flow_yaml(value)}" for key, value in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(as_flow_yaml, tree)) + "]"
    if isinstance(tree, str):
        return '"' + "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in tree) + '"'
    return {None: "null", True: "true", False: "false"}[tree] if tree is None or isinstance(tree, bool) else str(tree)
