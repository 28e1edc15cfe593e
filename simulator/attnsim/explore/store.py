"""The results of a study on disk: Parquet parts that are only ever added, and a manifest of what they are of.

A part is written beside its place, flushed and renamed, so that it is whole or not there: being killed at any moment
loses no more than the batch in flight. A lock keeps a second run away; a manifest of other specs is refused.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TextIO, TypedDict

from attnsim import __version__
from attnsim.errors import AttnSimError, Problem
from attnsim.explore.evaluate import Judged
from attnsim.explore.space import Design, text_of
from attnsim.specs.library import find
from attnsim.specs.study import Study

if TYPE_CHECKING:
    import polars as pl

MANIFEST, LOCK = "manifest.json", "lock"
NUMBER, REASON = "design", "infeasible"
_PART = re.compile(r"part-(\d{12})-(\d{9})\.parquet")
_KINDS = ("hardware", "mapping", "model", "cascade", "system")


class Manifest(TypedDict):
    """What results are of: the study with its spec as JSON, the version, and digests of the files that it names."""

    study: str
    attnsim: str
    spec: dict[str, object]
    files: dict[str, str]


class Store:
    """A results folder, open for one run; use it as a context. Raises AttnSimError: another study's folder, one whose
    specs have changed, one that exists without `resume`, one that another run holds."""

    def __init__(self, folder: Path, study: Study, *, resume: bool) -> None:
        self.folder, self.study = folder, study
        self._resume = resume
        self._lock: TextIO | None = None

    def __enter__(self) -> Store:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        try:
            self._check_manifest()
        except BaseException:
            self._release()
            raise
        for left in self.folder.glob(".part-*"):
            left.unlink(missing_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._release()

    def _take_lock(self) -> None:
        lock = (self.folder / LOCK).open("a+", encoding="utf-8")
        try:
            _lock_file(lock)
        except OSError:
            lock.close()
            what = "another run is writing to this folder"
            remedy = "wait for it, or name another folder"
            raise AttnSimError(Problem(file=str(self.folder), what=what, remedy=remedy)) from None
        self._lock = lock

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _check_manifest(self) -> None:
        path, mine = self.folder / MANIFEST, manifest_of(self.study)
        if not path.is_file():
            if any(_PART.fullmatch(one.name) for one in self.folder.iterdir()):
                what = "there are results, but no manifest that says of what"
                raise AttnSimError(Problem(file=str(self.folder), what=what, remedy="name another folder"))
            _write_text(path, json.dumps(mine, indent=2) + "\n")
            return
        found = read_manifest(self.folder)
        if found["study"] != mine["study"]:
            what = f"holds the results of study {found['study']}, not of {mine['study']}"
            raise AttnSimError(Problem(file=str(self.folder), what=what, remedy="name another folder"))
        changed = differences(found, mine)
        if changed:
            what = f"was made with something else: {', '.join(changed)}"
            raise AttnSimError(Problem(file=str(self.folder), what=what, remedy="name another folder, or restore it"))
        if not self._resume:
            what = "there are results of this study already"
            raise AttnSimError(Problem(file=str(self.folder), what=what, remedy="give --resume, or another --out"))
        if found != mine:
            _write_text(path, json.dumps(mine, indent=2) + "\n")

    def done(self) -> list[tuple[int, int]]:
        """(first number, how many) of the parts that are there, in order."""
        return sorted(span for path in self.folder.iterdir() if (span := span_of(path)) is not None)

    def add(self, first: int, count: int, rows: Sequence[tuple[int, Design, Judged]]) -> None:
        """Write the part of `count` numbers from `first`, of which `rows` are designs."""
        frame = self._frame(rows)
        name = f"part-{first:012d}-{count:09d}.parquet"
        partial = self.folder / f".{name}"
        try:
            _write_bytes(partial, _parquet(frame))
        except OSError as error:
            partial.unlink(missing_ok=True)
            what = f"cannot be written: {error.strerror}"
            remedy = "what was done before is kept; make room, and go on with --resume"
            raise AttnSimError(Problem(file=str(self.folder / name), what=what, remedy=remedy)) from None
        partial.replace(self.folder / name)

    def _frame(self, rows: Sequence[tuple[int, Design, Judged]]) -> pl.DataFrame:
        import polars as pl

        columns: dict[str, pl.Series] = {NUMBER: pl.Series([number for number, _, _ in rows], dtype=pl.Int64)}
        for path in self.study.vary:
            columns[path] = pl.Series([str(text_of(design[path])) for _, design, _ in rows], dtype=pl.String)
        for place, metric in enumerate(self.study.metrics):
            columns[metric_column(self.study, metric)] = pl.Series(
                [judged.values[place] for *_, judged in rows], dtype=pl.Float64
            )
        columns[REASON] = pl.Series([judged.infeasible for *_, judged in rows], dtype=pl.String)
        return pl.DataFrame(columns)


def metric_column(study: Study, metric: str) -> str:
    """Name of the column of a metric, which a varied path may have too."""
    return f"metric {metric}" if metric in study.vary or metric in (NUMBER, REASON) else metric


def span_of(path: Path) -> tuple[int, int] | None:
    """(first number, how many) of a part by its name; None for other files."""
    match = _PART.fullmatch(path.name)
    return (int(match[1]), int(match[2])) if match else None


def parts_of(folder: Path) -> list[Path]:
    """The parts of a results folder in order; AttnSimError if it is none."""
    read_manifest(folder)
    return sorted(path for path in folder.iterdir() if _PART.fullmatch(path.name))


def frames_of(folder: Path) -> Iterator[pl.DataFrame]:
    """The rows of a results folder, part by part, in order of their numbers."""
    import polars as pl

    for path in parts_of(folder):
        try:
            yield pl.read_parquet(path)
        except (OSError, pl.exceptions.PolarsError) as error:
            what = f"cannot be read: {str(error).splitlines()[0]}"
            remedy = "delete it, and go on with --resume"
            raise AttnSimError(Problem(file=str(path), what=what, remedy=remedy)) from None


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a results folder; AttnSimError if there is none that can be read."""
    path = folder / MANIFEST
    try:
        document: Manifest = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        what, remedy = "is no results folder of a study", "name the folder that `attnsim explore` wrote"
        raise AttnSimError(Problem(file=str(folder), what=what, remedy=remedy)) from None
    except ValueError:
        document = Manifest(study="", attnsim="", spec={}, files={})
    if not isinstance(document, dict) or not document.get("study"):
        what, remedy = "its manifest cannot be read", "run the study again into another folder"
        raise AttnSimError(Problem(file=str(path), what=what, remedy=remedy))
    return document


def manifest_of(study: Study) -> Manifest:
    """What the results of a study depend on: the study, the files that it names, and the version."""
    return {
        "study": study.name,
        "attnsim": __version__,
        "spec": study.model_dump(mode="json", by_alias=True, exclude_unset=True),
        "files": dict(sorted(_files(study).items())),
    }


def _files(study: Study) -> dict[str, str]:
    """SHA-256 (16 digits) of every spec file that the study names, by kind and name."""
    found: dict[str, str] = {}
    for kind in _KINDS:
        names = {getattr(run, kind) for run in (study.base, *study.workloads)}
        varied = study.vary.get(kind)
        names |= set(varied) if isinstance(varied, list) else set()
        for name in sorted(str(name) for name in names if name is not None):
            digest = hashlib.sha256(find(kind, name).read_bytes()).hexdigest()[:16]  # type: ignore[arg-type]
            found[f"{kind} {name}"] = digest
    return found


def differences(old: Manifest, new: Manifest) -> list[str]:
    """What differs between two manifests, in words; a search may go on with another budget."""
    told = [f"version {old['attnsim']}, now {new['attnsim']}"] if old["attnsim"] != new["attnsim"] else []
    keys = [key for key in dict.fromkeys((*old["spec"], *new["spec"])) if key != "budget"]
    told += [f"study.{key}" for key in keys if old["spec"].get(key) != new["spec"].get(key)]
    names = sorted(set(old["files"]) | set(new["files"]))
    return told + [name for name in names if old["files"].get(name) != new["files"].get(name)]


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}")
    _write_bytes(partial, text.encode())
    partial.replace(path)


def _write_bytes(path: Path, data: bytes) -> None:
    """Write a file, and wait until the disk has it."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _parquet(frame: pl.DataFrame) -> bytes:
    """A frame as Parquet, in memory: what fails afterwards is the disk."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _lock_file(file: TextIO) -> None:
    """Take an exclusive lock for as long as the file is open; OSError if another process has it."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        return
    fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
