"""The trials of a search in Optuna's database: SQLite in the results folder, or any URL that several machines share.

The folder's own database is a copy of what is in memory, written when a batch has ended; a shared one is the only
place.

A trial has the number of its design. Its user attributes say which results folder judged it (`owner`), with what
result (metrics, and why it is not feasible), or which trial it repeats (`repeats`), so that each folder of a shared
search can be filled with the rows of the others.
"""

from __future__ import annotations

import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from attnsim.errors import AttnSimError, Problem
from attnsim.explore.evaluate import Judged
from attnsim.explore.parameters import design_from, distribution, key_of, parameters_of, proposal, value
from attnsim.explore.space import Design, Space
from attnsim.explore.store import differences, manifest_of
from attnsim.specs.study import Study, limits_of

if TYPE_CHECKING:
    import sqlite3

    import optuna
    from optuna.samplers import BaseSampler
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial, Trial

DATABASE, OWNER = "search.db", "search.id"
OWN = "this folder"
TIMEOUT_S = 10
_OPENINGS = 8
"""Machines that begin a search in the same moment all want to make the tables; those that come too late try again."""
_TURNS, _TURN_S = 40, 0.05
_MANIFEST = "attnsim"
_WORST = 1.0
Row = tuple[int, Design, Judged]


class Trials:
    """The trials of a study, open for one results folder. copy: a database that gets them when they have ended."""

    def __init__(self, study: Study, kept: optuna.Study, owner: str, copy: optuna.Study | None = None) -> None:
        self.study, self.space = study, Space(study)
        self.parameters = parameters_of(study)
        self._kept, self._owner, self._copy = kept, owner, copy
        self._saved = len(self.all())
        self._dead: set[int] = set()
        self._distributions = {one.path: distribution(one) for one in self.parameters}
        self._signs = (*(1 for _ in study.minimize), *(-1 for _ in study.maximize))
        self._places = [study.metrics.index(name) for name in study.objectives]
        self._worst: list[float | None] = [None] * len(self._places)
        for trial in self.finished():
            self._note_worst(trial.values)

    def save(self) -> None:
        """Write what has ended to the copy, as far as nothing before it is open; what is not there lies in parts."""
        if self._copy is None:
            return
        ended = takewhile(lambda one: one.state.is_finished(), self.all()[self._saved :])
        for trial in ended:
            self._copy.add_trial(trial)
            self._saved += 1
        _copy_state(self._kept, self._copy)

    def all(self) -> list[FrozenTrial]:
        """Every trial, in order of their numbers."""
        return self._kept.get_trials(deepcopy=False)

    def finished(self) -> list[FrozenTrial]:
        """Trials that have a result, repeated ones left out."""
        return [one for one in self.all() if one.state.name == "COMPLETE" and "repeats" not in one.user_attrs]

    def tried(self) -> list[FrozenTrial]:
        """Trials that count towards the budget: those with a result and those that somebody judges now."""
        running = [one for one in self.all() if one.state.name == "RUNNING" and "owner" in one.user_attrs]
        return [*self.finished(), *running]

    def await_proposals(self, before: int) -> None:
        """Wait until other machines have said what their trials before a number are; not for those that have died."""
        for _ in range(_TURNS if self._copy is None else 0):
            silent = {one.number for one in self.all()[:before] if one.state.name == "RUNNING" and _is_silent(one)}
            if not silent - self._dead:
                return
            time.sleep(_TURN_S)
        self._dead = {one.number for one in self.all()[:before] if one.state.name == "RUNNING" and _is_silent(one)}

    def own_rank(self) -> int:
        """Number of the first trial of this folder, which no other folder has; 0 before there is one."""
        return next((one.number for one in self.all() if self._is_own(one)), 0)

    def own_count(self) -> int:
        """Trials of this folder so far."""
        return len(self.all()) if self._copy else sum(self._is_own(one) for one in self.all())

    def _is_own(self, trial: FrozenTrial) -> bool:
        return trial.user_attrs.get("owner") == self._owner

    def ask(self, sampler: BaseSampler) -> tuple[Trial, Design]:
        """A new trial as a sampler proposes it, and its design."""
        self._kept.sampler = sampler
        trial = self._kept.ask(self._distributions)
        trial.set_user_attr("owner", self._owner)
        return trial, self.design(trial.params)

    def ask_for(self, design: Design, sampler: BaseSampler) -> tuple[Trial, Design]:
        """A new trial of a given design."""
        self._kept.enqueue_trial(self._proposals(design))
        return self.ask(sampler)

    def design(self, params: Mapping[str, int | float | str]) -> Design:
        """The design of what a sampler proposed."""
        values = {one.path: value(one, params[one.path]) for one in self.parameters}
        return design_from(self.space, self.parameters, values)

    def key(self, trial: FrozenTrial) -> tuple[str, ...] | None:
        """What designs are told apart by; None for a trial that was not proposed to its end."""
        return key_of(self.design(trial.params)) if len(trial.params) == len(self.parameters) else None

    def _proposals(self, design: Design) -> dict[str, int | float | str]:
        return {one.path: proposal(one, design[one.path]) for one in self.parameters}

    def drop(self, number: int) -> None:
        """End a trial that is not judged."""
        self._kept.tell(number, state=_state("FAIL"))

    def repeat(self, trial: Trial, of: FrozenTrial) -> None:
        """End a trial with the result that its design has already."""
        trial.set_user_attr("repeats", of.number)
        for name, violated in of.constraints.items():
            trial.set_constraint(name, violated)
        self._kept.tell(trial, of.values)

    def tell(self, trial: Trial, judged: Judged) -> None:
        """End a trial with its result: objectives, and by how much it breaks each bound (relative to the bound).

        A design without results has the worst objectives so far, and breaks one more.
        """
        trial.set_user_attr("result", [list(judged.values), judged.infeasible])
        for name, violated in self._constraints(judged).items():
            trial.set_constraint(name, violated)
        self._kept.tell(trial, self._objectives(judged))

    def _constraints(self, judged: Judged) -> dict[str, float]:
        at = dict(zip(self.study.metrics, judged.values, strict=True))
        found = {"judged": float(None in self._goals(judged))}
        for limit in limits_of(self.study):
            known = at[limit.metric]
            broken = 0.0 if known is None else limit.sign * (known - limit.value)
            found[limit.text] = broken / abs(limit.value) if limit.value else broken
        if judged.infeasible and max(found.values()) <= 0:
            found["judged"] = 1.0
        return found

    def _goals(self, judged: Judged) -> list[float | None]:
        return [judged.values[place] for place in self._places]

    def _objectives(self, judged: Judged) -> list[float]:
        goals = self._goals(judged)
        self._note_worst(goals)
        worst = [_WORST * sign if one is None else one for one, sign in zip(self._worst, self._signs, strict=True)]
        return [worst[place] if goal is None else goal for place, goal in enumerate(goals)]

    def _note_worst(self, goals: Sequence[float | None]) -> None:
        for place, (goal, sign) in enumerate(zip(goals, self._signs, strict=True)):
            known = self._worst[place]
            if goal is not None and (known is None or sign * (goal - known) > 0):
                self._worst[place] = goal

    def row(self, trial: FrozenTrial) -> Row:
        """The row of a trial that has a result."""
        values, infeasible = trial.user_attrs["result"]
        return trial.number, self.design(trial.params), Judged(values=tuple(values), infeasible=infeasible)

    def left_open(self) -> list[Trial]:
        """Trials that this folder asked for and never ended; those that were not proposed to their end are dropped."""
        import optuna

        own = [one for one in self.all() if one.state.name == "RUNNING" and self._is_own(one)]
        whole = [one for one in own if len(one.params) == len(self.parameters)]
        for one in own:
            if one not in whole:
                self.drop(one.number)
        self._kept.sampler = optuna.samplers.RandomSampler(seed=0)
        return [optuna.trial.Trial(self._kept, one._trial_id) for one in whole]

    def take(self, rows: Mapping[int, Row]) -> None:
        """Add rows of the folder that the database lacks, such as all of them when it is a new one, at their numbers.

        Raises AttnSimError if it has other designs at these numbers.
        """
        from optuna.trial import create_trial

        trials = self.all()
        for number, design, _ in (row for row in rows.values() if row[0] < len(trials)):
            if self.key(trials[number]) != key_of(design):
                what = f"its trial {number} is another design than that of the results folder"
                raise AttnSimError(Problem(path="--storage", what=what, remedy="name the database of this folder"))
        for number in range(len(trials), max(rows, default=-1) + 1):
            row = rows.get(number)
            self._kept.add_trial(create_trial(state=_state("FAIL")) if row is None else self._as_trial(row))

    def _as_trial(self, row: Row) -> FrozenTrial:
        from optuna.trial import create_trial

        _, design, judged = row
        return create_trial(
            values=self._objectives(judged),
            params=self._proposals(design),
            distributions=self._distributions,
            user_attrs={"owner": self._owner, "result": [list(judged.values), judged.infeasible]},
            constraints=self._constraints(judged),
        )


def _is_silent(trial: FrozenTrial) -> bool:
    """Whether a trial has a number, but is not proposed to its end."""
    return "owner" not in trial.user_attrs


def _state(name: str) -> optuna.trial.TrialState:
    from optuna.trial import TrialState

    return TrialState[name]


@contextmanager
def opened_trials(study: Study, folder: Path, url: str | None) -> Iterator[Trials]:
    """The trials of a study in the database of its folder, or in one of a URL.

    Raises AttnSimError for a database that cannot be reached or that holds another study of this name.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = _storage(url or f"sqlite:///{folder / DATABASE}", waiting=url is not None)
    try:
        with _told(storage, folder):
            kept = _kept(study, storage)
            yield Trials(study, kept, _owner(folder)) if url else Trials(study, _in_memory(kept), OWN, kept)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _in_memory(kept: optuna.Study) -> optuna.Study:
    """The same trials in memory, where samplers find them a hundred times faster."""
    import optuna

    make: Callable[..., optuna.Study] = optuna.create_study
    fast = make(directions=kept.directions)
    for trial in kept.get_trials(deepcopy=False):
        fast.add_trial(trial)
    _copy_state(kept, fast)
    return fast


def _copy_state(source: optuna.Study, target: optuna.Study) -> None:
    """What samplers remember of a study beside its trials, such as how far a sequence is."""
    known = target._storage.get_study_system_attrs(target._study_id)
    for name, state in source._storage.get_study_system_attrs(source._study_id).items():
        if known.get(name) != state:
            target._storage.set_study_system_attr(target._study_id, name, state)


@contextmanager
def _told(storage: RDBStorage, folder: Path) -> Iterator[None]:
    """Tell of a database that fails in the middle."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise _lost(storage, error, folder) from None


def _lost(storage: RDBStorage, error: Exception, folder: Path) -> AttnSimError:
    what = f"the database failed: {_reason(error)}"
    remedy = f"what is done lies in {folder}; go on with --resume when it answers again"
    return AttnSimError(Problem(path="--storage", file=_shown(str(storage.url)), what=what, remedy=remedy))


def _storage(url: str, *, waiting: bool) -> RDBStorage:
    """Open a database; one that does not wait for the disk may lose with the power what parts of results hold too."""
    from sqlalchemy.exc import SQLAlchemyError

    last: Exception | None = None
    for turn in range(_OPENINGS):
        try:
            return _connected(url, waiting=waiting)
        except (SQLAlchemyError, ImportError, RuntimeError, ValueError) as error:
            last = error
        if not _may_be_made_now(last):
            break
        time.sleep(0.1 * 2**turn)
    assert last is not None
    what, remedy = f"cannot be opened: {_reason(last)}", "write for example postgresql://user@host/database"
    raise AttnSimError(Problem(path="--storage", file=_shown(url), what=what, remedy=remedy)) from None


def _without_waiting(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY")


def _connected(url: str, *, waiting: bool) -> RDBStorage:
    from optuna.storages import RDBStorage
    from sqlalchemy import event, make_url
    from sqlalchemy.pool import Pool

    address = make_url(url)
    if address.drivername == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    wait = {"sqlite": {"timeout": 60}, "postgresql": {"connect_timeout": TIMEOUT_S}}
    arguments: dict[str, int] = wait.get(address.get_backend_name(), {})
    text = address.render_as_string(hide_password=False)
    if waiting:
        return RDBStorage(text, engine_kwargs={"connect_args": arguments, "pool_pre_ping": True})
    event.listen(Pool, "connect", _without_waiting)
    try:
        return RDBStorage(text, engine_kwargs={"connect_args": arguments})
    finally:
        event.remove(Pool, "connect", _without_waiting)


def _may_be_made_now(error: Exception) -> bool:
    """Whether a database failed as it does while another machine makes its tables."""
    signs = ("already exists", "UNIQUE constraint", "duplicate key", "is locked", "no such", "does not exist")
    return any(sign in str(error) for sign in signs)


def _kept(study: Study, storage: RDBStorage) -> optuna.Study:
    """Optuna's study; AttnSimError if it is one of other specs."""
    import optuna

    directions = ["minimize"] * len(study.minimize) + ["maximize"] * len(study.maximize)
    make: Callable[..., optuna.Study] = optuna.create_study
    try:
        kept = make(study_name=study.name, storage=storage, directions=directions, load_if_exists=True)
    except ValueError as error:
        raise _another(storage, study, [str(error)]) from None
    mine = manifest_of(study)
    found = kept.user_attrs.get(_MANIFEST)
    if found is None:
        kept.set_user_attr(_MANIFEST, mine)
    elif changed := differences(found, mine):
        raise _another(storage, study, changed)
    if [one.name.lower() for one in kept.directions] != directions:
        raise _another(storage, study, ["study.minimize"])
    return kept


def _another(storage: RDBStorage, study: Study, changed: Sequence[str]) -> AttnSimError:
    what = f"holds a study {study.name} that was made with something else: {', '.join(changed)}"
    remedy = "rename the study, or name another database"
    return AttnSimError(Problem(path="--storage", file=_shown(str(storage.url)), what=what, remedy=remedy))


def _shown(url: str) -> str:
    """A URL without its password."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url


def _reason(error: Exception) -> str:
    """The first line of what a database says."""
    cause = getattr(error, "orig", None) or error.__cause__ or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _owner(folder: Path) -> str:
    """The name of a results folder in the database, made by chance once."""
    path = folder / OWNER
    if not path.is_file():
        path.write_text(f"{uuid.uuid4().hex}\n", encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()


def sampler_of(study: Study, seed: int, population: int) -> BaseSampler:
    """A sampler, of a seed; AttnSimError for `gp` without torch."""
    from optuna import samplers

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if study.sampler == "sobol":
            return samplers.QMCSampler(qmc_type="sobol", scramble=True, seed=study.seed)
        if study.sampler == "nsga2":
            return samplers.NSGAIISampler(population_size=population, seed=seed)
        if study.sampler == "nsga3":
            return samplers.NSGAIIISampler(population_size=population, seed=seed)
        if study.sampler == "tpe":
            return samplers.TPESampler(multivariate=True, constant_liar=True, seed=seed)
        if study.sampler == "gp":
            return _gaussian(seed)
    return samplers.RandomSampler(seed=seed)


def _gaussian(seed: int) -> BaseSampler:
    from optuna.samplers import GPSampler

    try:
        import torch  # type: ignore[import-not-found,unused-ignore]  # noqa: F401
    except ImportError:
        what, remedy = "the sampler gp needs PyTorch", "pip install 'attnsim[gp]', or set another sampler"
        raise AttnSimError(Problem(path="sampler", what=what, remedy=remedy)) from None
    return GPSampler(seed=seed, deterministic_objective=True)
