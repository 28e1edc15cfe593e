"""Service-level objectives: limits on what a request waits, written as `ttft=2s,tbt=60ms`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from attnsim import units
from attnsim.errors import AttnSimError, Problem
from attnsim.units import UnitError, parse_quantity

MEASURES = ("ttft", "tbt", "tpot", "latency")
"""Time to the first token, longest time between two tokens, mean time between tokens, time to the last token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """Limits in seconds by measure; a request keeps them if it is below all of them."""

    limits_s: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        return ", ".join(f"{name} {limit * 1e3:g} ms" for name, limit in self.limits_s)


def parse_slo(text: str) -> Slo:
    """Read limits with commas; AttnSimError lists what is wrong with each."""
    found: dict[str, float] = {}
    problems = []
    for word in text.split(","):
        name, _, value = (part.strip() for part in word.partition("="))
        problem = _problem(name, value, word, found)
        if problem is not None:
            problems.append(problem)
        else:
            found[name] = parse_quantity(value).value
    if problems:
        raise AttnSimError(*problems)
    return Slo(limits_s=tuple(found.items()))


def _problem(name: str, value: str, word: str, found: dict[str, float]) -> Problem | None:
    if name not in MEASURES:
        near = difflib.get_close_matches(name, MEASURES, 1)
        remedy = f"did you mean {near[0]}?" if near else f"known: {', '.join(MEASURES)}"
        return Problem(path="--slo", what=f"{word.strip()[:40]!r} limits nothing that is known", remedy=remedy)
    if name in found:
        return Problem(path="--slo", what=f"{name} is limited twice", remedy="give it once")
    try:
        quantity = parse_quantity(value)
    except UnitError:
        quantity = None
    if quantity is None or quantity.dimension != units.TIME or quantity.value <= 0:
        what = f"{value[:40]!r} is not a time above zero"
        return Problem(path="--slo", what=what, remedy=f"write for example {name}=60ms")
    return None
