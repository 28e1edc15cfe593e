"""Steady-state folding: from a loop nest too large to simulate whole to its makespan and busy times.

A periodic program is a max-plus linear system: from some trip count on, the end of its last task on each resource grows
by a constant with each period of further trips (Baccelli, Cohen, Olsder and Quadrat 1992, chapter 3). So each loop is
cut to the smallest trip count at which the growth is constant *and* the tail of the schedule repeats, and the values at
the corners of the small box of trip counts are extended multi-affinely to the whole nest.

The growth can change later, when a resource that lags behind catches up. So the result counts as exact only if no
resource grows faster than the one of its island that ends last, or else ends long before it at the full trip counts.

A calendar has a period of its own: the schedule of a nest with one repeats only where the two periods meet, and grows
unevenly in between. Such a nest is simulated whole, or refused when it is too large for that.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from attnsim.engine import run
from attnsim.engine.chains import Chain
from attnsim.engine.observe import Observation, Trips, grows_steadily, islands, observe, repeats
from attnsim.errors import GraphError, Problem
from attnsim.taskgraph import TaskGraph

MAX_TASKS = 200_000
SMALL_TASKS = 1500
FIRST_BASE = 2
# Their distance is prime, so that no short period of the schedule divides it and hides.
FAR_PERIODS = (5, 16)
PERIODS = (1, 2, 3)
MOST_REMEMBERED = 4096
MOST_REMEMBERED_TASKS = 2000
_OBSERVED: dict[Hashable, tuple[int, Observation]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedProgram:
    """A loop nest: `build` makes the exact task graph of the nest for any trip counts from 1 up to `trips`.

    `trips` runs from the outermost loop to the innermost. `tasks` estimates the number of tasks for trip counts without
    building the graph. `key`: programs with equal keys build, for equal trip counts, graphs that run alike and have
    resources of the same names; None says nothing. `chains`: the whole nest, where it is nothing but them, else None;
    `names` are then those of all its resources. `known`: what the whole nest comes to, where that is known.
    """

    trips: Trips
    build: Callable[[Trips], TaskGraph]
    tasks: Callable[[Trips], int]
    key: Hashable = None
    chains: tuple[Chain, ...] | None = None
    names: tuple[str, ...] = ()
    known: FoldedResult | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedResult:
    """What a program takes: `busy_ps` and `served_ps` by resource name, summed as in `attnsim.trace.Trace`.

    `exact`: the numbers are those of the full simulation, as far as the checks of this module can tell. Otherwise the
    makespan is an estimate, and `error_bound_ps` is what it changed by at the last refinement or, if more, what the
    fastest growing resource could add: the order of its error, not a proven bound. `simulated_trips` is the largest
    nest that was simulated.
    """

    makespan_ps: int
    busy_ps: Mapping[str, int]
    served_ps: Mapping[str, int]
    exact: bool
    simulated_trips: Trips
    error_bound_ps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A loop that is cut to `base` trips and grows steadily with each further `period` trips; 0: it is whole."""

    base: int
    period: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """The multi-affine extension to the whole nest, and by how much the resource bounds may exceed it."""

    values: tuple[int, ...]
    excess_ps: int

    @property
    def last_end_ps(self) -> int:
        """End of the last task."""
        return max(self.values[: (len(self.values)) // 3])


class Lab:
    """Simulates cut nests of one program, each once, and keeps account of the tasks."""

    def __init__(self, program: FoldedProgram, max_tasks: int, engine: str) -> None:
        self.program = program
        self.engine = engine
        self.full_tasks = program.tasks(program.trips)
        self.max_tasks = max_tasks
        self.spent_tasks = 0
        self.seen: dict[Trips, Observation] = {}

    def at(self, trips: Trips) -> Observation:
        """The observation of the nest cut to `trips`."""
        if trips not in self.seen:
            tasks, self.seen[trips] = self._observed(trips)
            self.spent_tasks += tasks
        return self.seen[trips]

    def _observed(self, trips: Trips) -> tuple[int, Observation]:
        """Tasks of a cut nest and its observation, remembered from programs that are alike."""
        key = (self.program.key, trips)
        known = self.program.key is not None and self.engine == "fast"
        if known and key in _OBSERVED:
            return _OBSERVED[key]
        graph = self.program.build(trips)
        found = graph.task_count, observe(graph, run(graph, self.engine))
        if known and graph.task_count <= MOST_REMEMBERED_TASKS:
            if len(_OBSERVED) >= MOST_REMEMBERED:
                _OBSERVED.clear()
            _OBSERVED[key] = found
        return found

    def affords(self, trips: Trips) -> bool:
        """Whether a cut nest may be simulated: within the limit, and folding still cheaper than the whole nest."""
        tasks = self.program.tasks(trips)
        return tasks <= self.max_tasks and (self.spent_tasks + tasks < self.full_tasks or not self.can_do_all)

    @property
    def can_do_all(self) -> bool:
        """Whether the whole nest is within the limit."""
        return self.full_tasks <= self.max_tasks


def run_folded(
    program: FoldedProgram, *, max_tasks: int = MAX_TASKS, small_tasks: int = SMALL_TASKS, engine: str = "fast"
) -> FoldedResult:
    """Makespan and busy times of a whole loop nest, simulated whole when it is small and folded when it is not.

    A nest on a resource with a calendar is simulated whole. So is a program without loops, whatever its size.

    Args:
        program: The nest.
        max_tasks: No graph with more tasks is simulated.
        small_tasks: A nest of so many tasks is simulated whole without trying to fold it.
        engine: `fast` or `reference`.

    Raises:
        SimulationError: when the nest gets stuck.
        GraphError: when it has a calendar and loops of more than `max_tasks` tasks.
    """
    lab = Lab(program, max_tasks, engine)
    if lab.full_tasks <= small_tasks or all(trip <= FIRST_BASE for trip in program.trips):
        return _whole(lab)
    if keeps_calendar(program):
        if not lab.can_do_all:
            raise _unfoldable(program, max_tasks)
        return _whole(lab)
    tried: list[tuple[list[Cut], Extension]] = []
    base = FIRST_BASE
    cuts = _cuts(lab, base)
    while cuts is not None and any(cut.period for cut in cuts):
        extension = _extend(lab, cuts)
        if extension.excess_ps == 0 and _probes_hold(lab, cuts):
            return _result(lab, extension, cuts, exact=True)
        tried.append((cuts, extension))
        base = 2 * max(cut.base for cut in cuts if cut.period)
        cuts = _cuts(lab, base)
    return _whole(lab) if cuts is not None or lab.can_do_all else _estimate(lab, base, tried)


def keeps_calendar(program: FoldedProgram) -> bool:
    """Whether a resource of the nest has a calendar, so that its schedule does not repeat with its loops."""
    smallest = program.build(tuple(1 for _ in program.trips))
    return any(resource.calendar is not None for resource in smallest.resources)


def _unfoldable(program: FoldedProgram, max_tasks: int) -> GraphError:
    what = f"a nest of {program.tasks(program.trips)} tasks has a resource with a calendar and cannot be folded"
    return GraphError(Problem(what=what, remedy=f"shorten its loops to {max_tasks} tasks or leave the calendar out"))


def _cuts(lab: Lab, base: int) -> list[Cut] | None:
    """Cut each loop, innermost first, at `base` trips or later; None when that is not to be afforded.

    A cut that holds while the other loops are short need not hold when they have found their own cuts: the loops are
    gone through until nothing changes.
    """
    cuts = [Cut(base=min(trip, FIRST_BASE)) for trip in lab.program.trips]
    settled: list[Cut] = []
    while settled != cuts:
        settled = list(cuts)
        if not _cut_each(lab, cuts, base):
            return None
    return cuts


def _cut_each(lab: Lab, cuts: list[Cut], base: int) -> bool:
    """Cut each loop between the present cuts of the others; whether it could be afforded."""
    for loop in reversed(range(len(cuts))):
        cut = _cut_of(lab, cuts, loop, max(cuts[loop].base, base))
        if cut is None:
            return False
        cuts[loop] = cut
    return True


def _cut_of(lab: Lab, cuts: Sequence[Cut], loop: int, base: int) -> Cut | None:
    """The smallest cut of a loop that holds, the loop itself when it is short; None when neither can be afforded."""
    trip = lab.program.trips[loop]
    around = [cut.base for cut in cuts]
    while base + 2 < trip:
        cut = _steady_cut(lab, around, loop, base)
        if cut is not None:
            return cut
        base *= 2
        if not lab.affords(_with(around, loop, min(base + 2, trip))):
            return None
    return Cut(base=trip) if lab.affords(_with(around, loop, trip)) else None


def _steady_cut(lab: Lab, around: Sequence[int], loop: int, base: int) -> Cut | None:
    """A cut at `base` trips or, so that whole periods are left, a little later, if the growth is steady there."""
    trip = lab.program.trips[loop]
    for period in PERIODS:
        aligned = base + (trip - base) % period
        points = [_with(around, loop, aligned + period * step) for step in range(3)]
        if points[2][loop] > trip or not lab.affords(points[2]):
            return None
        if grows_steadily(*(lab.at(point) for point in points)):
            return Cut(base=aligned, period=period)
    return None


def _with(trips: Sequence[int], loop: int, count: int) -> Trips:
    return (*trips[:loop], count, *trips[loop + 1 :])


def _corners(cuts: Sequence[Cut], at: Trips) -> list[tuple[Trips, int]]:
    """Corner nests of the box of cuts with their weights in the extension to the nest `at`.

    A loop at `base + k * period` is `(1 - k)` times its lower corner and `k` times its upper one.
    """
    choices = []
    for cut, trip in zip(cuts, at, strict=True):
        steps = (trip - cut.base) // cut.period if cut.period else 0
        upper = [(cut.base + cut.period, steps)] if steps else []
        choices.append([(cut.base, 1 - steps), *upper])
    corners = []
    for corner in product(*choices):
        weight = 1
        for _, factor in corner:
            weight *= factor
        corners.append((tuple(count for count, _ in corner), weight))
    return corners


def _extended(lab: Lab, cuts: Sequence[Cut], at: Trips) -> tuple[int, ...]:
    rows = [[weight * value for value in lab.at(trips).values] for trips, weight in _corners(cuts, at)]
    return tuple(map(sum, zip(*rows, strict=True)))


def _extend(lab: Lab, cuts: Sequence[Cut]) -> Extension:
    values = _extended(lab, cuts, lab.program.trips)
    return Extension(values=values, excess_ps=_excess(lab, cuts, values))


def _excess(lab: Lab, cuts: Sequence[Cut], values: tuple[int, ...]) -> int:
    """By how much what grows faster than the resource of its island that ends last may exceed it; 0: by nothing.

    What may grow faster is the last end of another resource or the work that each instance of it has. What follows the
    last task of a resource takes at most as long as the nest with one trip of each loop.
    """
    seen = lab.at(tuple(cut.base for cut in cuts))
    drain = max(lab.at(tuple(1 for _ in cuts)).last_end_ps)
    rows = len(seen.names)
    ends = [(seen.last_end_ps[row], values[row]) for row in range(rows)]
    works = [(seen.busy_ps[row] // count, values[rows + row] // count) for row, count in enumerate(seen.instances)]
    excess = 0
    for island in islands(seen):
        first, last = max(ends[row] for row in island)
        lines = [line for row in island for line in (ends[row], works[row])]
        excess = max(excess, *(full + drain - last for cut, full in lines if full - cut > last - first), 0)
    return excess


def _probes_hold(lab: Lab, cuts: Sequence[Cut]) -> bool:
    """Whether the extension foretells nests far outside of the box: each loop far longer, and all twice as long.

    A change that the cuts were too short to show, such as a buffer that takes many trips to fill, shows here, and so
    does what the loops do to each other.
    """
    steps = [-(-cut.base // cut.period) if cut.period else 0 for cut in cuts]
    loops = range(len(cuts))
    beyond = [[periods * (loop == other) for other in loops] for loop in loops for periods in FAR_PERIODS]
    probes = [_stretched(lab, cuts, counts) for counts in (steps, *beyond)]
    if not all(lab.affords(probe) for probe in probes):
        return False
    if any(_extended(lab, cuts, probe) != lab.at(probe).values for probe in probes):
        return False
    pairs = [probes[1 + len(FAR_PERIODS) * loop :][:2] for loop in loops]
    passes = [prod(cut.base for cut in cuts[:loop]) for loop in loops]
    return all(repeats(lab.at(near), lab.at(far), count) for (near, far), count in zip(pairs, passes, strict=True))


def _stretched(lab: Lab, cuts: Sequence[Cut], periods: Sequence[int]) -> Trips:
    """The nest with so many periods more of each loop than its cut has, at most the whole loop."""
    stretched = (cut.base + count * cut.period for cut, count in zip(cuts, periods, strict=True))
    return tuple(min(count, trip) for count, trip in zip(stretched, lab.program.trips, strict=True))


def _whole(lab: Lab) -> FoldedResult:
    trips = lab.program.trips
    extension = Extension(values=lab.at(trips).values, excess_ps=0)
    return _result(lab, extension, [Cut(base=trip) for trip in trips], exact=True)


def _estimate(lab: Lab, base: int, tried: list[tuple[list[Cut], Extension]]) -> FoldedResult:
    """The extension from the last cuts that were found or, if there are none, from the largest that can be afforded."""
    trips = lab.program.trips
    while base > 1 and lab.program.tasks(tuple(min(trip, base + 1) for trip in trips)) > lab.max_tasks:
        base //= 2
    smaller, larger = ([Cut(base=min(t, b), period=int(t > b)) for t in trips] for b in (max(base // 2, 1), base))
    tried = [(smaller, _extend(lab, smaller)), *(tried or [(larger, _extend(lab, larger))])]
    (_, before), (cuts, last) = tried[-2:]
    moved = abs(before.last_end_ps - last.last_end_ps)
    return _result(lab, last, cuts, exact=False, error_bound_ps=max(moved, last.excess_ps))


def _result(
    lab: Lab, extension: Extension, cuts: Sequence[Cut], *, exact: bool, error_bound_ps: int = 0
) -> FoldedResult:
    names = lab.at(tuple(cut.base for cut in cuts)).names
    rows = len(names)
    busy: dict[str, int] = {}
    served: dict[str, int] = {}
    for row, name in enumerate(names[:-1]):
        busy[name] = busy.get(name, 0) + extension.values[rows + row]
        served[name] = served.get(name, 0) + extension.values[2 * rows + row]
    return FoldedResult(
        makespan_ps=extension.last_end_ps,
        busy_ps=busy,
        served_ps=served,
        exact=exact,
        simulated_trips=max(lab.seen, key=lab.program.tasks),
        error_bound_ps=error_bound_ps,
    )
