"""Chosen designs as spec files: hardware and mapping YAML that `attnsim run` takes as they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from attnsim.explore.results import Row, design_of
from attnsim.explore.space import Space
from attnsim.specs.claims import RunRequest
from attnsim.specs.library import find
from attnsim.specs.study import Study
from attnsim.specs.yaml_text import overridden_text

Target = Literal["hardware", "mapping", "system"]
TARGETS: tuple[Target, ...] = ("hardware", "mapping", "system")


def write_design(study: Study, row: Row, folder: Path) -> tuple[list[Path], list[str]]:
    """(files, command lines) of a design: specs with its values in place, and a run for each workload."""
    design = design_of(study, row)
    runs = Space(study).runs(design)
    name = f"{study.name}-{row['design']}"
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[tuple[str, str], Path] = {}
    for run in runs:
        for target in TARGETS:
            _write(run, target, folder, name, written)
    return list(written.values()), [command_of(run, written) for run in runs]


def _write(run: RunRequest, target: Target, folder: Path, name: str, written: dict[tuple[str, str], Path]) -> None:
    """Write a spec of a run if the design changes anything in it."""
    own = _own(run, target)
    source = getattr(run, target)
    if source is None or not own or (target, source) in written:
        return
    path = folder / (f"{name}-{target}.yaml" if not written else f"{name}-{target}-{len(written)}.yaml")
    text = overridden_text(find(target, source), [f"{key}={value}" for key, value in own.items()], path.stem)
    path.write_text(text, encoding="utf-8", newline="\n")
    written[(target, source)] = path


def _own(run: RunRequest, target: str) -> dict[str, str | int | float]:
    """Values of a run that are meant for one kind of spec, by path inside of it."""
    prefix = f"{target}."
    return {path.removeprefix(prefix): value for path, value in run.set.items() if path.startswith(prefix)}


def command_of(run: RunRequest, written: Mapping[tuple[str, str], Path]) -> str:
    """The command line that simulates a run with the files; values that lie in none of them as `--set`."""
    words = ["attnsim", "run" if run.system is None else "iterate" if run.requests is None else "serve"]
    for name, value in run.model_dump(exclude_none=True).items():
        if name in ("set", "extents", "requests"):
            continue
        shown = written.get((name, str(value)), value)
        words += [f"--{name.replace('_', '-')}", str(shown)]
    for rank, size in run.extents.items():
        words += ["--extent", f"{rank}={size}"]
    if run.requests is not None:
        words += ["--trace", run.requests.trace]
        words += ["--seed", str(run.requests.seed)] if run.requests.seed else []
    left = {path: value for path, value in run.set.items() if not _in_file(run, path, written)}
    for path, value in left.items():
        words += ["--set", f"{path}={value}"]
    return " ".join(_quoted(word) for word in words)


def _in_file(run: RunRequest, path: str, written: Mapping[tuple[str, str], Path]) -> bool:
    head = path.partition(".")[0]
    return head in TARGETS and (head, getattr(run, head)) in written


def _quoted(word: str) -> str:
    return f"'{word}'" if any(sign in word for sign in " []{}$*") else word
