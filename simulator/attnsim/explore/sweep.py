"""Exhaustive studies: every design of the grid, in batches that are written as they come, on any executor.

Batches are blocks of numbers of the grid, the same in every run, so that a study that is taken up again ends with the
same parts.
"""

from __future__ import annotations

import pickle
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from pathlib import Path

import numpy as np

from attnsim.errors import AttnSimError, Problem
from attnsim.explore.evaluate import Judged, judge
from attnsim.explore.executors import first_done
from attnsim.explore.front import Front
from attnsim.explore.space import Design, Space, text_of
from attnsim.explore.store import NUMBER, REASON, Store, frames_of
from attnsim.specs.study import Study

BATCH = 512
AHEAD = 4
"""Batches that wait for each worker, so that none stands still."""
Rows = list[tuple[int, Design, Judged]]
Verdict = tuple[int, tuple[float | None, ...], str]


class Progress:
    """How far a study is. done: numbers of the grid that are dealt with, of `total`; designs: those that were judged,
    `fresh` of them in this run; reasons: why designs are not feasible, by how many."""

    def __init__(self, total: int, front: Front) -> None:
        self.total, self.front = total, front
        self.done = self.designs = self.feasible = self.fresh = 0
        self.reasons: Counter[str] = Counter()
        self.began_s = time.monotonic()

    @property
    def per_second(self) -> float:
        """Designs a second of this run."""
        return self.fresh / max(time.monotonic() - self.began_s, 1e-9)


Watch = Callable[[Progress], None]


def unwatched(_progress: Progress) -> None:
    """Nobody looks."""


def signs_of(study: Study) -> tuple[int, ...]:
    """1 for each objective that is minimized, -1 for each that is maximized, in the order of `Study.objectives`."""
    return (*(1 for _ in study.minimize), *(-1 for _ in study.maximize))


def sweep(
    study: Study,
    folder: Path,
    *,
    executor: Executor | None = None,
    workers: int = 1,
    resume: bool = False,
    batch: int = BATCH,
    watch: Watch = unwatched,
) -> Progress:
    """Judge every design of the grid; raises AttnSimError for what `Store` refuses, and for a base that cannot run.

    executor: None judges in this process. An interrupt leaves what is written, and the rest for `resume`.
    """
    space = Space(study)
    total = size_of(space)
    progress = Progress(total=total, front=Front(signs_of(study)))
    with Store(folder, study, resume=resume) as store:
        _take_up(store, progress)
        watch(progress)
        blocks = _blocks_left(store, total, batch)
        done = _serial(study, blocks) if executor is None else _parallel(study, blocks, executor, workers)
        for first, count, rows in done:
            store.add(first, count, rows)
            progress.fresh += len(rows)
            count_in(progress, study, count, rows)
            watch(progress)
    return progress


def size_of(space: Space) -> int:
    """Numbers of the grid; AttnSimError for a range without steps."""
    if space.size is None:
        open_ended = next(path for path, values in zip(space.paths, space.choices, strict=True) if values is None)
        what = "has no end of values, and a grid takes them all"
        raise AttnSimError(Problem(path=f"vary.{open_ended}", what=what, remedy="give steps, or another sampler"))
    return space.size


def _blocks_left(store: Store, total: int, batch: int) -> Iterator[tuple[int, int]]:
    """(first, how many) of blocks that no part covers yet."""
    covered = dict(store.done())
    first = 0
    while first < total:
        count = covered.get(first)
        if count is None:
            following = [start for start in covered if start > first]
            count = min(batch, total - first, min(following, default=total) - first)
            yield first, count
        first += count


_SPACES: dict[str, Space] = {}


def space_of(study: Study) -> Space:
    """The space of a study; that of the last one is remembered, which comes to a worker again with every block."""
    key = study.model_dump_json()
    if key not in _SPACES:
        _SPACES.clear()
        _SPACES[key] = Space(study)
    return _SPACES[key]


def judge_block(study: Study, first: int, count: int) -> Rows:
    """Judge the designs of a block of numbers."""
    space = space_of(study)
    designs = [(number, design) for number in range(first, first + count) if (design := space.design(number))]
    judged = judge(space, [design for _, design in designs])
    return [(number, design, one) for (number, design), one in zip(designs, judged, strict=True)]


def judge_far(study: Study, first: int, count: int) -> bytes:
    """`judge_block` on a worker: pickled, number, metrics and why it is not feasible, of each design.

    Nothing more travels, and as bytes, which an executor passes on without a look at what is in them.
    """
    rows = judge_block(study, first, count)
    return pickle.dumps([(number, judged.values, judged.infeasible) for number, _, judged in rows])


def _arrived(study: Study, found: bytes) -> Rows:
    """Rows of what a worker found."""
    space = space_of(study)
    verdicts: list[Verdict] = pickle.loads(found)
    return [
        (number, design, Judged(values=values, infeasible=why))
        for number, values, why in verdicts
        if (design := space.design(number)) is not None
    ]


def _serial(study: Study, blocks: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int, Rows]]:
    for first, count in blocks:
        yield first, count, judge_block(study, first, count)


def _parallel(
    study: Study, blocks: Iterator[tuple[int, int]], executor: Executor, workers: int
) -> Iterator[tuple[int, int, Rows]]:
    """Keep every worker supplied; blocks are handed on as they end."""
    waiting: dict[Future[bytes], tuple[int, int]] = {}
    while True:
        for block in islice(blocks, AHEAD * workers - len(waiting)):
            waiting[executor.submit(judge_far, study, *block)] = block
        if not waiting:
            return
        for future in first_done(executor, waiting):
            first, count = waiting.pop(future)
            yield first, count, _arrived(study, future.result())


def _take_up(store: Store, progress: Progress) -> None:
    """Count what an earlier run has written."""
    progress.done = sum(count for _, count in store.done())
    names = list(store.study.objectives)
    for frame in frames_of(store.folder):
        good = frame.filter(frame[REASON] == "")
        progress.designs += frame.height
        progress.feasible += good.height
        progress.reasons.update(frame.filter(frame[REASON] != "")[REASON].to_list())
        if good.height:
            values = good.select(names).to_numpy().astype(np.float64)
            groups = list(good.select(store.study.each).iter_rows())
            progress.front.add(good[NUMBER].to_numpy().astype(np.int64), values, groups)


def count_in(progress: Progress, study: Study, count: int, rows: Rows) -> None:
    """Count a block of rows."""
    progress.done += count
    progress.designs += len(rows)
    progress.reasons.update(judged.infeasible for *_, judged in rows if judged.infeasible)
    good = [(number, judged) for number, _, judged in rows if not judged.infeasible]
    groups = [
        tuple(str(text_of(design[path])) for path in study.each) for _, design, judged in rows if not judged.infeasible
    ]
    progress.feasible += len(good)
    if good:
        places = [study.metrics.index(name) for name in study.objectives]
        values = np.array([[judged.values[place] for place in places] for _, judged in good], np.float64)
        progress.front.add(np.array([number for number, _ in good], np.int64), values, groups)
