"""A plan as a timeline for ui.perfetto.dev: what each resource does when, one process a resource, phase after phase.

Loop nests that are too long to look at are cut to their first rounds: each loop is halved, the longest first, until the
phase has few enough tasks. What is shown is then an exact simulation of that shorter nest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from attnsim.engine import run
from attnsim.engine.fold import FoldedProgram
from attnsim.engine.phases import ProgramPhase, TimedProgram
from attnsim.mapping.infeasible import Infeasible
from attnsim.pipeline import Plan, family_of
from attnsim.trace import TraceEvent, chrome_trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Events in the Trace Event Format; `cuts` says in words which phases are shown only in part."""

    events: tuple[TraceEvent, ...]
    cuts: tuple[str, ...]

    def document(self) -> dict[str, object]:
        """The whole as the object that Perfetto and chrome://tracing open."""
        return {"displayTimeUnit": "ns", "traceEvents": list(self.events)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a phase goes: its begin in microseconds and its track among phases that run side by side."""

    begin_us: float
    beside: int


def make_timeline(plan: Plan, most_tasks: int) -> Timeline | Infeasible:
    """Simulate every phase of a plan, cut to at most `most_tasks` tasks a phase, and put them one after the other."""
    family = family_of(plan.hardware)
    bound = family.bind(plan.workload, plan.hardware, plan.mappings, plan.assumptions)
    if isinstance(bound, Infeasible):
        return bound
    events: list[TraceEvent] = []
    cuts: list[str] = []
    processes: dict[tuple[str, int], int] = {}
    place, end_us = Place(begin_us=0.0, beside=0), 0.0
    for phase in family.lower(bound):
        place = (
            Place(begin_us=place.begin_us, beside=place.beside + 1)
            if phase.beside
            else Place(begin_us=end_us, beside=0)
        )
        shown = [event for timed in phase.programs for event in _events(timed, plan.request.engine, most_tasks)]
        events += [_placed(event, place, processes) for event in shown]
        cuts += _cuts(phase, most_tasks)
        end_us = max([end_us, *(place.begin_us + _end_us(event) for event in shown)])
    return Timeline(events=tuple(_names(processes) + events), cuts=tuple(cuts))


def shortened(program: FoldedProgram, most_tasks: int) -> tuple[int, ...]:
    """Trip counts of the program's loops, the longest halved until at most `most_tasks` tasks are left."""
    trips = tuple(program.trips)
    while program.tasks(trips) > most_tasks and max(trips) > 1:
        longest = trips.index(max(trips))
        trips = (*trips[:longest], (trips[longest] + 1) // 2, *trips[longest + 1 :])
    return trips


def _events(timed: TimedProgram, engine: str, most_tasks: int) -> Iterator[TraceEvent]:
    """Events of one program with times in microseconds; `pid` is the name of the resource until it is placed."""
    graph = timed.program.build(shortened(timed.program, most_tasks))
    document = chrome_trace(graph, run(graph, engine=engine))
    events = document["traceEvents"]
    assert isinstance(events, list)
    names = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
    scale = float(timed.tick_ps)
    for event in events:
        if event["name"] != "process_name":
            times = {key: event[key] * scale for key in ("ts", "dur") if key in event}
            yield {**event, **times, "pid": names[event["pid"]]}


def _placed(event: TraceEvent, place: Place, processes: dict[tuple[str, int], int]) -> TraceEvent:
    process = processes.setdefault((str(event["pid"]), place.beside), len(processes))
    begin = event.get("ts")
    moved = {"ts": begin + place.begin_us} if isinstance(begin, float) else {}
    return {**event, **moved, "pid": process}


def _end_us(event: TraceEvent) -> float:
    begin, length = event.get("ts", 0.0), event.get("dur", 0.0)
    return begin + length if isinstance(begin, float) and isinstance(length, float) else 0.0


def _names(processes: dict[tuple[str, int], int]) -> list[TraceEvent]:
    return [
        {
            "name": "process_name",
            "ph": "M",
            "pid": process,
            "tid": 0,
            "args": {"name": f"{name} (beside)" if beside else name},
        }
        for (name, beside), process in processes.items()
    ]


def _cuts(phase: ProgramPhase, most_tasks: int) -> list[str]:
    pairs = ((timed.program.trips, shortened(timed.program, most_tasks)) for timed in phase.programs)
    return [
        f"{phase.step}, {phase.name}: the first {_nest(kept)} of {_nest(whole)} rounds"
        for whole, kept in dict.fromkeys((tuple(whole), kept) for whole, kept in pairs)
        if whole != kept
    ]


def _nest(trips: Sequence[int]) -> str:
    return " x ".join(map(str, trips))
