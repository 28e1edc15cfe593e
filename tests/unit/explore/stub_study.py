"""A process of a study whose designs are judged without a simulation: `python stub_study.py STUDY OUT [OPTION ...]`.

It prints a line for each batch that is written, so that a test can interrupt it wherever it likes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from attnsim.cli import main
from attnsim.explore import search, store, sweep
from attnsim.explore.evaluate import Judged
from attnsim.explore.space import Design, Space

PAUSE_S = 0.002


def judge(space: Space, designs: Sequence[Design]) -> list[Judged]:
    """Numbers that follow from the values' texts, after a while."""
    time.sleep(PAUSE_S * len(designs))
    return [judged(space, design) for design in designs]


def judged(space: Space, design: Design) -> Judged:
    """One design: the second of its values is not feasible with the first of the others."""
    sizes = [float(sum(map(ord, str(value)))) for value in design.values()]
    values = tuple(sum(size * (place + 1) % 17 for size in sizes) for place in range(len(space.study.metrics)))
    return Judged(values=values, infeasible="bound: odd" if sum(sizes) % 5 == 1 else "")


def shown(self: store.Store, first: int, count: int, rows: sweep.Rows) -> None:
    """Write a part, and say so."""
    add(self, first, count, rows)
    sys.stdout.write(f"{first} {count}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sweep.judge = search.judge = judge
    add = store.Store.add
    store.Store.add = shown  # type: ignore[method-assign]
    study, out, *options = sys.argv[1:]
    sys.exit(main(["explore", study, "--out", out, *options]))
