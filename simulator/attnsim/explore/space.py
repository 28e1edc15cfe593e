"""The space of a study: designs by number, and the runs that a design stands for.

A design is a value for each varied path. Numbers count through the grid of all values, the last path fastest; a path
that others switch off keeps its first value, so that numbers with another value of it stand for no design.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from attnsim.errors import AttnSimError, Problem
from attnsim.specs.claims import RunRequest
from attnsim.specs.library import suggest
from attnsim.specs.spec import problem_at
from attnsim.specs.study import Derived, Range, Study, Value, read_number, values_of, written
from attnsim.workload import SCOPES

Design = Mapping[str, Value]
"""Value of each varied path."""
WHOLE = ("seq_len", "batch", "tensor_parallel", "pipeline_parallel")
NESTED = ("extents", "requests")
TARGETS = ("hardware", "mapping", "model", "cascade", "system")


class Space:
    """All designs of a study. Raises AttnSimError for paths that are no setting of a run and lead into no spec."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.paths = tuple(study.vary)
        problems = [problem for path in (*study.vary, *study.derive) if (problem := _path_problem(study, path))]
        if problems:
            raise AttnSimError(*problems)

    @cached_property
    def choices(self) -> tuple[tuple[Value, ...] | None, ...]:
        """Values of each path in order; None for a range without steps."""
        return tuple(values_of(values) for values in self.study.vary.values())

    @cached_property
    def size(self) -> int | None:
        """Numbers of the grid; None if a range has no steps."""
        total = 1
        for values in self.choices:
            if values is None:
                return None
            total *= len(values)
        return total

    def design(self, number: int) -> Design | None:
        """The design of a number of the grid; None for one that stands for no design of its own."""
        places = []
        rest = number
        for values in reversed(self.choices):
            assert values is not None
            rest, place = divmod(rest, len(values))
            places.append(place)
        places.reverse()
        design = {
            path: values[place] for path, values, place in zip(self.paths, self.choices, places, strict=True) if values
        }
        if any(place and not self.active(path, design) for path, place in zip(self.paths, places, strict=True)):
            return None
        return design

    def active(self, path: str, design: Design) -> bool:
        """Whether a path is varied in a design."""
        needs = self.study.only.get(path, {})
        return all(design.get(other) in wanted and self.active(other, design) for other, wanted in needs.items())

    def runs(self, design: Design) -> tuple[RunRequest, ...]:
        """What is simulated for a design: a run for each workload."""
        workloads = self.study.workloads or [RunRequest()]
        derived = {path: derive(rule, design[rule.of]) for path, rule in self.study.derive.items()}
        settings = {**design, **{path: value for path, value in derived.items() if value is not None}}
        return tuple(_applied(_over(self.study.base, workload), settings) for workload in workloads)


def derive(rule: Derived, value: Value) -> Value | None:
    """A derived value, None for one that a map leaves alone; raises AttnSimError for an item that a value lacks."""
    if rule.map is not None:
        return rule.map.get(str(text_of(value)))
    if rule.item is not None:
        if not isinstance(value, list) or rule.item >= len(value):
            what = f"{value!r} has no item {rule.item}"
            raise AttnSimError(Problem(path="derive", what=what, remedy="count items from 0"))
        value = value[rule.item]
    if isinstance(value, list):
        return value
    found = read_number(value)
    if found is None:
        return value
    unit = found[1] if rule.unit is None else rule.unit
    result = written(found[0] * rule.times + rule.plus, unit, whole=False)
    return [result] if rule.as_list else result


def _over(base: RunRequest, workload: RunRequest) -> RunRequest:
    """A workload over the base, settings of both."""
    chosen = {name: getattr(workload, name) for name in workload.model_fields_set}
    both = {"set": {**base.set, **workload.set}, "extents": {**base.extents, **workload.extents}}
    return base.model_copy(update={**chosen, **both})


def _applied(run: RunRequest, settings: Design) -> RunRequest:
    """A run with the values of a design."""
    update: dict[str, object] = {}
    sets, extents = dict(run.set), dict(run.extents)
    requests: dict[str, object] = {}
    for path, value in settings.items():
        head, _, rest = path.partition(".")
        if head == "extents":
            extents[rest] = _whole(path, value)
        elif head == "requests":
            requests[rest] = value
        elif head in TARGETS and rest:
            sets[path] = text_of(value)
        else:
            update[path] = _whole(path, value) if path in WHOLE else value
    if requests and run.requests is not None:
        update["requests"] = run.requests.model_copy(update=requests)
    return run.model_copy(update={**update, "set": sets, "extents": extents})


def _whole(path: str, value: Value) -> int:
    found = read_number(value) if not isinstance(value, list) else None
    if found is None or found[1] or found[0] != round(found[0]) or found[0] < 1:
        raise AttnSimError(
            Problem(
                path=path, what=f"{value!r} is no whole number", remedy="write 16384 or 16K; of a range, whole: true"
            )
        )
    return round(found[0])


def require_whole(space: Space) -> None:
    """Raise AttnSimError for counts, such as lengths and batches, that may get values that are no whole numbers."""
    for path, values in zip(space.paths, space.choices, strict=True):
        given = space.study.vary[path]
        if path not in WHOLE and not path.startswith("extents."):
            continue
        if values is None and isinstance(given, Range) and not given.whole:
            what, remedy = "may get values that are no whole numbers", "add whole: true"
            raise AttnSimError(problem_at(space.study, f"vary.{path}", what, remedy))
        for value in values or ():
            _whole(path, value)


def text_of(value: Value) -> str | int | float:
    """A value as an override writes it."""
    return f"[{', '.join(str(item) for item in value)}]" if isinstance(value, list) else value


def _path_problem(study: Study, path: str) -> Problem | None:
    head, _, rest = path.partition(".")
    fields = [name for name in RunRequest.model_fields if name != "set"]
    block = "vary" if path in study.vary else "derive"
    if (head in TARGETS and rest) or path in fields:
        values = study.vary.get(path)
        if path == "scope" and isinstance(values, list) and set(map(str, values)) - set(SCOPES):
            return problem_at(study, f"{block}.{path}", "has an unknown scope", f"use {', '.join(SCOPES)}")
        return None
    if head in NESTED and rest:
        return None
    known = [*fields, *(f"{target}." for target in TARGETS), "extents.M", "requests.seed"]
    what = f"{path!r} is no setting of a run and leads into no spec"
    return problem_at(study, f"{block}.{path}", what, suggest(path, tuple(known)))


def described(design: Design, paths: Sequence[str]) -> str:
    """A design in words, for tables and messages."""
    return ", ".join(f"{path.rpartition('.')[2]}={text_of(design[path])}" for path in paths)


def labels(paths: Sequence[str]) -> tuple[str, ...]:
    """The last steps of paths, as many as tell them apart; a position in a list never stands alone."""
    found = []
    for path in paths:
        steps = path.split(".")
        least = 2 if steps[-1].isdecimal() else 1
        ends = [".".join(steps[-count:]) for count in range(min(least, len(steps)), len(steps) + 1)]
        found.append(next(end for end in ends if sum(f".{other}".endswith(f".{end}") for other in paths) == 1))
    return tuple(found)
