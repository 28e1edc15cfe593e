"""Serving from end to end: a system, a model and requests in; what became of each request out.

Requests come when the trace says, or as others end (closed loop), or all at once. A separate prefill takes them first.
Each server steps through its iterations; the one that is furthest back steps next.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from attnsim.components.collectives import collective
from attnsim.errors import AttnSimError, Problem
from attnsim.requests.arrival_trace import ArrivalTrace
from attnsim.requests.arrivals import load_arrivals
from attnsim.serving.asked import ServeRequest
from attnsim.serving.costs import Costs
from attnsim.serving.machine import Machine, make_machine, model_overrides, prefill_system, read_system
from attnsim.serving.memory import Memory
from attnsim.serving.records import Load, Records, blank_records
from attnsim.serving.server import Server
from attnsim.specs.link import load_link
from attnsim.specs.system import System
from attnsim.taskgraph import PS_PER_S

Progress = Callable[[int, int], None]
"""Told how many requests have ended, of how many."""
REPORT_EVERY = 512


def silent(_done: int, _total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefilled:
    """What a separate prefill did: its machine and costs, and picoseconds in which its copies were busy, in sum."""

    machine: Machine
    costs: Costs
    busy_ps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Everything that happened. interrupted: it was stopped before all requests had ended."""

    request: ServeRequest
    system: System
    machine: Machine
    trace: ArrivalTrace
    load: Load
    records: Records
    servers: tuple[Server, ...]
    costs: Costs
    prefill: Prefilled | None
    interrupted: bool


class Setup:
    """A system with a model, its costs remembered over any number of runs."""

    def __init__(self, system: str, model: str, overrides: Sequence[str] = ()) -> None:
        self.system = read_system(system, overrides)
        self.machine = make_machine(self.system, model, model_overrides(overrides))
        self.costs = Costs(self.machine)
        self.prefill: tuple[Machine, Costs] | None = None
        if self.system.prefill.mode == "separate":
            machine = make_machine(prefill_system(self.system), model, model_overrides(overrides))
            self.prefill = (machine, Costs(machine))

    @property
    def memory(self) -> Memory:
        """What fits a server; raises AttnSimError where weights do not."""
        if self.prefill is not None:
            _ = self.prefill[0].memory
        return self.machine.memory


def serve(request: ServeRequest, progress: Progress = silent) -> Served:
    """Serve a trace; raises AttnSimError for anything wrong in the input. An interrupt keeps what is done."""
    setup = Setup(request.system, request.model, request.overrides)
    return serve_on(setup, request, progress)


def serve_on(
    setup: Setup,
    request: ServeRequest,
    progress: Progress = silent,
    system: System | None = None,
) -> Served:
    """Serve a trace on a system that is loaded already; `system` replaces its schedule, all else must be the same."""
    _require_one_arrival(request)
    trace = load_arrivals(request.trace, requests=request.requests, seed=request.seed, rate=request.rate)
    setup.costs.forget_use()
    if setup.prefill is not None:
        setup.prefill[1].forget_use()
    run = _Run(setup, system or setup.system, request, trace)
    interrupted = run.go(progress)
    return Served(
        request=request,
        system=system or setup.system,
        machine=setup.machine,
        trace=trace,
        load=run.load,
        records=run.records,
        servers=tuple(run.servers),
        costs=setup.costs,
        prefill=_prefilled(setup, run),
        interrupted=interrupted,
    )


def _prefilled(setup: Setup, run: _Run) -> Prefilled | None:
    if setup.prefill is None or run.stage is None:
        return None
    machine, costs = setup.prefill
    return Prefilled(machine=machine, costs=costs, busy_ps=run.stage.busy_ps)


def _require_one_arrival(request: ServeRequest) -> None:
    given = [
        name
        for name, there in (
            ("--rate", request.rate is not None),
            ("--concurrency", request.concurrency is not None),
            ("--saturated", request.saturated),
        )
        if there
    ]
    if len(given) > 1:
        what = f"{' and '.join(given)} both say when requests come"
        raise AttnSimError(Problem(path=given[0], what=what, remedy="give one of them"))
    if request.concurrency is not None and request.concurrency < 1:
        what = f"{request.concurrency} is not a positive number"
        raise AttnSimError(Problem(path="--concurrency", what=what, remedy="give a whole number of at least 1"))


class _Stage:
    """A separate prefill: equal copies that take prompts in order, and a network that carries keys and values on."""

    def __init__(self, machine: Machine, costs: Costs, system: System, token_bytes: int, ports: int) -> None:
        self.machine, self.busy_ps = machine, 0
        self._costs = costs
        self._free = [0] * machine.system.layers.replicas
        self._link = load_link(system.prefill.network or "")
        self._token_bytes, self._ports = token_bytes, min(ports, machine.tensor_parallel)

    def take(self, prompt: int, at_ps: int) -> tuple[int, int]:
        """(when the first token is there, when keys and values have arrived) of a prompt that comes at `at_ps`."""
        begin_ps = max(at_ps, heapq.heappop(self._free))
        period_ps = self._costs.period_ps(0, 0, prompt, prompt * (prompt + 1) // 2)
        self.busy_ps += period_ps
        first_ps = begin_ps + period_ps
        heapq.heappush(self._free, first_ps)
        moved = collective(self._link, "send", prompt * self._token_bytes / self._ports, 2)
        return first_ps, first_ps + (round(moved.seconds * PS_PER_S) if moved else 0)


class _Run:
    """The state of one run."""

    def __init__(self, setup: Setup, system: System, request: ServeRequest, trace: ArrivalTrace) -> None:
        count = len(trace)
        timed = request.concurrency is None and not request.saturated
        arrival = trace.arrival_ps.tolist() if timed else [0] * count
        self.load = Load(
            arrival_ps=arrival,
            ready_ps=list(arrival),
            prompt=trace.prompt.tolist(),
            generated=trace.generated.tolist(),
        )
        self.records = blank_records(count)
        self._memory = memory = setup.memory
        self.servers = [Server(n, system, memory, setup.costs, self.load, self.records) for n in range(system.servers)]
        for server in self.servers:
            server.done = self._done
        self.stage: _Stage | None = None
        if setup.prefill is not None:
            machine, costs = setup.prefill
            holders = setup.machine.memory_devices or setup.machine.tensor_parallel
            self.stage = _Stage(machine, costs, system, memory.token_bytes, holders)
        self._arrivals: list[tuple[int, int]] = []
        self._ended, self._count = 0, count
        self._next = min(request.concurrency or count, count)
        for number in range(self._next):
            self._arrive(number, arrival[number])

    def _arrive(self, number: int, at_ps: int) -> None:
        """A request comes: to its server at once, or after prefill."""
        self.load.arrival_ps[number] = at_ps
        ready_ps, prompt = at_ps, self.load.prompt[number]
        fits = self._memory.pages_for(prompt + self.load.generated[number]) <= self._memory.pages
        if self.stage is not None and fits:
            first_ps, ready_ps = self.stage.take(prompt, at_ps)
            self.records.first_ps[number] = first_ps
        self.load.ready_ps[number] = ready_ps
        heapq.heappush(self._arrivals, (ready_ps, number))

    def _done(self, _number: int, at_ps: int) -> None:
        """A request has ended; in a closed loop the next one comes."""
        self._ended += 1
        if self._next < self._count:
            self._next += 1
            self._arrive(self._next - 1, at_ps)

    def go(self, progress: Progress) -> bool:
        """Serve until all have ended; whether it was interrupted."""
        try:
            self._all(progress)
        except KeyboardInterrupt:
            self._forget_what_was_to_come()
            return True
        return False

    def _forget_what_was_to_come(self) -> None:
        """Leave out first tokens of a separate prefill, planned ahead, that lie after the last iteration."""
        for server in self.servers:
            server.history.leave_out_torn()
        until_ps = max(server.clock_ps for server in self.servers)
        self.records.first_ps[:] = [first_ps if first_ps <= until_ps else -1 for first_ps in self.records.first_ps]

    def _all(self, progress: Progress) -> None:
        steps = 0
        while self._step():
            steps += 1
            if steps % REPORT_EVERY == 0:
                progress(self._ended, self._count)
        progress(self._ended, self._count)

    def _step(self) -> bool:
        """Hand out what has arrived, then one iteration of the server furthest back; False when nothing is left."""
        working = [server for server in self.servers if server.busy]
        if not working:
            if not self._arrivals:
                return False
            self._hand_out(self._arrivals[0][0])
            return True
        server = min(working, key=lambda one: one.clock_ps)
        self._hand_out(server.clock_ps)
        server.step()
        return True

    def _hand_out(self, until_ps: int) -> None:
        """Requests that are ready by then go to the server with the fewest tokens to come."""
        arrivals = self._arrivals
        while arrivals and arrivals[0][0] <= until_ps:
            ready_ps, number = heapq.heappop(arrivals)
            server = min(self.servers, key=lambda one: one.outstanding_at(ready_ps))
            if not server.busy:
                server.clock_ps = max(server.clock_ps, ready_ps)
            server.put(number)
