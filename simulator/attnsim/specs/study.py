"""Study specs: what `workloads/studies/<name>.yaml` may say: which designs are tried, on what, and what is best.

A study varies values at paths of any spec over a base run, simulates every design on each workload, and keeps the
designs that no other one beats in all objectives.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from attnsim import units
from attnsim.errors import Problem
from attnsim.specs.claims import RunRequest
from attnsim.specs.library import find, suggest
from attnsim.specs.load import load_spec
from attnsim.specs.overrides import Override
from attnsim.specs.spec import FileSpec, Source, Spec, Text, problem_at
from attnsim.units import Dimension, UnitError, parse_quantity, parse_unit

Scalar = str | int | float
Value = Scalar | list[Scalar]
"""A value as an override writes it: a number, a text such as `16 MiB`, or a list such as a shape."""
Sampler = Literal["grid", "random", "sobol", "nsga2", "nsga3", "tpe", "gp"]
GRID: Sampler = "grid"
_TERM = re.compile(r"\s*([A-Za-z_][\w.\-]*)\s*(<=|>=)\s*(\S.*?)\s*")
_NUMBER = re.compile(r"\s*([+-]?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*(.*?)\s*")
_COUNTS = {"K": 1024.0, "M": 1024.0**2}
MOST_VALUES = 1_000_000


class Range(Spec):
    """Numbers from one to another, of one kind. steps: so many, evenly; factor: each so many times the one before;
    neither: any number in between, which only searches can take (`log`: evenly in its logarithm). whole: integers.
    """

    first: Scalar = Field(alias="from")
    last: Scalar = Field(alias="to")
    steps: PositiveInt | None = None
    factor: float | None = None
    log: bool = False
    whole: bool = False


class Derived(Spec):
    """A value that follows from a parameter: that of `of`, or its item `item`, times `times`, plus `plus`, in `unit`
    if one is given (an area of a capacity), else in the unit of the parameter. as_list: a list of that one value.
    map: value of the parameter -> value of the path (a price of a device), which stays as it is for all others."""

    of: Text
    item: NonNegativeInt | None = None
    times: float = 1.0
    plus: float = 0.0
    unit: str | None = None
    as_list: bool = False
    map: dict[Text, Value] | None = None


class Study(FileSpec):
    """A study.

    base: the run that designs change. vary: path -> its values; a path is a setting of a run (`seq_len`, `batch`,
    `mapping`, `model`, `hardware`, `extents.M` ...) or leads into a spec (`hardware.clock`). derive: paths that follow
    from others. only: a path is varied where other paths have these values, and keeps its first value elsewhere.
    each: varied paths, such as `seq_len`, whose every value has a front of its own.
    workloads: runs that every design is simulated on, over the base; aggregate: how their metrics become one.
    minimize, maximize: metrics of a run's JSON; subject_to: bounds such as `area_m2 <= 400 mm^2`; record: further
    metrics that are written down. budget: designs that a search tries.
    """

    name: Text
    title: str = ""
    source: Source
    notes: str = ""
    base: RunRequest
    vary: dict[Text, list[Value] | Range] = Field(min_length=1)
    derive: dict[Text, Derived] = Field(default_factory=dict)
    only: dict[Text, dict[Text, list[Value]]] = Field(default_factory=dict)
    each: list[Text] = Field(default_factory=list)
    workloads: list[RunRequest] = Field(default_factory=list)
    aggregate: Literal["mean", "sum", "largest", "geometric"] = "mean"
    minimize: list[Text] = Field(default_factory=list)
    maximize: list[Text] = Field(default_factory=list)
    subject_to: list[Text] = Field(default_factory=list)
    record: list[Text] = Field(default_factory=list)
    sampler: Sampler = GRID
    budget: PositiveInt | None = None
    seed: NonNegativeInt = 0

    @property
    def objectives(self) -> tuple[str, ...]:
        """Metrics that are minimized, then those that are maximized."""
        return (*self.minimize, *self.maximize)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Everything that is written down of a design."""
        bounds = (limit.metric for limit in limits_of(self))
        return tuple(dict.fromkeys((*self.objectives, *bounds, *self.record)))


class Limit(Spec):
    """A bound on a metric, in its SI unit. sign: 1 for an upper, -1 for a lower bound."""

    metric: Text
    sign: Literal[1, -1]
    value: float
    text: Text

    def holds(self, value: float) -> bool:
        """Whether a value keeps it."""
        return self.sign * (value - self.value) <= 0


def load_study(name: str, overrides: Sequence[Override] = ()) -> Study:
    """Read a study by name or path; raises SpecError or UnknownNameError."""
    return load_spec(find("study", name), Study, overrides, study_problems)


def limits_of(study: Study) -> tuple[Limit, ...]:
    """The bounds of a study that was checked."""
    return tuple(found for text in study.subject_to if (found := _limit(text)) is not None)


def study_problems(study: Study) -> list[Problem]:
    """Contradictions inside a study: nothing to aim at, empty or endless ranges, bounds that cannot be read, paths of
    `only` and `derive` that are not varied."""
    found = [*_aims(study), *_values(study), *_links(study)]
    return [problem_at(study, path, what, remedy) for path, what, remedy in found]


def _aims(study: Study) -> list[tuple[str, str, str]]:
    found = []
    if not study.objectives:
        found.append(("minimize", "nothing says what is best", "write minimize: [latency_s]"))
    both = sorted(set(study.minimize) & set(study.maximize))
    found += [("maximize", f"{name} is minimized too", "name it once") for name in both]
    for place, text in enumerate(study.subject_to):
        if _limit(text) is None:
            what, remedy = f"{text[:60]!r} is no bound", "write for example area_m2 <= 400 mm^2"
            found.append((f"subject_to.{place}", what, remedy))
    if study.sampler != GRID and study.budget is None:
        found.append(("budget", f"a {study.sampler} search needs a budget", "write budget: 500"))
    return found


def _values(study: Study) -> list[tuple[str, str, str]]:
    found = []
    for path, values in study.vary.items():
        problem = _range_problem(values, study.sampler) if isinstance(values, Range) else _list_problem(values)
        if problem is not None:
            found.append((f"vary.{path}", *problem))
    return found


def _list_problem(values: list[Value]) -> tuple[str, str] | None:
    if not values:
        return "has no values", "list at least one"
    texts = [repr(value) for value in values]
    twice = next((text for text in texts if texts.count(text) > 1), None) if len(texts) < 1000 else None
    return (f"{twice} is there twice", "list it once") if twice else None


def _range_problem(values: Range, sampler: Sampler) -> tuple[str, str] | None:
    for end in (values.first, values.last):
        if read_number(end) is None:
            return f"{end!r} is no number", "write from: 1 MiB, to: 64 MiB"
    ends = ends_of(values)
    if ends is None:
        return f"{values.first!r} and {values.last!r} are not of one kind", "write numbers with units of one kind"
    first, last, _ = ends
    if not first < last:
        return f"the range from {values.first} to {values.last} is empty", "write the smaller number first"
    if values.steps is not None and values.factor is not None:
        return "has steps and a factor", "give one of them"
    if values.factor is not None and (values.factor <= 1 or first <= 0):
        return "would never end", "begin above zero, with a factor above one"
    if values.steps == 1:
        return "has a single step", "give two or more, or list the value"
    if values.log and first <= 0:
        return "has no logarithm at its beginning", "begin above zero"
    if values.steps is None and values.factor is None and sampler == GRID:
        return "has no end of values between them", "give steps or a factor, or a sampler that searches"
    return None


def _links(study: Study) -> list[tuple[str, str, str]]:
    known = tuple(study.vary)
    found = [
        (f"derive.{path}", f"{derived.of!r} is not varied", suggest(derived.of, known))
        for path, derived in study.derive.items()
        if derived.of not in study.vary
    ]
    found += [
        (f"derive.{path}", "is varied too", "derive it or vary it") for path in study.derive if path in study.vary
    ]
    found += [problem for path, derived in study.derive.items() for problem in _map_problems(study, path, derived)]
    found += [
        (f"each.{place}", f"{path!r} is not varied", suggest(path, known))
        for place, path in enumerate(study.each)
        if path not in study.vary
    ]
    if study.each and study.sampler != GRID:
        found.append(("each", f"a {study.sampler} search has one front", "use sampler: grid, or leave it out"))
    for path, needs in study.only.items():
        if path not in study.vary:
            found.append((f"only.{path}", "is not varied", suggest(path, known)))
        found += [
            (f"only.{path}.{other}", f"{other!r} is not varied", suggest(other, known))
            for other in needs
            if other not in study.vary
        ]
    return found


def _map_problems(study: Study, path: str, derived: Derived) -> list[tuple[str, str, str]]:
    """Keys of a map that are no value of its parameter."""
    values = study.vary.get(derived.of)
    if derived.map is None or not isinstance(values, list):
        return []
    known = tuple(str(value) for value in values)
    return [
        (f"derive.{path}.map.{key}", f"{key!r} is no value of {derived.of}", suggest(key, known))
        for key in derived.map
        if key not in known
    ]


def _limit(text: str) -> Limit | None:
    match = _TERM.fullmatch(text)
    number = read_number(match[3]) if match else None
    if match is None or number is None:
        return None
    try:
        value = parse_quantity(match[3]).value if number[1] else number[0]
    except UnitError:
        return None
    return Limit(metric=match[1], sign=1 if match[2] == "<=" else -1, value=value, text=text)


def read_number(value: Scalar) -> tuple[float, str] | None:
    """(number, unit) of `16`, `4K` (K is 1024) or `16 MiB`; None if it is none of these."""
    if isinstance(value, int | float):
        return None if isinstance(value, bool) else (float(value), "")
    match = _NUMBER.fullmatch(value)
    if match is None:
        return None
    if match[2] in _COUNTS:
        return float(match[1]) * _COUNTS[match[2]], ""
    try:
        if match[2] and parse_quantity(value).dimension == units.NUMBER:
            return None
    except UnitError:
        return None
    return float(match[1]), match[2]


def values_of(values: list[Value] | Range) -> tuple[Value, ...] | None:
    """The values of a parameter in order; None for a range without steps."""
    if not isinstance(values, Range):
        return tuple(values)
    ends = ends_of(values)
    assert ends is not None
    first, last, unit = ends
    if values.factor is not None:
        numbers = [first]
        while numbers[-1] * values.factor <= last * (1 + 1e-9) and len(numbers) < MOST_VALUES:
            numbers.append(numbers[-1] * values.factor)
    elif values.steps is not None:
        count = values.steps - 1
        numbers = [_between(first, last, place / count, log=values.log) for place in range(values.steps)]
    else:
        return None
    return tuple(dict.fromkeys(written(number, unit, whole=values.whole) for number in numbers))


def ends_of(values: Range) -> tuple[float, float, str] | None:
    """(first, last, unit) of a range, the last number in the unit of the first; None if they cannot be compared."""
    first, last = read_number(values.first), read_number(values.last)
    if first is None or last is None:
        return None
    if first[1] == last[1]:
        return first[0], last[0], first[1]
    (scale, kind), (other_scale, other_kind) = parse_unit(first[1]), parse_unit(last[1])
    if kind != other_kind:
        return None
    return first[0], float(f"{last[0] * other_scale / scale:.12g}"), first[1]


def compared(value: Scalar) -> tuple[float, Dimension] | None:
    """(number in SI units, dimension) of a value with or without a unit; None for one that is no number."""
    found = read_number(value)
    if found is None or not found[1]:
        return None if found is None else (found[0], units.NUMBER)
    quantity = parse_quantity(str(value))
    return quantity.value, quantity.dimension


def _between(first: float, last: float, share: float, *, log: bool) -> float:
    return first * (last / first) ** share if log else first + (last - first) * share


def written(number: float, unit: str, *, whole: bool) -> Scalar:
    """A number as a spec writes it, with its unit if it has one."""
    short = round(number) if whole or float(f"{number:.9g}").is_integer() else float(f"{number:.9g}")
    return f"{short} {unit}" if unit else short
