"""The task graph of an iteration: what each sub-batch does layer by layer, on copies of the layers, memory devices and
links.

One template for each number of sub-batches; a shape only changes the work of its tasks. In a layer a sub-batch makes
queries, keys and values, attends, and goes through what follows, with sums over the group of devices in between. With
attention on a pool of its own (Lamina, arXiv 2405.01814, section 4) queries leave first, attention to older tokens runs
beside what makes the new keys and values, and the copies of the layers take turns: what lies between attention of two
layers is a slice, slice k of sub-batch j is computed by copy (j + k) mod copies, and no other comes in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from attnsim.engine import run
from attnsim.taskgraph import PS_PER_S, GraphBuilder, Int32, Int64, TaskGraph
from attnsim.trace import Trace

ROUNDS, ROTATING_ROUNDS = 3, 8
"""Iterations that are simulated where sub-batches overlap, and where they do on copies that take turns, which find
their rhythm late and may repeat it after several iterations; the mean of the last half stands for all."""
_MANY = 1 << 20
LATENCY, BYTES = " latency", " bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A link as the graph sees it: bytes per second of all devices of a side, and of one message (per_flow)."""

    capacity: float
    per_flow: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What an iteration looks like, whatever its shape.

    layers: of the model; batches: sub-batches in flight; executors: copies of the layers, or stages of a pipeline
    (`staged`). before, after: names of the segments around attention; reduced: those after which results are added up.
    network: None where attention runs on the devices of the layers. early: queries leave first.
    """

    layers: int
    batches: int
    executors: int
    staged: bool
    before: tuple[str, ...]
    after: tuple[str, ...]
    reduced: frozenset[str]
    link: Wire | None
    network: Wire | None
    early: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Template:
    """A graph whose work is still open. kinds: for each task, which of `names` says its work (picoseconds or bytes).

    ends: the last task of each round (row) and sub-batch (column). tasks: those of each resource that can be busy, by
    its number.
    """

    graph: TaskGraph
    names: tuple[str, ...]
    kinds: Int32
    ends: Int64
    tasks: Mapping[int, Int64]

    def filled(self, works: Mapping[str, int]) -> TaskGraph:
        """The graph with the work of each kind."""
        by_kind = np.array([works[name] for name in self.names], np.int64)
        return replace(self.graph, work=by_kind[self.kinds])


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One iteration in the steady state: its picoseconds, and busy picoseconds by resource, the mean of equal ones."""

    period_ps: int
    busy_ps: Mapping[str, float]


def measure_round(template: Template, works: Mapping[str, int]) -> Round:
    """Simulate a shape: the mean period of the last half of the rounds, and what was busy in one of them."""
    graph = template.filled(works)
    trace = run(graph)
    ends = trace.end_ps[template.ends].max(axis=1)
    rounds = max(len(ends) // 2, 1)
    before_ps = int(ends[-rounds - 1]) if len(ends) > 1 else 0
    period_ps = round((int(ends[-1]) - before_ps) / rounds)
    return Round(period_ps=period_ps, busy_ps=_busy(template.tasks, graph, trace, len(ends)))


def _busy(of_resource: Mapping[int, Int64], graph: TaskGraph, trace: Trace, rounds: int) -> dict[str, float]:
    """Busy time of a round by name of resource; instances of a name (`layers[1]`) are averaged.

    Every round has the same work, so that the share of all that is done is what a period of the steady state holds.
    """
    found: dict[str, list[float]] = {}
    for group, tasks in of_resource.items():
        resource = graph.resources[group]
        if resource.kind == "fifo":
            busy = float((trace.end_ps[tasks] - trace.start_ps[tasks]).sum())
        else:
            busy = float(graph.work[tasks].sum()) / resource.capacity * PS_PER_S
        found.setdefault(resource.name.partition("[")[0], []).append(busy / rounds)
    return {name: sum(values) / len(values) for name, values in found.items()}


def make_template(layout: Layout) -> Template:
    """The graph of some iterations of a layout, of one where nothing overlaps."""
    return _Maker(layout).make()


class _Maker:
    """Collects the tasks of a template, and the kind of each."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._graph = GraphBuilder()
        self._names: dict[str, int] = {}
        self._kinds: list[int] = []
        self._stops: dict[int, int] = {}
        graph = self._graph
        self._executors = [graph.resource(f"layers[{n}]") for n in range(layout.executors)]
        self._turns = [graph.pool(f"turn[{n}]", 1) for n in range(layout.executors)]
        self._host = graph.resource("host", servers=_MANY)
        self._link = self._wire("link", layout.link)
        self._out = self._wire("network to attention", layout.network)
        self._back = self._wire("network from attention", layout.network)
        self._memory = graph.resource("attention") if layout.network else -1

    def _wire(self, name: str, wire: Wire | None) -> tuple[int, int]:
        if wire is None:
            return (-1, -1)
        shared = self._graph.resource(name, "shared", capacity=wire.capacity, per_flow_cap=wire.per_flow)
        return shared, self._graph.resource(name + LATENCY, servers=_MANY)

    def make(self) -> Template:
        layout = self._layout
        last: list[list[int]] = [[] for _ in range(layout.batches)]
        ends = []
        rotating = layout.network is not None and layout.executors > 1
        for number in range(1 if layout.batches == 1 else ROTATING_ROUNDS if rotating else ROUNDS):
            last = self._round(number, last)
            ends.append([made[0] for made in last])
        graph = self._graph.build()
        return Template(
            graph=graph,
            names=tuple(self._names),
            kinds=np.array(self._kinds, np.int32),
            ends=np.array(ends, np.int64),
            tasks={
                number: np.flatnonzero(graph.resource == number)
                for number, resource in enumerate(graph.resources)
                if not resource.name.endswith(LATENCY)
            },
        )

    def _round(self, number: int, last: Sequence[list[int]]) -> list[list[int]]:
        """All layers of all sub-batches, then what follows them."""
        done = [list(made) for made in last]
        for layer in range(self._layout.layers):
            for batch in range(self._layout.batches):
                done[batch] = self._layer(_Place(number=number, batch=batch, layer=layer), done[batch])
        return [self._end(number, batch, done[batch]) for batch in range(self._layout.batches)]

    def _end(self, number: int, batch: int, made: list[int]) -> list[int]:
        at = _Place(number=number, batch=batch, layer=self._layout.layers)
        head = self._task("head", self._executor(at), made, at, release=self._turn(at))
        return [self._task("overhead", self._host, [head], at)]

    def _executor(self, at: _Place) -> int:
        return self._executors[self._copy(at)]

    def _copy(self, at: _Place) -> int:
        """Which copy computes a slice, or which stage a layer."""
        layout = self._layout
        if layout.staged:
            return min(at.layer, layout.layers - 1) * layout.executors // layout.layers
        return (at.batch + at.layer) % layout.executors

    def _turn(self, at: _Place) -> list[tuple[int, int]]:
        """The token of the copy, which a slice or all layers of a stage hold; none where sub-batches may mix."""
        return [(self._turns[self._copy(at)], 1)] if self._layout.network or self._layout.staged else []

    def _layer(self, at: _Place, made: list[int]) -> list[int]:
        if self._layout.network:
            made = self._offloaded(at, made)
            after = _Place(number=at.number, batch=at.batch, layer=at.layer + 1)
            return self._after(after, made, self._turn(after))
        first = not at.layer or (self._layout.staged and self._copy(at) != self._copy(at.before))
        if first and at.layer:
            made = [self._send("hand over", self._link, made, at, release=self._turn(at.before))]
        made = self._in_order((*self._layout.before, "attention"), at, made, self._turn(at) if first else [])
        return self._after(at, made, [])

    def _after(self, at: _Place, made: list[int], acquire: list[tuple[int, int]]) -> list[int]:
        for name in self._layout.after:
            made, acquire = [self._task(name, self._executor(at), made, at, acquire=acquire)], []
            if name in self._layout.reduced:
                made = [self._send(f"sum of {name}", self._link, made, at)]
        return made

    def _offloaded(self, at: _Place, made: list[int]) -> list[int]:
        first, *rest = self._layout.before
        taken = [] if at.layer else self._turn(at)
        free = self._turn(at)
        made = [self._task(first, self._executor(at), made, at, acquire=taken, release=[] if rest else free)]
        if self._layout.early and rest:
            queries = self._send("queries out", self._out, made, at)
            attended = self._task("attention", self._memory, [queries], at)
            made = self._in_order(tuple(rest), at, made, [], free)
            new = self._send("keys and values out", self._out, made, at)
            attended = self._task("attention to the new token", self._memory, [attended, new], at)
        else:
            made = self._in_order(tuple(rest), at, made, [], free)
            sent = self._send("all out", self._out, made, at)
            attended = self._task("attention", self._memory, [sent], at)
        return [self._send("results back", self._back, [attended], at)]

    def _in_order(
        self,
        names: tuple[str, ...],
        at: _Place,
        made: list[int],
        acquire: list[tuple[int, int]],
        release: list[tuple[int, int]] | None = None,
    ) -> list[int]:
        """Tasks on one executor, one after the other; tokens are taken by the first and given back by the last."""
        for name in names:
            last = (release or []) if name == names[-1] else []
            made, acquire = [self._task(name, self._executor(at), made, at, acquire=acquire, release=last)], []
        return made

    def _send(
        self,
        name: str,
        wire: tuple[int, int],
        preds: Sequence[int],
        at: _Place,
        release: Sequence[tuple[int, int]] = (),
    ) -> int:
        waited = self._task(name + LATENCY, wire[1], preds, at, release=release)
        return self._task(name + BYTES, wire[0], [waited], at)

    def _task(
        self,
        name: str,
        resource: int,
        preds: Sequence[int],
        at: _Place,
        acquire: Sequence[tuple[int, int]] = (),
        release: Sequence[tuple[int, int]] = (),
    ) -> int:
        self._kinds.append(self._names.setdefault(name, len(self._names)))
        origin = (name, at.batch, "serving")
        return self._graph.task(resource, 0, preds, priority=at.number, acquire=acquire, release=release, origin=origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a task stands: its round, sub-batch, and layer or slice."""

    number: int
    batch: int
    layer: int

    @property
    def before(self) -> _Place:
        """The layer before."""
        return _Place(number=self.number, batch=self.batch, layer=self.layer - 1)
