"""A plan as a timeline for ui.perfetto.dev: what each resource does when, one process a resource, phase after phase.

Loop nests that are too long to look at are cut to their first rounds: each loop is halved, the longest first, until the
phase has few enough tasks. What is shown is then an exact simulation of that shorter nest. Programs that run at once
but share a resource stand one after the other; the engine lets them take turns in smaller steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from attnsim.engine import run
from attnsim.engine.fold import FoldedProgram
from attnsim.engine.grid import GridProgram
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


def make_timeline(plan: Plan, most_tasks: int) -> Timeline | Infeasible:
    """Simulate every phase of a plan, cut to at most `most_tasks` tasks a phase, and put them one after the other."""
    family = family_of(plan.hardware)
    bound = family.bind(plan.workload, plan.hardware, plan.mappings, plan.assumptions)
    if isinstance(bound, Infeasible):
        return bound
    events: list[TraceEvent] = []
    cuts: list[str] = []
    free_us: dict[str, float] = {}
    begin_us = 0.0
    for phase in family.lower(bound):
        begin_us = begin_us if phase.beside else max(free_us.values(), default=0.0)
        for timed in phase.programs:
            events += _placed(list(_events(timed, plan.request.engine, most_tasks)), begin_us, free_us)
        cuts += _cuts(phase, most_tasks)
    processes = {name: process for process, name in enumerate(free_us)}
    shown = [{**event, "pid": processes[str(event["pid"])]} for event in events]
    return Timeline(events=tuple(_names(processes) + shown), cuts=tuple(cuts))


def shortened(program: FoldedProgram | GridProgram, most_tasks: int) -> tuple[int, ...]:
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


def _placed(events: Sequence[TraceEvent], begin_us: float, free_us: dict[str, float]) -> list[TraceEvent]:
    """The events of a program, moved to where all of its resources are free; `free_us` is brought up to date."""
    resources = dict.fromkeys(str(event["pid"]) for event in events)
    start = max([begin_us, *(free_us.get(name, 0.0) for name in resources)])
    end = start + max((_end_us(event) for event in events), default=0.0)
    free_us.update(dict.fromkeys(resources, end))
    return [{**event, "ts": start + ts} if isinstance(ts := event.get("ts"), float) else event for event in events]


def _end_us(event: TraceEvent) -> float:
    begin, length = event.get("ts", 0.0), event.get("dur", 0.0)
    return begin + length if isinstance(begin, float) and isinstance(length, float) else 0.0


def _names(processes: dict[str, int]) -> list[TraceEvent]:
    return [
        {"name": "process_name", "ph": "M", "pid": process, "tid": 0, "args": {"name": name}}
        for name, process in processes.items()
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
