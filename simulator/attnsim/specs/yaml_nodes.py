"""YAML text to a tree of nodes that know their lines, without the surprises of YAML 1.1.

A spec needs a small part of YAML: mappings, lists and scalars. Plain scalars are numbers, `true`, `false`, `null` or
text by the rule below, so `1e9` is a number and `on`, `12:30` and dates stay text. Duplicate keys, tags, anchors,
several documents, binary content and huge files are refused; all problems of the tree are reported together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from attnsim.errors import Problem, SpecError

LARGEST_FILE_BYTES = 5_000_000
DEEPEST_NESTING = 32

Scalar = str | int | float | bool | None
Plain = Scalar | list["Plain"] | dict[str, "Plain"]

_LOADER: type[yaml.CSafeLoader] | type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d{1,4})?|[-+]?\.?inf", re.ASCII)
_LEADING_ZERO = re.compile(r"[-+]?0+[0-9]+")
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A value of a YAML tree and its place: that of its key in a mapping, else its own.

    `text_line` is the line on which a scalar's own text begins, one below the `|` of a block of text.
    """

    value: Scalar | dict[str, Node] | tuple[Node, ...]
    file: str = field(default="", compare=False)
    line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)
    text_line: int = field(default=0, compare=False)


@dataclass(slots=True)
class _Reader:
    """Walks the parser's events once and collects what is wrong on the way."""

    file: str
    events: Iterator[yaml.Event]
    problems: list[Problem]

    def complain(self, event: yaml.Event, what: str, remedy: str) -> None:
        line, column = _place(event)
        self.problems.append(Problem(what=what, remedy=remedy, file=self.file, line=line, column=column))


def read_text(path: Path) -> str:
    """Text of a file in UTF-8; SpecError if it is missing, a folder, too large, binary or in another encoding."""
    shown = str(path)
    try:
        too_large = path.stat().st_size > LARGEST_FILE_BYTES
        content = b"" if too_large else _read_bounded(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SpecError(Problem(file=shown, what=f"cannot be read: {reason}", remedy="check the path")) from None
    if too_large or len(content) > LARGEST_FILE_BYTES:
        limit = f"specs are at most {LARGEST_FILE_BYTES // 1_000_000} MB"
        raise SpecError(Problem(file=shown, what="the file is too large to be a spec", remedy=limit))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        remedy = "a spec is YAML text in UTF-8"
        raise SpecError(Problem(file=shown, what="the file is not text", remedy=remedy))
    return text


def parse_yaml(text: str, file: str = "") -> Node:
    """Tree of a YAML text whose top level is a mapping; SpecError with every problem that was found in it."""
    root = parse_value(text, file)
    if root.value is None:
        raise SpecError(Problem(file=file, what="the file is empty", remedy="start from a shipped one: `attnsim show`"))
    if not isinstance(root.value, dict):
        raise SpecError(
            Problem(
                file=file, line=root.line, what="the top level is not a mapping", remedy="write lines of `key: value`"
            )
        )
    return root


def parse_value(text: str, file: str = "") -> Node:
    """Tree of a YAML text with any value at its top level; an empty text is null."""
    reader = _Reader(file=file, events=iter(()), problems=[])
    try:
        reader.events = iter(list(yaml.parse(text, Loader=_LOADER)))
        root = _read_stream(reader)
    except yaml.YAMLError as error:
        reader.problems.append(_syntax_problem(error, text, file))
        raise SpecError(*reader.problems) from None
    if reader.problems:
        raise SpecError(*reader.problems)
    return root


def plain(node: Node) -> Plain:
    """The tree as dicts, lists and scalars."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, tuple):
        return [plain(child) for child in node.value]
    return node.value


def locate(root: Node, path: Sequence[str | int]) -> Node:
    """The node at a path, or the innermost one on the way that exists; steps that match nothing are passed over."""
    node = root
    for step in path:
        child = child_of(node, step)
        node = child if child is not None else node
    return node


def child_of(node: Node, step: str | int) -> Node | None:
    """The child under a key or a list position (as a number or its digits), None if there is none."""
    if isinstance(node.value, dict):
        return node.value.get(str(step))
    if isinstance(node.value, tuple) and str(step).isdecimal() and int(step) < len(node.value):
        return node.value[int(step)]
    return None


def _read_bounded(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(LARGEST_FILE_BYTES + 1)


def _read_stream(reader: _Reader) -> Node:
    root: Node | None = None
    for event in reader.events:
        if not isinstance(event, yaml.DocumentStartEvent):
            continue
        if root is not None:
            reader.complain(event, "a second document starts here", "write one document per file, without `---`")
            break
        root = _read_node(reader, next(reader.events), 0)
    return root or Node(value=None, file=reader.file)


def _read_node(reader: _Reader, event: yaml.Event, depth: int, key: yaml.Event | None = None) -> Node:
    line, column = _place(key or event)
    text_line = _place(event)[0]
    value: Scalar | dict[str, Node] | tuple[Node, ...] = None
    if depth > DEEPEST_NESTING:
        reader.complain(event, f"nested more than {DEEPEST_NESTING} levels deep", "no spec needs as much")
        raise SpecError(*reader.problems)
    if isinstance(event, yaml.AliasEvent):
        reader.complain(event, f"refers to the anchor *{event.anchor}", "write the value out; aliases are not read")
    elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and (event.anchor or event.tag):
        mark = f"the anchor &{event.anchor}" if event.anchor else f"the tag {event.tag}"
        reader.complain(event, f"has {mark}", "leave it out; specs use plain values only")
    if isinstance(event, yaml.ScalarEvent):
        value = _scalar(reader, event)
        text_line += event.style in ("|", ">")
    elif isinstance(event, yaml.SequenceStartEvent):
        value = tuple(_read_items(reader, depth))
    elif isinstance(event, yaml.MappingStartEvent):
        value = _read_entries(reader, depth)
    return Node(value=value, file=reader.file, line=line, column=column, text_line=text_line)


def _read_items(reader: _Reader, depth: int) -> Iterator[Node]:
    while not isinstance(event := next(reader.events), yaml.SequenceEndEvent):
        yield _read_node(reader, event, depth + 1)


def _read_entries(reader: _Reader, depth: int) -> dict[str, Node]:
    entries: dict[str, Node] = {}
    while not isinstance(key := next(reader.events), yaml.MappingEndEvent):
        if not isinstance(key, yaml.ScalarEvent):
            reader.complain(key, "a key is not a plain word", "write `key: value`; quote text that begins with [ or {")
            _read_node(reader, key, depth + 1)
            _read_node(reader, next(reader.events), depth + 1)
            continue
        node = _read_node(reader, next(reader.events), depth + 1, key)
        if key.value in entries:
            first = entries[key.value].line
            reader.complain(key, f"the key {key.value!r} stands here twice, first in line {first}", "keep one of them")
        elif key.value == "<<":
            reader.complain(key, "merge keys are not read", "write the values out")
        else:
            entries[key.value] = node
    return entries


def _scalar(reader: _Reader, event: yaml.ScalarEvent) -> Scalar:
    text: str = event.value
    if event.style not in (None, ""):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text.replace(".inf", "inf"))
    if _LEADING_ZERO.fullmatch(text):
        remedy = f"write {text.lstrip('+-0') or '0'}, or quote it if it is a name"
        reader.complain(event, f"{text} begins with a zero, which some read as octal", remedy)
    return text


def _place(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


def _syntax_problem(error: yaml.YAMLError, text: str, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    cause = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be parsed"
    remedy = "check the indentation, colons, quotes and brackets around this place"
    if mark is None:
        return Problem(file=file, what=f"not YAML: {cause}", remedy="a spec is YAML text in UTF-8")
    lines = text.splitlines()
    shown = lines[mark.line][:160] if mark.line < len(lines) else ""
    snippet = f"    {shown}\n    {' ' * mark.column}^" if mark.column <= len(shown) and shown.isprintable() else ""
    what = f"not YAML: {cause}"
    return Problem(file=file, line=mark.line + 1, column=mark.column + 1, what=what, remedy=remedy, snippet=snippet)
