"""Finding spec files by kind and name: `find("hardware", "fusemax")` -> the path of its YAML.

Shipped files lie in `attnsim/_data` of an installed package, else in the checkout above this file; never in the current
folder. A name with a slash or ending in `.yaml` is a path of the user's own.
"""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from attnsim.errors import Problem, UnknownNameError

Kind = Literal["hardware", "link", "system", "cascade", "model", "mapping", "trace", "study", "validation"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_PATTERNS: dict[Kind, str] = {
    "hardware": "hwspecs/*_*/*.yaml",
    "link": "hwspecs/links/*.yaml",
    "system": "hwspecs/offload/*.yaml",
    "cascade": "workloads/cascades/*.yaml",
    "model": "workloads/models/*.yaml",
    "mapping": "workloads/mappings/*/*.yaml",
    "trace": "workloads/traces/*.yaml",
    "study": "workloads/studies/*.yaml",
    "validation": "validation/*/claims.yaml",
}

"""Folders of devices have the name of their family, which is two words."""

_SHORT_LIST = 12
_LONG_LIST = 30


@cache
def data_root() -> Path:
    """Folder that holds `hwspecs`, `workloads` and `validation`."""
    package = Path(__file__).resolve().parent.parent
    shipped = package / "_data"
    return shipped if shipped.is_dir() else package.parent.parent


def find(kind: Kind, name: str) -> Path:
    """Path of a spec by its name, or of the user's own file if `name` is a path.

    Raises UnknownNameError with the nearest known names.
    """
    if is_path(name):
        return _own_file(kind, Path(name))
    files = shipped_files(kind)
    if name not in files:
        raise UnknownNameError(unknown_name(kind, name, tuple(files)))
    return files[name]


def names(kind: Kind) -> tuple[str, ...]:
    """Names of all shipped specs of a kind, in alphabetical order."""
    return tuple(shipped_files(kind))


def shipped_files(kind: Kind) -> dict[str, Path]:
    """Shipped specs of a kind by name, in alphabetical order."""
    return dict(_listed(data_root(), kind))


@cache
def _listed(root: Path, kind: Kind) -> tuple[tuple[str, Path], ...]:
    paths = root.glob(_PATTERNS[kind])
    return tuple(sorted((path.parent.name if kind == "validation" else path.stem, path) for path in paths))


def shown_path(path: Path) -> str:
    """A path as messages show it: shipped files from the data root on, the user's own as they were given."""
    if path.is_absolute() and path.is_relative_to(data_root()):
        return path.relative_to(data_root()).as_posix()
    return str(path)


def is_path(name: str) -> bool:
    """Whether a name is meant as a path: it has a slash or a YAML ending."""
    return "/" in name or "\\" in name or name.endswith((".yaml", ".yml"))


def unknown_name(kind: str, name: str, known: tuple[str, ...]) -> Problem:
    """The problem that `name` is not among `known`, with the nearest names or all of them."""
    return Problem(what=f"there is no {kind} {_quoted(name)}", remedy=suggest(name, known))


def suggest(name: str, known: tuple[str, ...]) -> str:
    """What to write instead of an unknown name: the nearest known one; all of them if they are few or none is near."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6) or [k for k in known if k.lower() == name.lower()]
    if close and len(known) > _SHORT_LIST:
        return f"did you mean {close[0]}?"
    nearest = f"did you mean {close[0]}? " if close else ""
    listed = f"known: {', '.join(known[:_LONG_LIST])}{' ...' if len(known) > _LONG_LIST else ''}"
    return nearest + listed if known else "none are known"


def _own_file(kind: Kind, path: Path) -> Path:
    if path.is_file() or path.is_fifo():
        return path
    what = f"there is no file {_quoted(str(path))}" if not path.is_dir() else f"{path} is a folder, not a {kind} file"
    near = sorted(p.name for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, near, n=1)
    remedy = (
        f"did you mean {path.parent / close[0]}?" if close else f"give the path of a YAML file, or the name of a {kind}"
    )
    raise UnknownNameError(Problem(what=what, remedy=remedy))


def _quoted(name: str) -> str:
    return repr(name if len(name) <= 80 else f"{name[:80]}...")
