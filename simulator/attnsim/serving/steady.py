"""One decoding iteration that goes on and on: so many requests of one length on a system, and what network it needs.

The bandwidth that offloaded attention needs is told twice: by the closed form of Lamina (arXiv 2405.01814, section 3),
in which messages add to the time of layers and attention, and by the task graph with its messages stretched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from attnsim.errors import AttnSimError, MisfitError, Problem
from attnsim.serving.asked import IterationRequest
from attnsim.serving.device import NOTHING, Cost
from attnsim.serving.iteration import BYTES, Round, Template, make_template, measure_round
from attnsim.serving.machine import WORD_BYTES, Machine, Shape, Work, make_machine, model_overrides, read_system
from attnsim.serving.memory import Memory
from attnsim.serving.pools import pools_of, price_of
from attnsim.specs.system import System
from attnsim.taskgraph import PS_PER_S, TaskGraph

_OUT, _BACK = ("queries out", "keys and values out", "all out"), ("results back",)
_STEPS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Payload in bytes per second of each network port of the smaller pool. formula: of the closed form; chain: of the
    graph with one sub-batch and nothing sent early; schedule: as the system does it; None where no bandwidth suffices,
    because latencies alone take longer. offered: what its messages reach. sent_bytes: of all ports in an iteration.
    """

    formula: float
    chain: float | None
    schedule: float | None
    offered: float
    sent_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Utilized:
    """Shares of the peak arithmetic and memory bandwidth of a device, while it works on a part of an iteration."""

    compute: float
    memory: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Iteration:
    """The steady iteration of one server of a system, of which there are `servers`.

    seconds: between two tokens of a request. layers_s, attention_s: of one sub-batch through all layers on its devices.
    fits: requests of that length that the memory for keys and values holds, on all servers.
    """

    system: System
    machine: Machine
    servers: int
    batch: int
    keys: int
    round: Round
    graph: TaskGraph
    memory: Memory
    layers: Cost
    attention: Cost
    joule: float | None
    network: Network | None

    @property
    def seconds(self) -> float:
        """Seconds between two tokens of a request."""
        return self.round.period_ps / PS_PER_S

    @property
    def tokens_per_s(self) -> float:
        """Of all servers."""
        return self.batch / self.seconds

    @property
    def fits(self) -> float:
        """Requests of this length that the pages hold."""
        return self.servers * self.memory.tokens / self.keys

    @property
    def price_usd_per_hour(self) -> float | None:
        """Price of all devices; None where one has none."""
        return price_of(pools_of(self.machine))

    @property
    def energy_per_token_j(self) -> float | None:
        """Joules of all devices for one token, idle power included; None where a device does not give its energy."""
        if self.joule is None:
            return None
        idle_w = sum(pool.devices * device.static_w for pool, device in pools_of(self.machine))
        return (self.joule + idle_w * self.seconds) / self.batch

    @property
    def utilization(self) -> dict[str, float]:
        """Busy shares of the resources in an iteration."""
        return {name: busy / self.round.period_ps for name, busy in self.round.busy_ps.items() if busy}


def utilized(cost: Cost) -> Utilized:
    """What of a device's peaks a cost reaches."""
    if not cost.seconds:
        return Utilized(compute=0.0, memory=0.0)
    return Utilized(compute=cost.compute_s / cost.seconds, memory=cost.memory_s / cost.seconds)


def iterate(request: IterationRequest) -> Iteration:
    """Simulate the steady iteration; raises AttnSimError for anything wrong in the input, and what does not fit."""
    system = read_system(request.system, request.overrides)
    machine = make_machine(system, request.model, model_overrides(request.overrides))
    problems = [
        Problem(path=name, what=f"{value} is not a positive number", remedy="give a number above zero")
        for name, value in (("--batch", request.batch), ("--seq-len", request.keys), ("--slowdown", request.slowdown))
        if value <= 0
    ]
    if problems:
        raise AttnSimError(*problems)
    servers = min(system.servers, request.batch)
    own = -(-request.batch // servers)
    memory = machine.memory
    _require_fit(request, memory, own)
    batches = min(system.batches, own)
    work = machine.work(Shape(decode=-(-own // batches), keys=request.keys))
    measured = measure_round(machine.template(batches), work.kinds)
    layers, attention = parts(machine, Shape(decode=-(-own // batches), keys=request.keys))
    return Iteration(
        system=system,
        machine=machine,
        servers=servers,
        batch=request.batch,
        keys=request.keys,
        round=measured,
        graph=machine.template(batches).filled(work.kinds),
        memory=memory,
        layers=layers,
        attention=attention,
        joule=None if work.joule is None else servers * batches * work.joule,
        network=_network(machine, Shape(decode=-(-own // batches), keys=request.keys), request.slowdown, batches),
    )


def _require_fit(request: IterationRequest, memory: Memory, own: int) -> None:
    if own * memory.pages_for(request.keys) > memory.pages:
        most = memory.pages // memory.pages_for(request.keys)
        what = f"{own} requests of {request.keys} tokens on a server of {request.system}, whose memory holds {most}"
        remedy = f"give a smaller --batch or --seq-len: {memory.tokens:,} tokens fit"
        raise MisfitError(Problem(path="--batch", what=what, remedy=remedy))


def parts(machine: Machine, shape: Shape) -> tuple[Cost, Cost]:
    """(layers without attention, attention) of one sub-batch on one device of each pool, through all layers."""
    if machine.device.whole:
        return machine.device.layer(shape.decode, shape.keys).mixed(machine.layers, NOTHING, 0.0), NOTHING
    linear = NOTHING
    for segment in machine.segments():
        linear = linear.plus(machine.device.segment(segment, shape.tokens))
    attended = machine.attention(shape)
    return linear.mixed(machine.layers, NOTHING, 0.0), attended.mixed(machine.layers, NOTHING, 0.0)


def _network(machine: Machine, shape: Shape, slowdown: float, batches: int) -> Network | None:
    link = machine.network
    if link is None:
        return None
    layers, attention = parts(machine, shape)
    width = machine.token_elements()
    sent = shape.tokens * sum(width.values()) * WORD_BYTES * machine.layers
    work = machine.work(shape)
    chain = make_template(replace(machine.layout(1), early=False))
    stretched = [_least(chain, work, slowdown), _least(machine.template(batches), work, slowdown)]
    payload = _payload_share(machine, work, shape)
    offered = link.bandwidth_bytes_per_s * payload
    return Network(
        formula=sent / machine.ports / (slowdown * (layers.seconds + attention.seconds)),
        chain=None if stretched[0] is None else offered / stretched[0],
        schedule=None if stretched[1] is None else offered / stretched[1],
        offered=offered,
        sent_bytes=float(sent * batches),
    )


def _payload_share(machine: Machine, work: Work, shape: Shape) -> float:
    """Bytes of a message over those that it keeps the link busy for."""
    elements = machine.token_elements()["A"]
    return shape.tokens * elements * WORD_BYTES / max(work.kinds["results back" + BYTES], 1)


def _stretched(work: Work, scale: float) -> Mapping[str, int]:
    names: Sequence[str] = [name + BYTES for name in (*_OUT, *_BACK)]
    return {**work.kinds, **{name: round(work.kinds[name] * scale) for name in names if name in work.kinds}}


def _least(template: Template, work: Work, slowdown: float) -> float | None:
    """How much longer messages may take until an iteration is slower by `slowdown` than with messages that take no
    time to carry; None where latencies alone make it so."""

    def period_ps(scale: float) -> int:
        return measure_round(template, _stretched(work, scale)).period_ps

    most = (1 + slowdown) * period_ps(0.0)
    low, high = 0.0, 1.0
    while period_ps(high) <= most:
        low, high = high, 2 * high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if period_ps(middle) <= most else (low, middle)
    return low or None
