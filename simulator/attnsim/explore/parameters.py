"""What a search varies: the values of a study as Optuna's distributions, and back from what was proposed or written.

Values in an order (numbers of one unit that rise or fall, shapes that do so in every item) are integers that count
through them, so that samplers know what is near; others are categories; ranges without steps are numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

from attnsim.errors import AttnSimError
from attnsim.explore.space import Design, Space, text_of
from attnsim.specs.spec import problem_at
from attnsim.specs.study import Range, Study, Value, compared, ends_of, read_number, values_of, written

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Proposed = int | float | str
"""What Optuna keeps of a value: an index, a number, or the text of a category."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A varied path. values: all of them, `ordered` if they rise or fall; None for a range without steps, which goes
    from `first` to `last` in `unit`, evenly in its logarithm if `log`, integers if `whole`."""

    path: str
    values: tuple[Value, ...] | None
    ordered: bool = False
    first: float = 0.0
    last: float = 0.0
    unit: str = ""
    log: bool = False
    whole: bool = False


def parameters_of(study: Study) -> tuple[Parameter, ...]:
    """The parameters of a study; AttnSimError for a range of integers that holds none."""
    found = tuple(_parameter(path, values) for path, values in study.vary.items())
    empty = [one.path for one in found if one.whole and one.values is None and one.first > one.last]
    if empty:
        what, remedy = "has no whole number in it", "widen it, or leave out whole"
        raise AttnSimError(*(problem_at(study, f"vary.{path}", what, remedy) for path in empty))
    return found


def _parameter(path: str, given: list[Value] | Range) -> Parameter:
    values = values_of(given)
    if values is not None or not isinstance(given, Range):
        return Parameter(path=path, values=values, ordered=isinstance(given, Range) or in_order(values or ()))
    ends = ends_of(given)
    assert ends is not None
    first, last, unit = ends
    if given.whole:
        first, last = math.ceil(first), math.floor(last)
    return Parameter(path=path, values=None, first=first, last=last, unit=unit, log=given.log, whole=given.whole)


def in_order(values: Sequence[Value]) -> bool:
    """Whether values are numbers of one kind, or lists of as many numbers, that all rise or all fall."""
    rows = [value if isinstance(value, list) else [value] for value in values]
    columns = [[compared(item) for item in column] for column in zip(*rows, strict=False)]
    if len(values) < 2 or len({len(row) for row in rows}) > 1:
        return False
    steps: list[float] = []
    for column in columns:
        known = [number for number in column if number is not None]
        if len(known) < len(column) or len({kind for _, kind in known}) > 1:
            return False
        steps += [after[0] - before[0] for before, after in pairwise(known)]
    return any(steps) and (all(step >= 0 for step in steps) or all(step <= 0 for step in steps))


def distribution(parameter: Parameter) -> BaseDistribution:
    """Optuna's distribution of a parameter."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if parameter.values is None and parameter.whole:
        return IntDistribution(int(parameter.first), int(parameter.last), log=parameter.log)
    if parameter.values is None:
        return FloatDistribution(parameter.first, parameter.last, log=parameter.log)
    if parameter.ordered or len(parameter.values) == 1:
        return IntDistribution(0, len(parameter.values) - 1)
    return CategoricalDistribution([text(value) for value in parameter.values])


def value(parameter: Parameter, proposed: Proposed) -> Value:
    """The value that was proposed."""
    if parameter.values is None:
        assert not isinstance(proposed, str)
        return written(proposed, parameter.unit, whole=parameter.whole)
    if isinstance(proposed, str):
        return next(one for one in parameter.values if text(one) == proposed)
    return parameter.values[int(proposed)]


def proposal(parameter: Parameter, given: Value) -> Proposed:
    """What Optuna keeps of a value, the opposite of `value`."""
    if parameter.values is None:
        number = None if isinstance(given, list) else read_number(given)
        assert number is not None
        kept = min(max(number[0], parameter.first), parameter.last)
        return round(kept) if parameter.whole else kept
    place = [text(one) for one in parameter.values].index(text(given))
    return place if parameter.ordered or len(parameter.values) == 1 else text(given)


def drawn(parameter: Parameter, random: Random) -> Value:
    """A value by chance."""
    if parameter.values is not None:
        return random.choice(parameter.values)
    ends = (math.log(parameter.first), math.log(parameter.last)) if parameter.log else (parameter.first, parameter.last)
    number = random.uniform(*ends)
    return written(math.exp(number) if parameter.log else number, parameter.unit, whole=parameter.whole)


def design_from(space: Space, parameters: Sequence[Parameter], values: Mapping[str, Value]) -> Design:
    """A design of its own: paths that others switch off have their first value."""
    design = dict(values)
    for parameter in parameters:
        if not space.active(parameter.path, design):
            design[parameter.path] = first_value(parameter)
    return design


def first_value(parameter: Parameter) -> Value:
    """What a path has where it is not varied."""
    if parameter.values is not None:
        return parameter.values[0]
    return written(parameter.first, parameter.unit, whole=parameter.whole)


def key_of(design: Design) -> tuple[str, ...]:
    """The same for designs with the same values."""
    return tuple(text(one) for one in design.values())


def text(given: Value) -> str:
    """A value as it is written down."""
    return str(text_of(given))


def value_of(study: Study, path: str, read: str) -> Value:
    """A value of a path from its text in a results folder."""
    values = values_of(study.vary[path])
    for one in values or ():
        if text(one) == read:
            return one
    return _number(read)


def _number(read: str) -> Value:
    """A number as `written` gives it: a text if it has a unit."""
    try:
        number = float(read)
    except ValueError:
        return read
    return int(read) if read.lstrip("+-").isdigit() else number
