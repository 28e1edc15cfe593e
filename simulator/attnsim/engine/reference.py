"""The reference engine: docs/engine.md as SimPy processes, one a task, from a `TaskGraph` to its `Trace`.

Written to be compared with the contract line by line, not to be quick. SimPy orders the events of one time by priority,
and each phase of an instant has one: ends (SimPy's own NORMAL), token returns, admissions, starts. Tasks that start
without work end together, after all starts: the next round of the same instant.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from heapq import heappop, heappush

import numpy as np
import simpy
from simpy.events import NORMAL, Event, EventPriority

from attnsim.engine.diagnose import deadlock, overlong, overpaid
from attnsim.engine.rates import CLOCK_LIMIT_PS, DEMAND_LIMIT, Rates, rates_of
from attnsim.taskgraph import NO_RESOURCE, Calendar, Resource, TaskGraph
from attnsim.trace import Trace, make_trace

RETURNS, ADMISSIONS, STARTS, NEXT_ROUND = (EventPriority(NORMAL + phase) for phase in (1, 2, 3, 4))

Life = Generator[Event, int, None]
Rank = tuple[int, int, int]  # priority, time, task id
Waiter = tuple[Rank, Event]


def run(graph: TaskGraph) -> Trace:
    """Simulate a graph; raises as `attnsim.engine.run` does."""
    world = World(graph)
    world.env.run()
    ended = world.end_ps >= 0
    if not ended.all():
        raise deadlock(graph, ended)
    return make_trace(graph, world.start_ps, world.end_ps, world.instance)


class World:
    """All that the processes share: the clock, groups, pools, an event for each end, and the trace so far."""

    def __init__(self, graph: TaskGraph) -> None:
        self.graph = graph
        self.env = simpy.Environment(initial_time=0)
        self.groups = [Group(self, resource) for resource in graph.resources]
        self.admissions = Admissions(self)
        self.ended = [self.env.event() for _ in range(graph.task_count)]
        self.start_ps, self.end_ps = np.full((2, graph.task_count), -1, np.int64)
        self.instance = np.full(graph.task_count, -1, np.int32)
        self.round: Event | None = None
        for task in range(graph.task_count):
            self.env.process(self.life(task))

    def life(self, task: int) -> Life:
        """Waiting, ready, admitted, running, done."""
        graph, env = self.graph, self.env
        for pred in graph.preds.row(task):
            yield self.ended[pred]
        yield self.admissions.ask(task)
        if graph.resource[task] == NO_RESOURCE:
            yield self.at_phase(STARTS)
            self.start_ps[task] = env.now
            yield self.next_round()
        else:
            group = self.groups[graph.resource[task]]
            instance = yield group.ask(task)
            shut_ps = group.shut_ps(task)
            if shut_ps:
                yield self.after(shut_ps)
            self.start_ps[task], self.instance[task] = env.now, instance
            yield group.work_on(task, instance)
            group.leave(instance)
        self.end_ps[task] = env.now
        self.ended[task].succeed()
        yield self.at_phase(RETURNS)
        self.admissions.give_back(graph.release.pairs(task))

    @property
    def now(self) -> int:
        """Picoseconds since the start."""
        return int(self.env.now)

    def rank(self, task: int) -> Rank:
        """The place of a task in a queue that it enters now."""
        return (int(self.graph.priority[task]), self.now, task)

    def at_phase(self, phase: EventPriority, call: Callable[[Event], None] | None = None) -> Event:
        """An event in a later phase of this instant, which calls `call` if given."""
        event = Event(self.env)
        event._ok, event._value = True, None
        if call is not None:
            event.callbacks.append(call)
        self.env.schedule(event, priority=phase)
        return event

    def next_round(self) -> Event:
        """The event that begins the next round of this instant, one for all that wait for it."""
        if self.round is None or self.round.processed:
            self.round = self.at_phase(NEXT_ROUND)
        return self.round

    def after(self, picoseconds: int) -> Event:
        """An event at the end phase of a later instant, or of the next round of this one."""
        if picoseconds == 0:
            return self.next_round()
        if self.env.now + picoseconds >= CLOCK_LIMIT_PS:
            raise overlong(self.graph)
        return self.env.timeout(picoseconds)


class Admissions:
    """The token pools and the tasks that wait at them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.free = [pool.amount for pool in world.graph.pools]
        self.queues: list[list[Waiter]] = [[] for _ in self.free]
        self.planned = False

    def ask(self, task: int) -> Event:
        """An event that happens in the admission phase in which the task gets all its tokens."""
        wanted = self.world.graph.acquire.row(task)
        if not wanted:
            return self.world.at_phase(ADMISSIONS)
        entry = (self.world.rank(task), Event(self.world.env))
        for pool in wanted:
            heappush(self.queues[pool], entry)
        self.plan()
        return entry[1]

    def give_back(self, tokens: list[tuple[int, int]]) -> None:
        """Return tokens to their pools."""
        for pool, amount in tokens:
            self.free[pool] += amount
            if self.free[pool] > self.world.graph.pools[pool].amount:
                raise overpaid(self.world.graph, pool)
        self.plan()

    def plan(self) -> None:
        """Ask for an admission phase in this instant."""
        if not self.planned:
            self.planned = True
            self.world.at_phase(ADMISSIONS, self.admit)

    def admit(self, _: Event) -> None:
        """Admit every task that heads all its queues and finds all its tokens, until there is none."""
        self.planned = False
        moved = True
        while moved:
            moved = False
            for queue in self.queues:
                moved |= bool(queue) and self.admit_head(*queue[0])

    def admit_head(self, rank: Rank, admitted: Event) -> bool:
        """Admit the head of a queue if it can be; whether it was."""
        wanted = self.world.graph.acquire.pairs(rank[2])
        if any(self.queues[p][0][0] != rank or self.free[p] < n for p, n in wanted):
            return False
        for pool, amount in wanted:
            self.free[pool] -= amount
            heappop(self.queues[pool])
        admitted._ok, admitted._value = True, None
        self.world.env.schedule(admitted, priority=ADMISSIONS)
        return True


class Group:
    """A resource group: the free servers of its instances and the tasks that wait for one."""

    def __init__(self, world: World, resource: Resource) -> None:
        self.world = world
        self.resource = resource
        self.rates = rates_of(resource)
        room = resource.parallel_tasks or world.graph.task_count
        self.room = [room] * resource.instances
        self.flows = [Flows(world, self.rates) for _ in range(resource.instances)]
        self.queue: list[Waiter] = []
        self.planned = False

    def ask(self, task: int) -> Event:
        """An event that happens in the start phase in which the task gets a server; its value is the instance."""
        started = Event(self.world.env)
        heappush(self.queue, (self.world.rank(task), started))
        self.plan()
        return started

    def leave(self, instance: int) -> None:
        """Free a server of an instance."""
        self.room[instance] += 1
        self.plan()

    def plan(self) -> None:
        """Ask for a start phase in this instant."""
        if not self.planned:
            self.planned = True
            self.world.at_phase(STARTS, self.start)

    def start(self, _: Event) -> None:
        """Start waiting tasks in their order; those that find no server wait on."""
        self.planned = False
        waiting: list[Waiter] = []
        while self.queue and any(self.room):
            rank, started = heappop(self.queue)
            instance = self.place(rank[2])
            if not self.room[instance]:
                waiting.append((rank, started))
                continue
            self.room[instance] -= 1
            started._ok, started._value = True, instance
            self.world.env.schedule(started, priority=STARTS)
        for entry in waiting:
            heappush(self.queue, entry)

    def place(self, task: int) -> int:
        """The instance for a task: that of its affinity, else the first of those with most free servers."""
        companion = int(self.world.graph.affinity[task])
        if companion >= 0:
            return int(self.world.instance[companion])
        return self.room.index(max(self.room))

    def shut_ps(self, task: int) -> int:
        """Picoseconds until a task that has its server now may begin."""
        calendar = self.resource.calendar
        if calendar is None or not self.world.graph.work[task]:
            return 0
        return opening_ps(calendar, self.world.now) - self.world.now

    def work_on(self, task: int, instance: int) -> Event:
        """An event at the end of the task, which starts now."""
        work = int(self.world.graph.work[task])
        if self.resource.kind == "fifo" or not work:
            return self.world.after(work)
        return self.flows[instance].add(task, self.rates.demand(work))


def opening_ps(calendar: Calendar, now_ps: int) -> int:
    """The first time from now on that lies in no closed window and leaves the reserve before the next one."""
    begun = max(0, (now_ps - calendar.first_ps) // calendar.period_ps + 1)
    next_ps = calendar.first_ps + begun * calendar.period_ps
    open_ps = max(now_ps, next_ps - calendar.period_ps + calendar.closed_ps) if begun else now_ps
    return open_ps if open_ps + calendar.reserve_ps <= next_ps else next_ps + calendar.closed_ps


class Flows:
    """The tasks that share one instance, on a virtual clock (see `attnsim.engine.rates`)."""

    def __init__(self, world: World, rates: Rates) -> None:
        self.world = world
        self.rates = rates
        self.clock = 0
        self.since = 0
        self.running: list[tuple[int, int, Event]] = []  # virtual end, task, its event
        self.alarm: Event | None = None

    def add(self, task: int, demand: int) -> Event:
        """An event at the end of the task."""
        self.advance()
        if demand > DEMAND_LIMIT:
            raise overlong(self.world.graph, task)
        ended = self.world.env.event()
        heappush(self.running, (self.clock + demand, task, ended))
        self.retime()
        return ended

    def advance(self) -> None:
        """Bring the virtual clock to now."""
        elapsed, self.since = self.world.now - self.since, self.world.now
        self.clock = self.clock + self.rates.advance(elapsed, len(self.running)) if self.running else 0

    def retime(self) -> None:
        """Set the alarm to the next end."""
        if self.alarm is not None:
            self.alarm.callbacks.clear()
            self.alarm = None
        if self.running:
            self.alarm = self.world.after(self.rates.until(self.running[0][0] - self.clock, len(self.running)))
            self.alarm.callbacks.append(self.end_due)

    def end_due(self, _: Event) -> None:
        """End all tasks that the virtual clock has reached."""
        self.alarm = None
        self.advance()
        while self.running and self.running[0][0] <= self.clock:
            heappop(self.running)[2].succeed()
        self.retime()
