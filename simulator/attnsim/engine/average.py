"""Averaged folding: a loop nest whose schedule repeats only after many iterations, to a makespan with an error bound.

A greedy schedule may repeat after a period longer than exact folding looks for. Its growth with each loop is still
constant on average (the cycle time of a max-plus system, Baccelli et al. 1992, chapter 3). So each loop is cut to a
window that holds whole periods of the common lengths, and the mean growth over it is extended to the whole nest. Two
windows, one behind the other, give two answers; the later one counts, their difference is the error bound.

A window need not hold a whole period of a calendar, nor its two answers differ by what is missing. So a nest on a
resource with a calendar is simulated whole, as `attnsim.engine.fold` does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from attnsim.engine import run
from attnsim.engine.fold import FoldedProgram, FoldedResult, keeps_calendar, run_folded
from attnsim.engine.observe import Trips

SMALL_TASKS = 20_000
# First iteration and length of the window, innermost loop first. A length of 12 holds whole periods of 1, 2, 3, 4,
# 6 and 12; loops further out repeat whole passes of the inner ones and settle sooner.
_WINDOWS = ((8, 12), (2, 6))
# Windows of the loops outside those two, the first that keeps the largest simulated nest below the limit.
_OUTER_WINDOWS = ((4, 12), (3, 6), (2, 4), (2, 2), (1, 1))
_LARGEST_TASKS = 80_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A loop cut to `base` iterations and, for its growth, `base + length`; length 0: it is whole."""

    base: int
    length: int


def run_averaged(program: FoldedProgram, *, engine: str = "fast") -> FoldedResult:
    """Makespan and busy times of a nest, whole when it is small, else by the mean growth over two windows of each loop.

    Raises:
        SimulationError: when the nest gets stuck.
        GraphError: when it has a calendar and more tasks than `run_folded` simulates.
    """
    if program.tasks(program.trips) <= SMALL_TASKS:
        return _whole(program, engine)
    if keeps_calendar(program):
        return run_folded(program, engine=engine)
    seen: dict[Trips, dict[str, int]] = {}
    first = _extended(program, _windows(program, shift=0), seen, engine)
    later = _extended(program, _windows(program, shift=1), seen, engine)
    busy = {name[len("busy ") :]: value for name, value in later.items() if name.startswith("busy ")}
    served = {name[len("served ") :]: value for name, value in later.items() if name.startswith("served ")}
    return FoldedResult(
        makespan_ps=max(later["makespan"], *busy.values()),
        busy_ps=busy,
        served_ps=served,
        exact=False,
        simulated_trips=max(seen, key=program.tasks),
        error_bound_ps=abs(later["makespan"] - first["makespan"]),
    )


def _whole(program: FoldedProgram, engine: str) -> FoldedResult:
    """The nest as it is."""
    return run_folded(
        FoldedProgram(trips=(), build=lambda _: program.build(program.trips), tasks=lambda _: 0), engine=engine
    )


def _windows(program: FoldedProgram, *, shift: int) -> list[Window]:
    """A window for each loop, outermost first; the two innermost moved on by `shift` halves of their lengths."""
    for outer in _OUTER_WINDOWS:
        largest = _sized(program.trips, outer, shift=1)
        if program.tasks(tuple(window.base + window.length for window in largest)) <= _LARGEST_TASKS:
            break
    return _sized(program.trips, outer, shift=shift)


def _sized(trips: Trips, outer: tuple[int, int], *, shift: int) -> list[Window]:
    """Windows of all loops, `outer` for all but the two innermost; a loop shorter than its window is whole."""
    windows: list[Window] = []
    for depth, trip in enumerate(reversed(trips)):
        base, length = _WINDOWS[depth] if depth < len(_WINDOWS) else outer
        if depth < len(_WINDOWS):
            base += shift * length // 2
        windows.append(Window(base=trip, length=0) if trip <= base + length else Window(base=base, length=length))
    return windows[::-1]


def _extended(
    program: FoldedProgram, windows: Sequence[Window], seen: dict[Trips, dict[str, int]], engine: str
) -> dict[str, int]:
    """Multi-affine extension of every observed value from the corners of the windows to the whole nest."""
    choices = []
    for window, trip in zip(windows, program.trips, strict=True):
        if not window.length:
            choices.append([(window.base, Fraction(1))])
            continue
        steps = Fraction(trip - window.base, window.length)
        choices.append([(window.base, 1 - steps), (window.base + window.length, steps)])
    totals: dict[str, Fraction] = {}
    for corner in product(*choices):
        trips = tuple(count for count, _ in corner)
        weight = Fraction(1)
        for _, factor in corner:
            weight *= factor
        for name, value in _observed(program, trips, seen, engine).items():
            totals[name] = totals.get(name, Fraction(0)) + weight * value
    return {name: round(value) for name, value in totals.items()}


def _observed(program: FoldedProgram, trips: Trips, seen: dict[Trips, dict[str, int]], engine: str) -> dict[str, int]:
    if trips not in seen:
        graph = program.build(trips)
        trace = run(graph, engine)
        values = {"makespan": trace.makespan_ps}
        for resource, busy, served in zip(graph.resources, trace.busy_ps, trace.served_ps, strict=True):
            values[f"busy {resource.name}"] = int(busy)
            values[f"served {resource.name}"] = int(served)
        seen[trips] = values
    return seen[trips]
