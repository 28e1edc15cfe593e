"""Searches with Optuna: designs are proposed in batches, judged like those of a grid, and written down as they come."""

from __future__ import annotations

from concurrent.futures import Executor
from pathlib import Path

from attnsim.explore.sweep import BATCH, Progress, Watch, unwatched
from attnsim.specs.study import Study, Value


def search(
    study: Study,
    folder: Path,
    *,
    executor: Executor | None = None,
    workers: int = 1,
    storage: str | None = None,
    resume: bool = False,
    batch: int = BATCH,
    watch: Watch = unwatched,
) -> Progress:
    """Search for the front of a study within its budget."""
    raise NotImplementedError


def value_of(study: Study, path: str, text: str) -> Value:
    """A value of a path from its text in a results folder."""
    raise NotImplementedError
