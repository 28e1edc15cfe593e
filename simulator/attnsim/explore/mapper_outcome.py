"""What the search of one hardware family came to."""

from __future__ import annotations

from dataclasses import dataclass

from attnsim.explore.mapper_answer import Tally
from attnsim.pipeline import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a search came to: the best run with its mapping, the counts, a floor under the goal, and whether the mapping
    is optimal in the space. interrupted: the user stopped it."""

    run: Run
    tally: Tally
    floor: float | None
    optimal: bool
    interrupted: bool = False
