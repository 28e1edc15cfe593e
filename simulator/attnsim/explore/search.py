"""Searches with Optuna: designs are proposed in batches, judged like those of a grid, and written down as they come.

A batch is asked for, judged, written by `Store`, and told. Being killed in between loses nothing: what was written is
told, and what was asked for is judged, when the search is taken up again. A design that was judged is not judged again.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from attnsim.explore.evaluate import Judged, judge
from attnsim.explore.executors import Here, first_done
from attnsim.explore.front import Front
from attnsim.explore.parameters import design_from, drawn, key_of
from attnsim.explore.parameters import value_of as value_of
from attnsim.explore.space import Design, Space
from attnsim.explore.store import NUMBER, REASON, Store, frames_of, metric_column
from attnsim.explore.sweep import AHEAD, BATCH, Progress, Rows, Watch, count_in, signs_of, unwatched
from attnsim.explore.trials import Trials, opened_trials, sampler_of
from attnsim.specs.study import Study

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

_POPULATION = (12, 64)
_POPULATIONS = 12
"""Generations that a budget is meant for."""
_AT_ONCE = {"tpe": 8, "gp": 4}
_DRAWS = 200
_COUNTED = 100_000
"""Spaces up to this size are looked through for a design that is left; in larger ones chance finds one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A batch of trials with their designs, before they are judged."""

    trials: tuple[Trial, ...]
    designs: tuple[Design, ...]

    @property
    def numbered(self) -> list[tuple[int, Design]]:
        """Designs by number."""
        return [(trial.number, design) for trial, design in zip(self.trials, self.designs, strict=True)]


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
    """Search for the front of a study within its budget; raises AttnSimError for what `Store` and the database refuse.

    executor: None judges in this process. An interrupt leaves what is written, and the rest for `resume`.
    """
    progress = Progress(total=study.budget or 0, front=Front(signs_of(study)))
    with Store(folder, study, resume=resume) as store, opened_trials(study, folder, storage) as trials:
        run = _Search(store, trials, progress, watch)
        run.take_up()
        parts = AHEAD * workers if executor is not None else 1
        run.go_on(executor or Here(), parts, batch)
        run.collect()
    return progress


class _Search:
    """A search under way: the rows that are written, and the designs that are being judged."""

    def __init__(self, store: Store, trials: Trials, progress: Progress, watch: Watch) -> None:
        self._store, self._trials, self._progress, self._watch = store, trials, progress, watch
        self._study = store.study
        self._written: set[int] = set()
        self._judged: dict[tuple[str, ...], FrozenTrial] = {}
        self._open: set[tuple[str, ...]] = set()
        self._population = min(max((self._study.budget or 0) // _POPULATIONS, _POPULATION[0]), _POPULATION[1])
        self._size: int | None = None

    def take_up(self) -> None:
        """Bring folder and database to the same state, whichever was ahead when an earlier run ended."""
        rows = {row[0]: row for row in _rows_of(self._store, self._trials.space)}
        for row in rows.values():
            count_in(self._progress, self._study, 1, [row])
        self._written = set(rows)
        self._trials.take(rows)
        for trial in self._trials.left_open():
            if trial.number in rows:
                self._trials.tell(trial, rows[trial.number][2])
        self._trials.save()
        self.collect()

    def collect(self) -> None:
        """Write rows of the database that the folder lacks: those that other machines judged."""
        missing = [one for one in self._trials.finished() if one.number not in self._written]
        for first in range(0, len(missing), BATCH):
            self._write([self._trials.row(one) for one in missing[first : first + BATCH]])
        self._watch(self._progress)

    def go_on(self, executor: Executor, parts: int, batch: int) -> None:
        """Judge batches until the budget is spent or no design is left; `parts` of them at a time."""
        waiting: dict[Future[Rows], Asked] = {}
        left = self._left_open()
        count = self._at_once(parts, batch)
        while True:
            while len(waiting) < parts and (asked := left or self._ask(count)):
                self._open |= {key_of(design) for design in asked.designs}
                waiting[executor.submit(judge_designs, self._study, asked.numbered)] = asked
                left = None
            if not waiting:
                return
            for future in first_done(executor, waiting):
                self._tell(waiting.pop(future), future.result())

    def _left_open(self) -> Asked | None:
        """What an earlier run was judging when it ended."""
        trials = tuple(self._trials.left_open())
        designs = tuple(self._trials.design(trial.params) for trial in trials)
        return Asked(trials=trials, designs=designs) if trials else None

    def _at_once(self, parts: int, batch: int) -> int:
        """Trials of a batch: with a population no more than it in all, and few where each should know the last."""
        most = {"nsga2": self._population, "nsga3": self._population}
        together = most.get(self._study.sampler, parts * _AT_ONCE.get(self._study.sampler, batch))
        fair = -(-(self._study.budget or 1) // parts)
        return max(min(batch, together // parts, fair), 1)

    def _ask(self, count: int) -> Asked | None:
        """The next trials; None if the budget is spent or the space is exhausted. The first of all stays alone, since
        samplers learn from it what the space is."""
        self._refresh()
        begun = self._trials.own_count()
        left = (self._study.budget or 0) - len(self._trials.tried())
        wanted = min(count if begun else 1, left)
        seed = Random(f"{self._study.seed} {self._trials.own_rank()} {begun}").randrange(2**31)
        sampler = sampler_of(self._study, seed, self._population)
        chance = Random(seed)
        found: dict[tuple[str, ...], tuple[Trial, Design]] = {}
        repeats = 0
        while len(found) < wanted:
            fresh = self._unseen(chance, found) if repeats > count else None
            if repeats > count and fresh is None:
                break
            trial, design = self._trials.ask_for(fresh, sampler) if fresh else self._trials.ask(sampler)
            repeats += not self._keep(trial, design, found)
        kept = self._settled(list(found.values()))
        return Asked(trials=tuple(t for t, _ in kept), designs=tuple(d for _, d in kept)) if kept else None

    def _keep(self, trial: Trial, design: Design, found: dict[tuple[str, ...], tuple[Trial, Design]]) -> bool:
        """Take a trial into a batch unless its design is known."""
        key = key_of(design)
        if key in self._judged:
            self._trials.repeat(trial, self._judged[key])
        elif key in self._open or key in found:
            self._trials.drop(trial.number)
        else:
            found[key] = (trial, design)
            return True
        return False

    def _refresh(self) -> None:
        """Learn what other machines have judged or are judging."""
        for one in self._trials.tried():
            key = self._trials.key(one)
            if key is not None and one.state.is_finished():
                self._judged[key] = one
            elif key is not None:
                self._open.add(key)

    def _settled(self, asked: Sequence[tuple[Trial, Design]]) -> list[tuple[Trial, Design]]:
        """The trials that are this machine's to judge: the budget has room for them, and no trial before them, which
        another machine may have asked for in the same moment, is of the same design."""
        if not asked:
            return []
        self._trials.await_proposals(before=max(trial.number for trial, _ in asked))
        first: dict[tuple[str, ...], int] = {}
        for one in sorted(self._trials.tried(), key=lambda one: one.number):
            first.setdefault(self._trials.key(one) or (), one.number)
        room = set(sorted(first.values())[: self._study.budget])
        kept = [(trial, design) for trial, design in asked if trial.number in room]
        for trial, _ in asked:
            if trial.number not in room:
                self._trials.drop(trial.number)
        return kept

    def _unseen(self, chance: Random, found: dict[tuple[str, ...], tuple[Trial, Design]]) -> Design | None:
        """A design that nobody has tried, by chance; None if there is none left."""
        known = self._judged.keys() | self._open | found.keys()
        for _ in range(_DRAWS):
            values = {one.path: drawn(one, chance) for one in self._trials.parameters}
            design = design_from(self._trials.space, self._trials.parameters, values)
            if key_of(design) not in known:
                return design
        size = self._trials.space.size
        if size is None or size > _COUNTED:
            return None
        designs = (self._trials.space.design(number) for number in range(size))
        left = [design for design in designs if design is not None and key_of(design) not in known]
        return chance.choice(left) if left else None

    def _tell(self, asked: Asked, rows: Rows) -> None:
        """Write a batch, then tell the database of it."""
        self._write(rows)
        for trial, (_, _, judged) in zip(asked.trials, rows, strict=True):
            self._trials.tell(trial, judged)
        self._trials.save()
        self._open -= {key_of(design) for design in asked.designs}
        self._progress.fresh += len(rows)
        self._watch(self._progress)

    def _write(self, rows: Rows) -> None:
        self._store.add(rows[0][0], len(rows), rows)
        self._written |= {number for number, _, _ in rows}
        count_in(self._progress, self._study, len(rows), rows)


def judge_designs(study: Study, designs: Sequence[tuple[int, Design]]) -> Rows:
    """Judge designs with their numbers; what runs on workers."""
    judged = judge(Space(study), [design for _, design in designs])
    return [(number, design, one) for (number, design), one in zip(designs, judged, strict=True)]


def _rows_of(store: Store, space: Space) -> Rows:
    """The rows of a results folder, in order of their numbers."""
    study = space.study
    rows: Rows = []
    for frame in frames_of(store.folder):
        for row in frame.to_dicts():
            design = {path: value_of(study, path, row[path]) for path in study.vary}
            values = tuple(row[metric_column(study, metric)] for metric in study.metrics)
            rows.append((row[NUMBER], design, Judged(values=values, infeasible=row[REASON])))
    return sorted(rows, key=lambda row: row[0])
