"""The `overlap` lines of a phase as lanes: which stages of a tile run one after the other and which side by side.

Phase of a mapping -> steps of lanes; a step begins when all lanes of the one before have ended (TeAAL's block rule).
"""

from __future__ import annotations

from dataclasses import dataclass

from attnsim.specs.loop_nest import Phase

_DRAIN = "drain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Stages of one lane of a step in order; `drain` names an array whose pipeline empties instead."""

    stages: tuple[str, ...]
    drain: str | None = None


def lanes_of(phase: Phase) -> tuple[tuple[Lane, ...], ...]:
    """Steps of a tile, each with its lanes; without `overlap`, one step with a lane per array."""
    if not phase.overlap:
        return (tuple(Lane(stages=tuple(names)) for names in phase.place.values() if names),)
    return tuple(tuple(_lane(text) for text in line.split("|")) for line in phase.overlap)


def _lane(text: str) -> Lane:
    words = text.replace(",", " ").split()
    if words and words[0] == _DRAIN:
        return Lane(stages=(), drain=words[1] if len(words) > 1 else "")
    return Lane(stages=tuple(words))
