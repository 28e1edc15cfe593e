"""A kernel launch as a program: a grid of CTAs on the SMs beside the streams of data that it moves, to a makespan.

A launch starts after `before_ps`. Its CTAs wait for the first part `exposed` of every stream, because a pipeline must
be filled, and as large a part of the grid's own time passes after the last byte, because it must be drained: with
compute time c and stream time s the launch takes max(x s + c, s + x c). Everything else overlaps. `graph` says the same
as a task graph with a task for each CTA, which is what the reference engine runs; `run_grid` comes to the same end
without one (tests/conformance/test_grids.py).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from attnsim.engine import run
from attnsim.engine.fold import FoldedResult
from attnsim.taskgraph import PS_PER_S, GraphBuilder, Resource, TaskGraph

CTA_LIMIT = 2048
"""CTAs of a launch that are simulated one by one; of larger grids, copies in the middle pass at the mean rate."""
MOST_REMEMBERED = 8192
_SIMULATED: dict[Hashable, tuple[float, bool]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Data that a launch moves through a shared resource while it computes, in the resource's units (bytes)."""

    resource: Resource
    units: float

    @property
    def alone_ps(self) -> float:
        """How long the stream takes when nothing else uses its resource."""
        rate = min(self.resource.capacity, self.resource.per_flow_cap)
        return self.units / rate * PS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class GridProgram:
    """One launch. `works_ps` are the CTAs of one copy in order of dispatch, in picoseconds of an SM that they have
    alone.

    sms: a `shared` group with slots whose capacity is in such picoseconds a second; a CTA is no faster than
    `per_flow_cap`. repeats: copies of the CTAs. grouped: all copies of a CTA are dispatched before those of the next.
    """

    name: str
    sms: Resource
    works_ps: npt.NDArray[np.float64]
    repeats: int = 1
    grouped: bool = False
    streams: tuple[Stream, ...] = ()
    exposed: float = 0.0
    before_ps: int = 0

    @property
    def trips(self) -> tuple[int, ...]:
        """The one loop of a launch: over copies of its CTAs."""
        return (self.repeats,)

    def tasks(self, trips: tuple[int, ...]) -> int:
        """Tasks of the graph of so many copies."""
        return len(self.works_ps) * trips[0] + 2 * len(self.streams) + 2

    def build(self, trips: tuple[int, ...]) -> TaskGraph:
        """The task graph of the first copies."""
        return grid_graph(replace(self, repeats=trips[0]))

    @property
    def share(self) -> float:
        """CTAs that an SM runs at full speed at once."""
        return self.sms.capacity / self.sms.per_flow_cap


def run_grid(program: GridProgram, *, engine: str = "fast") -> FoldedResult:
    """Makespan and busy times of a launch; the reference engine runs its whole graph."""
    if engine == "reference":
        return _run_graph(program, engine)
    slots, instances = program.sms.slots, program.sms.instances
    compute, exact = 0.0, True
    if len(program.works_ps) and program.repeats:
        compute, exact = ctas_ps(
            program.works_ps,
            program.repeats,
            grouped=program.grouped,
            share=program.share,
            slots=slots,
            instances=instances,
        )
    streamed = max((stream.alone_ps for stream in program.streams), default=0.0)
    exposed = program.exposed
    makespan = program.before_ps + max(exposed * streamed + compute, streamed + exposed * compute)
    work = float(program.works_ps.sum()) * program.repeats
    busy = {program.sms.name: min(work / (instances * min(slots, program.share)), compute)}
    busy |= {stream.resource.name: stream.alone_ps for stream in program.streams}
    busy |= {"launch": float(program.before_ps)}
    rounded = {name: round(picoseconds) for name, picoseconds in busy.items()}
    return FoldedResult(
        makespan_ps=int(np.ceil(makespan)),
        busy_ps=rounded,
        served_ps=rounded,
        exact=exact,
        simulated_trips=(min(CTA_LIMIT, len(program.works_ps) * program.repeats),),
        error_bound_ps=0 if exact else int(program.works_ps.max()),
    )


def ctas_ps(
    works_ps: npt.NDArray[np.float64], repeats: int, *, grouped: bool, share: float, slots: int, instances: int
) -> tuple[float, bool]:
    """Picoseconds of a grid's CTAs, and whether all were simulated; remembered for grids that are alike.

    The arguments are those of `attnsim.engine.grid_kernel.grid_makespan`.
    """
    from attnsim.engine.grid_kernel import grid_makespan

    key = (works_ps.tobytes(), repeats, grouped, share, slots, instances)
    if key not in _SIMULATED:
        if len(_SIMULATED) >= MOST_REMEMBERED:
            _SIMULATED.clear()
        scratch, marks = np.zeros((3 + slots, instances)), np.zeros((3, instances), np.int64)
        _SIMULATED[key] = grid_makespan(works_ps, repeats, grouped, share, slots, instances, CTA_LIMIT, scratch, marks)
    return _SIMULATED[key]


def _run_graph(program: GridProgram, engine: str) -> FoldedResult:
    graph = grid_graph(program)
    trace = run(graph, engine)
    names = [resource.name for resource in graph.resources]
    busy = {name: int(value) for name, value in zip(names, trace.busy_ps, strict=True) if name != "drain"}
    rate = program.sms.instances * min(program.sms.slots, program.share)
    busy[program.sms.name] = min(round(float(program.works_ps.sum()) * program.repeats / rate), trace.makespan_ps)
    return FoldedResult(
        makespan_ps=trace.makespan_ps,
        busy_ps=busy,
        served_ps=busy,
        exact=True,
        simulated_trips=(len(program.works_ps) * program.repeats,),
        error_bound_ps=0,
    )


def grid_graph(program: GridProgram) -> TaskGraph:
    """The launch as a task graph: one task for each CTA, and each stream as what fills the pipeline and the rest."""
    graph = GraphBuilder()
    launch = graph.resource("launch")
    sms = _added(graph, program.sms)
    drain = graph.resource("drain", servers=1 << 20)
    begin = graph.task(launch, program.before_ps, (), origin=(program.name, 0, "launch"))
    filled, streamed = [begin], []
    for stream in program.streams:
        place = _added(graph, stream.resource)
        first = round(stream.units * program.exposed)
        fill = graph.task(place, first, [begin], origin=(program.name, 0, "fill"))
        filled.append(fill)
        rest = graph.task(place, round(stream.units) - first, [fill], origin=(program.name, 0, "stream"))
        streamed.append(rest)
    tiled = np.repeat if program.grouped else np.tile
    for number, work in enumerate(tiled(program.works_ps, program.repeats)):
        graph.task(sms, round(float(work)), filled, origin=(program.name, number, "cta"))
    if program.exposed and streamed:
        compute = run_grid(replace(program, streams=(), before_ps=0)).makespan_ps
        graph.task(drain, round(compute * program.exposed), streamed, origin=(program.name, 0, "drain"))
    return graph.build()


def _added(graph: GraphBuilder, resource: Resource) -> int:
    return graph.resource(
        resource.name,
        resource.kind,
        instances=resource.instances,
        servers=resource.servers,
        capacity=resource.capacity,
        per_flow_cap=resource.per_flow_cap,
        slots=resource.slots,
        calendar=resource.calendar,
    )
