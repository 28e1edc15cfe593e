"""Running a study: checked on one design first, then swept or searched, on the executor that was asked for."""

from __future__ import annotations

import time
from itertools import product
from pathlib import Path

from attnsim.errors import AttnSimError, Problem, UnknownNameError
from attnsim.explore.evaluate import judge
from attnsim.explore.executors import opened
from attnsim.explore.space import Design, Space, require_whole
from attnsim.explore.sweep import BATCH, Progress, Watch, size_of, sweep, unwatched
from attnsim.pipeline import make_plan
from attnsim.runs import document_of, is_null, number_at, request_of, system_request
from attnsim.serving.machine import read_system
from attnsim.specs.claims import RunRequest
from attnsim.specs.study import GRID, Range, Study, Value

TRIED, TIMED = 8, 64
"""Designs that are tried, spread over the grid, and those in a row that an estimate is made from."""


def run_study(
    study: Study,
    folder: Path,
    *,
    processes: int = 1,
    scheduler: str | None = None,
    storage: str | None = None,
    resume: bool = False,
    batch: int = BATCH,
    watch: Watch = unwatched,
) -> Progress:
    """Run a study to its end; raises AttnSimError for anything wrong in the input. An interrupt keeps what is done."""
    if study.sampler == GRID and storage is not None:
        what = "a grid needs no database"
        raise AttnSimError(Problem(path="--storage", what=what, remedy="leave it out, or set a sampler"))
    with opened(study, folder, processes=processes, scheduler=scheduler) as (executor, workers):
        check(study)
        if study.sampler == GRID:
            return sweep(study, folder, executor=executor, workers=workers, resume=resume, batch=batch, watch=watch)
        from attnsim.explore.search import search

        return search(
            study, folder, executor=executor, workers=workers, storage=storage, resume=resume, batch=batch, watch=watch
        )


def check(study: Study) -> None:
    """Raise AttnSimError for paths that lead nowhere and metrics that a run does not have.

    The first design that can be simulated tells; what does not fit is a design's own matter.
    """
    space = Space(study)
    require_whole(space)
    for place, design in enumerate(_spread(space)):
        if place == 0:
            _require_paths(space, design)
        if _has_metrics(space, design):
            return


def _spread(space: Space) -> list[Design]:
    """Some designs from the first to the last."""
    choices = [_some_values(space, path, values) for path, values in zip(space.paths, space.choices, strict=True)]
    found: list[Design] = []
    for place in range(TRIED):
        share = place / (TRIED - 1)
        found.append({path: values[round(share * (len(values) - 1))] for path, values in choices})
    return found


def _some_values(space: Space, path: str, values: tuple[Value, ...] | None) -> tuple[str, tuple[Value, ...]]:
    """Values of a path; of a range without steps its ends."""
    given = space.study.vary[path]
    if values is None and isinstance(given, Range):
        return path, (given.first, given.last)
    return path, values or ()


def _require_paths(space: Space, design: Design) -> None:
    for run in space.runs(design):
        try:
            _read(run)
        except UnknownNameError:
            raise
        except AttnSimError as error:
            _raise_told(error)


def _read(run: RunRequest) -> None:
    """Read the specs of a run with its values in place."""
    if run.system is None:
        make_plan(request_of(run))
        return
    system_request(run)
    read_system(run.system, [f"{path}={value}" for path, value in run.set.items()])


def _raise_told(error: AttnSimError) -> None:
    """Raise an error of the values or the options; all others are a design's own matter."""
    if any(problem.file.startswith("--set") or problem.path.startswith("--") for problem in error.problems):
        raise error


def _has_metrics(space: Space, design: Design) -> bool:
    """Whether a design can be simulated; raises AttnSimError if its runs lack a metric."""
    try:
        documents = [document_of(run) for run in space.runs(design)]
    except AttnSimError:
        return False
    for document, metric in product(documents, space.study.metrics):
        if not is_null(document, metric):
            number_at(document, metric)
    return True


def _timed(space: Space, size: int) -> list[Design]:
    """Designs of a grid in a row, from its middle: as many as tell what one takes once much is known."""
    if space.study.sampler != GRID or size < TIMED:
        return []
    numbers = range(size // 2, min(size // 2 + TIMED, size))
    return [design for number in numbers if (design := space.design(number)) is not None]


def dry_run(study: Study) -> tuple[int, float | None]:
    """(designs that will be tried, seconds each takes on one core); None where no tried design is feasible."""
    check(study)
    space = Space(study)
    size = size_of(space) if study.sampler == GRID else study.budget or 0
    designs = _spread(space)
    judged = judge(space, designs)
    timed = _timed(space, size) or designs
    began_s = time.perf_counter()
    judged += judge(space, timed)
    each_s = (time.perf_counter() - began_s) / len(timed)
    return size, each_s if any(not one.infeasible for one in judged) else None
