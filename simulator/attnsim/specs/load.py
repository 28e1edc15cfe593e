"""Spec files to typed specs: text -> nodes -> pydantic model, every problem with its line, all of them at once."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from attnsim.errors import Problem, SpecError
from attnsim.specs.explain import explain, known_keys
from attnsim.specs.library import shown_path
from attnsim.specs.overrides import Override, apply_overrides
from attnsim.specs.spec import FileSpec, Origin
from attnsim.specs.yaml_nodes import Node, parse_yaml, plain, read_text

T = TypeVar("T", bound=FileSpec)
Loaded = TypeVar("Loaded")

_SETTLED_S = 2.0
_MOST_REMEMBERED = 4096
_MEMORY: dict[tuple[object, ...], Any] = {}
_AT_REST: ContextVar[dict[Hashable, Any] | None] = ContextVar("files at rest", default=None)

Check = Callable[[T], Sequence[Problem]]
"""Looks for contradictions inside a spec whose single values are all right; see `attnsim.specs.spec.problem_at`."""


@contextmanager
def files_at_rest() -> Iterator[None]:
    """Inside, files are taken to stay as they are: each is looked at once, not at every use."""
    token = _AT_REST.set({})
    try:
        yield
    finally:
        _AT_REST.reset(token)


def kept_at_rest(key: Hashable, make: Callable[[], Loaded]) -> Loaded:
    """What `make` makes of files: once for each key while they are at rest, else each time."""
    resting = _AT_REST.get()
    if resting is None:
        return make()
    if key not in resting:
        resting[key] = make()
    found: Loaded = resting[key]
    return found


def load_spec(path: Path, model: type[T], overrides: Sequence[Override] = (), check: Check[T] | None = None) -> T:
    """Read a YAML file as a spec, after `overrides`; raises SpecError with all problems of the file."""

    def read() -> T:
        return validate_node(
            apply_overrides(remembered_node(path), overrides, known_keys(model, ())), model, check, path.parent
        )

    return remembered(model.__name__, path, overrides, read)


def load_text(text: str, model: type[T], file: str = "", check: Check[T] | None = None) -> T:
    """Read YAML text as a spec; `file` names it in messages."""
    return validate_node(parse_yaml(text, file), model, check)


def remembered(kind: str, path: Path, overrides: Sequence[Override], read: Callable[[], Loaded]) -> Loaded:
    """What `read` makes of a file, made once for as long as the file stays as it is; it must not change afterwards.

    kind: tells apart what is made of one file. A file that has just been written is read each time, because a second
    change may leave its time stamp as it is; so is what is no regular file.
    """
    if _AT_REST.get() is not None:
        return kept_at_rest(
            (kind, path, tuple(override.text for override in overrides)), lambda: _of_state(kind, path, overrides, read)
        )
    return _of_state(kind, path, overrides, read)


def _of_state(kind: str, path: Path, overrides: Sequence[Override], read: Callable[[], Loaded]) -> Loaded:
    """What `read` makes of a file in its present state."""
    try:
        state = path.stat()
    except OSError:
        return read()
    if not stat.S_ISREG(state.st_mode) or time.time() - state.st_mtime < _SETTLED_S:
        return read()
    texts = tuple(override.text for override in overrides)
    key = (kind, str(path), state.st_ino, state.st_mtime_ns, state.st_size, texts)
    if key not in _MEMORY:
        if len(_MEMORY) >= _MOST_REMEMBERED:
            _MEMORY.clear()
        _MEMORY[key] = read()
    found: Loaded = _MEMORY[key]
    return found


def forget() -> None:
    """Read every file anew from now on."""
    _MEMORY.clear()


def read_node(path: Path) -> Node:
    """Tree of a YAML file, not yet checked against any schema."""
    return parse_yaml(read_text(path), shown_path(path))


def remembered_node(path: Path) -> Node:
    """`read_node`, once for as long as the file stays as it is."""
    return remembered("node", path, (), lambda: read_node(path))


def validate_node(root: Node, model: type[T], check: Check[T] | None = None, folder: Path = Path()) -> T:
    """Check a tree against a spec class, then for contradictions; the result remembers the tree for later problems.

    `folder` is where files that the spec names are looked for.
    """
    try:
        spec = model.model_validate(plain(root))
    except ValidationError as error:
        raise SpecError(*explain(error, root, model)) from None
    spec._origin = Origin(file=root.file, folder=str(folder), root=root)
    problems = check(spec) if check else ()
    if problems:
        raise SpecError(*sorted(problems, key=lambda problem: problem.line))
    return spec
