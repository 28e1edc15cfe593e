"""Validation errors of pydantic in the words of a spec: what is wrong, at which line and path, and what to do.

From a ValidationError, the tree that was validated and the spec class to a list of problems, in the order of the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from attnsim.errors import Problem
from attnsim.specs.library import suggest
from attnsim.specs.quantity import Measured
from attnsim.specs.yaml_nodes import Node, child_of

_EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping of `key: value`",
    "model_type": "a mapping of `key: value`",
    "model_attributes_type": "a mapping of `key: value`",
    "none_required": "nothing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Complaint:
    """One error of pydantic with the part of the tree that it is about."""

    kind: str
    node: Node
    path: tuple[str, ...]
    context: dict[str, Any]
    message: str
    key: str


def explain(error: ValidationError, root: Node, model: type[BaseModel]) -> list[Problem]:
    """Problems of a tree that is not a `model`; alternatives of one value (a number or a word) make one problem."""
    groups: dict[tuple[str, ...], list[_Complaint]] = {}
    for detail in error.errors(include_url=False, include_input=False):
        complaint = _complaint(detail, root)
        groups.setdefault((*complaint.path, complaint.key), []).append(complaint)
    problems = [_problem(group, model) for group in groups.values()]
    return sorted(problems, key=lambda problem: (problem.line, problem.column))


def known_keys(model: type[BaseModel], path: Sequence[str]) -> tuple[str, ...]:
    """Keys that a spec class knows at a path, as they are written in files; empty where any key may stand."""
    fields = _fields(model, path)
    return tuple(field.alias or name for name, field in fields.items())


def _complaint(detail: ErrorDetails, root: Node) -> _Complaint:
    """Follow an error's place through the tree; steps that the tree does not have are pydantic's own remarks."""
    node, path = root, []
    location = detail["loc"]
    for step in location:
        child = child_of(node, step)
        if child is not None:
            node = child
            path.append(str(step))
    key = str(location[-1]) if location and detail["type"] in ("missing", "extra_forbidden") else ""
    if detail["type"] == "extra_forbidden":
        path = path[:-1]
    return _Complaint(
        kind=detail["type"], node=node, path=tuple(path), context=detail.get("ctx", {}), message=detail["msg"], key=key
    )


def _problem(group: list[_Complaint], model: type[BaseModel]) -> Problem:
    first = group[0]
    what, remedy = _words(group, model)
    path = ".".join(first.path)
    node = first.node
    return Problem(what=what, remedy=remedy, file=node.file, line=node.line, column=node.column, path=path)


def _words(group: list[_Complaint], model: type[BaseModel]) -> tuple[str, str]:
    first = group[0]
    if first.kind == "extra_forbidden":
        return f"unknown key {first.key!r}", suggest(first.key, known_keys(model, first.path))
    if first.kind == "missing":
        return f"{first.key!r} is missing", _how_to_add(_fields(model, first.path).get(first.key), first.key)
    own = next((c for c in group if c.kind == "spec"), None)
    if own is not None:
        return str(own.context["what"]), str(own.context["remedy"])
    unexpected = [_EXPECTED[c.kind] for c in group if c.kind in _EXPECTED]
    limits = [c for c in group if c.kind not in _EXPECTED]
    if limits:
        return _limit(limits[0])
    wanted = " or ".join(dict.fromkeys(unexpected))
    return f"{_shown(first.node)} is not {wanted}", f"write {_intended(first.node.value) or wanted}"


def _intended(value: object) -> str:
    """What a value of the wrong kind was probably meant to be: `1e3` is 1000, and quotes make text of a number."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, str) and value.strip("+-").isdecimal():
        return f"{value} without quotes"
    return ""


def _limit(complaint: _Complaint) -> tuple[str, str]:
    """Words for a value of the right kind that is out of its limits."""
    context, shown = complaint.context, _shown(complaint.node)
    match complaint.kind:
        case "literal_error" | "enum":
            known = tuple(part.strip("'") for part in str(context["expected"]).replace(" or ", ", ").split(", "))
            return f"{shown} is not one of the choices", suggest(str(complaint.node.value), known)
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            limit = complaint.message.removeprefix("Input should be ")
            return f"{shown} is out of range", f"write a number {limit}"
        case "string_too_short":
            return "is empty", "write some text"
        case "string_pattern_mismatch":
            return f"{shown} has a form that cannot be read", f"it must match {context['pattern']}"
        case "too_short":
            return "has too few entries", f"write at least {context['min_length']}"
        case "too_long":
            return "has too many entries", f"write at most {context['max_length']}"
        case "finite_number":
            return f"{shown} is not finite", "write an ordinary number"
        case _:
            return f"{shown} is not valid", complaint.message[:1].lower() + complaint.message[1:]


def _how_to_add(field: FieldInfo | None, key: str) -> str:
    if field is None:
        return f"add `{key}: ...`"
    measured = next((m.example for m in field.metadata if isinstance(m, Measured)), None)
    example = measured or next(iter(field.examples or ()), "...")
    meaning = f", {field.description}" if field.description else ""
    return f"add `{key}: {example}`{meaning}"


def _fields(model: type[BaseModel], path: Sequence[str]) -> dict[str, FieldInfo]:
    """Fields of the block at a path, by the key used in files."""
    kinds: list[Any] = [model]
    for step in path:
        kinds = [inner for kind in kinds for inner in _inner(kind, step)]
    blocks = [kind for kind in kinds if _is_model(kind)]
    return {field.alias or name: field for block in blocks for name, field in block.model_fields.items()}


def _inner(kind: Any, step: str) -> list[Any]:
    """Types that a value may have one step below a type."""
    if _is_model(kind):
        fields = {field.alias or name: field for name, field in kind.model_fields.items()}
        return _alternatives(fields[step].annotation) if step in fields else []
    arguments = get_args(kind)
    return _alternatives(arguments[-1] if get_origin(kind) is dict else arguments[0]) if arguments else []


def _alternatives(kind: Any) -> list[Any]:
    """The members of a union, the thing itself otherwise; annotations are taken off."""
    if hasattr(kind, "__metadata__"):
        return _alternatives(get_args(kind)[0])
    if get_origin(kind) is not None and get_origin(kind) not in (list, tuple, dict):
        return [inner for member in get_args(kind) for inner in _alternatives(member)]
    return [kind]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _shown(node: Node) -> str:
    if isinstance(node.value, dict):
        return "a mapping"
    if isinstance(node.value, tuple):
        return "a list"
    if isinstance(node.value, str):
        return repr(node.value if len(node.value) <= 40 else f"{node.value[:40]}...")
    if node.value is None:
        return "nothing"
    return str(node.value).lower() if isinstance(node.value, bool) else str(node.value)
