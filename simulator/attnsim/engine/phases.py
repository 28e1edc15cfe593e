"""Phases in sequence: each a set of folded programs, some side by side, to one timeline.

The phases' own simulations give work and resources; one more task graph, in which a program holds a token of every
resource that it uses, puts them in order. Phases that stand beside each other overlap as far as their resources and
rounds allow.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from attnsim.engine import run
from attnsim.engine.average import run_averaged
from attnsim.engine.chains import chain_ticks
from attnsim.engine.fold import FoldedProgram, FoldedResult, run_folded
from attnsim.engine.grid import GridProgram, run_grid
from attnsim.engine.parts import run_parts
from attnsim.taskgraph import NO_RESOURCE, GraphBuilder, TaskGraph

_UNLIMITED = 1 << 20
CLOCK_BITS = 56
MOST_RESULTS = 16_384
_RESULTS: dict[Hashable, FoldedResult] = {}
_SPANS: dict[Hashable, tuple[PhaseSpan, ...]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedProgram:
    """A folded program, or a kernel launch, and the length of its unit of time.

    A program on one clock may count in fractions of its cycle, so that no duration is rounded; its times are turned
    into picoseconds once, at the end. averaged: its schedule may repeat only after long periods, see
    `attnsim.engine.average`. instances: resources of many equal instances, whose busy time is the mean over them.
    markers: labels of markers, in order, that cut the program into spans of their own; it then has no loops.
    """

    program: FoldedProgram | GridProgram
    tick_ps: Fraction = Fraction(1)
    averaged: bool = False
    instances: Mapping[str, int] = field(default_factory=dict)
    markers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramPhase:
    """A phase: `programs` that run at once; where they use the same resource they take turns.

    beside: it runs side by side with the phase before it. rounds: how many times it hands over to a phase beside
    it; 0 when phases beside each other do not wait for one another. once: it is not part of each layer. key: of
    phases that take the same time; None for one that is simulated anew.
    """

    step: str
    name: str
    programs: tuple[TimedProgram, ...]
    beside: bool = False
    rounds: int = 0
    once: bool = False
    key: Hashable = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseSpan:
    """Simulated time of a group of phases that overlap, in all layers: `busy_ps` by resource name. exact: nothing was
    extrapolated.
    """

    step: str
    name: str
    makespan_ps: int
    busy_ps: Mapping[str, int]
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """All groups of phases in order, and when the last one ends."""

    makespan_ps: int
    spans: tuple[PhaseSpan, ...]


def run_phases(phases: Sequence[ProgramPhase], *, layers: int = 1, engine: str = "fast") -> Timeline:
    """Simulate phases in order on `engine` (`fast` or `reference`), all but those that come once for each layer."""
    groups: list[list[ProgramPhase]] = []
    for phase in phases:
        if phase.beside and groups:
            groups[-1].append(phase)
        else:
            groups.append([phase])
    repeated = tuple(span for group in groups if not group[0].once for span in _spans(group, engine))
    single = tuple(span for group in groups if group[0].once for span in _spans(group, engine))
    spans = (*(_in_all(span, layers) for span in repeated), *single)
    unit_ps = _unit_ps(sum(span.makespan_ps for span in spans))
    if engine == "fast":  # a chain on one server needs no graph
        ticks = layers * sum(-(-span.makespan_ps // unit_ps) for span in repeated)
        ticks += sum(-(-span.makespan_ps // unit_ps) for span in single)
        return Timeline(makespan_ps=unit_ps * ticks, spans=spans)
    graph = GraphBuilder()
    line = graph.resource("phases")
    last: list[int] = []
    for span in (*repeated * layers, *single):
        last = [graph.task(line, -(-span.makespan_ps // unit_ps), last, origin=(span.name, 0, "phase"))]
    return Timeline(makespan_ps=unit_ps * run(graph.build(), engine=engine).makespan_ps, spans=spans)


def _in_all(span: PhaseSpan, layers: int) -> PhaseSpan:
    """A span of one layer in all of them."""
    if layers == 1:
        return span
    busy = {name: layers * picoseconds for name, picoseconds in span.busy_ps.items()}
    return replace(span, makespan_ps=layers * span.makespan_ps, busy_ps=busy)


def _unit_ps(total_ps: int) -> int:
    """Picoseconds in a tick of the graph that orders phases: 1, unless the engine's clock would end before them."""
    return 1 << max(0, total_ps.bit_length() - CLOCK_BITS)


def _spans(group: Sequence[ProgramPhase], engine: str) -> tuple[PhaseSpan, ...]:
    """What a group comes to; the fast engine remembers it where every phase has a key."""
    keys = tuple(phase.key for phase in group)
    if engine != "fast" or None in keys:
        return _spans_of(group, engine)
    if keys not in _SPANS:
        if len(_SPANS) >= MOST_RESULTS:
            _SPANS.clear()
        _SPANS[keys] = _spans_of(group, engine)
    return _SPANS[keys]


def _spans_of(group: Sequence[ProgramPhase], engine: str) -> tuple[PhaseSpan, ...]:
    """The span of a group, or one for each marker of a program that stands alone."""
    (timed, *more) = [timed for phase in group for timed in phase.programs]
    if more or not timed.markers:
        return (_run_group(group, engine),)
    assert isinstance(timed.program, FoldedProgram)
    return tuple(
        PhaseSpan(
            step=group[0].step,
            name=part.name,
            makespan_ps=math.ceil(part.length_ps * timed.tick_ps),
            busy_ps=_mean_busy(timed, part.busy_ps),
            exact=True,
        )
        for part in run_parts(timed.program.build(()), timed.markers, engine=engine)
    )


def _mean_busy(timed: TimedProgram, busy: Mapping[str, int]) -> dict[str, int]:
    """Busy picoseconds from ticks, in the mean over instances."""
    above, below, instances = timed.tick_ps.numerator, timed.tick_ps.denominator, timed.instances
    return {name: _rounded(ticks * above, below * instances.get(name, 1)) for name, ticks in busy.items()}


def _rounded(above: int, below: int) -> int:
    """The whole number nearest to a fraction, the even one of two."""
    whole, rest = divmod(above, below)
    return whole + (2 * rest > below or (2 * rest == below and whole % 2 == 1))


def _run_group(group: Sequence[ProgramPhase], engine: str) -> PhaseSpan:
    results = [[_run_program(timed, engine) for timed in phase.programs] for phase in group]
    busy: dict[str, int] = {}
    for result in (r for row in results for r in row):
        for name, picoseconds in result.busy_ps.items():
            busy[name] = busy.get(name, 0) + picoseconds
    return PhaseSpan(
        step=group[0].step,
        name="+".join(phase.name for phase in group),
        makespan_ps=_group_makespan(group, results, engine),
        busy_ps=busy,
        exact=all(r.exact for row in results for r in row),
    )


def _run_program(timed: TimedProgram, engine: str) -> FoldedResult:
    """Run a program and turn its times into whole picoseconds; a launch counts in picoseconds anyway."""
    if isinstance(timed.program, GridProgram):
        return run_grid(timed.program, engine=engine)
    result = _run_nest(timed.program, averaged=timed.averaged, engine=engine)
    busy = _mean_busy(timed, result.busy_ps)
    ceiling = -(-result.makespan_ps * timed.tick_ps.numerator // timed.tick_ps.denominator)
    return FoldedResult(
        makespan_ps=ceiling,
        busy_ps=busy,
        served_ps=result.served_ps,
        exact=result.exact,
        simulated_trips=result.simulated_trips,
        error_bound_ps=result.error_bound_ps,
    )


def _run_nest(program: FoldedProgram, *, averaged: bool, engine: str) -> FoldedResult:
    """Run a loop nest on an engine: the fast one takes what is known, counts chains, and remembers the rest."""
    runner = run_averaged if averaged else run_folded
    if engine != "fast":
        return runner(program, engine=engine)
    if program.known is not None:
        return program.known
    ticks = None if program.chains is None else chain_ticks(program.chains)
    if ticks is not None:
        busy = dict.fromkeys(program.names, 0) | ticks
        return FoldedResult(
            makespan_ps=max(ticks.values(), default=0),
            busy_ps=busy,
            served_ps=busy,
            exact=True,
            simulated_trips=program.trips,
            error_bound_ps=0,
        )
    if program.key is None:
        return runner(program, engine=engine)
    key = (program.key, program.trips, averaged)
    if key not in _RESULTS:
        if len(_RESULTS) >= MOST_RESULTS:
            _RESULTS.clear()
        _RESULTS[key] = runner(program, engine=engine)
    return _RESULTS[key]


def _group_makespan(group: Sequence[ProgramPhase], results: Sequence[Sequence[FoldedResult]], engine: str) -> int:
    if len(results) == 1 and len(results[0]) == 1:
        return results[0][0].makespan_ps
    rounds = min(phase.rounds for phase in group)
    unit_ps = _unit_ps(sum(sum(r.busy_ps.values(), r.makespan_ps) for row in results for r in row))
    if engine == "fast" and not rounds:
        return unit_ps * _one_round_ticks([result for row in results for result in row], unit_ps)

    def build(trips: tuple[int, ...]) -> TaskGraph:
        return _group_graph(results, trips[0], max(rounds, 1) * unit_ps, handover=rounds > 0)

    program = FoldedProgram(trips=(max(rounds, 1),), build=build, tasks=lambda trips: trips[0] * len(group) * 3)
    return unit_ps * run_folded(program, engine=engine).makespan_ps


def _one_round_ticks(results: Sequence[FoldedResult], unit_ps: int) -> int:
    """Ticks of a single round of programs side by side: the longest of them, or a resource that takes turns longer."""
    held: dict[str, int] = {}
    for result in results:
        for name, busy in result.busy_ps.items():
            held[name] = held.get(name, 0) + busy // unit_ps
    return max([*(result.makespan_ps // unit_ps for result in results), *held.values()])


def _group_graph(results: Sequence[Sequence[FoldedResult]], simulated: int, share: int, *, handover: bool) -> TaskGraph:
    """The first `simulated` rounds; a round is 1/share of each program's picoseconds, in ticks of the graph."""
    graph = GraphBuilder()
    clock = graph.resource("phases", servers=_UNLIMITED)
    names = dict.fromkeys(n for row in results for r in row for n, busy in r.busy_ps.items() if busy)
    pools = {name: graph.pool(name, 1) for name in names}
    for number in range(simulated):
        made: list[int] = []
        for row in results:
            tasks = [task for result in row for task in _round(graph, clock, pools, result, share, made, number)]
            made = [graph.task(NO_RESOURCE, 0, tasks)] if handover else []
    return graph.build()


def _round(
    graph: GraphBuilder,
    clock: int,
    pools: Mapping[str, int],
    result: FoldedResult,
    share: int,
    made: Sequence[int],
    number: int,
) -> list[int]:
    """One round of a program: it lasts as long as alone, and holds each resource for as long as it is busy with it."""
    origin = ("round", number, "phase")
    tasks = [graph.task(clock, result.makespan_ps // share, made, origin=origin)]
    for name, busy in result.busy_ps.items():
        if busy:
            token = [(pools[name], 1)]
            held = graph.task(
                clock,
                busy // share,
                made,
                priority=number,
                acquire=token,
                release=token,
                origin=(name, number, "phase"),
            )
            tasks.append(held)
    return tasks
