"""A system with a model on it: its devices and links, what fits, and the work of an iteration of any shape.

From the names of a system file to devices whose steps are simulated, layouts of the task graph, and capacities.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from attnsim.components.collectives import Collective, collective
from attnsim.errors import AttnSimError, Problem, SpecError
from attnsim.serving.device import NOTHING, Cost, Device, Segment
from attnsim.serving.iteration import BYTES, LATENCY, Layout, Template, Wire, make_template
from attnsim.serving.memory import Memory, memory_of
from attnsim.specs.gpu_tile import GpuTile
from attnsim.specs.link import Link, load_link
from attnsim.specs.model import Model, load_model
from attnsim.specs.npu_pim import NpuPim
from attnsim.specs.overrides import parse_override
from attnsim.specs.spec import problem_at
from attnsim.specs.system import Pool, System, load_system
from attnsim.specs.targets import for_target
from attnsim.taskgraph import PS_PER_S

WORD_BYTES = 2
"""Bytes of an element of activations, keys and values: 16-bit floating point."""
TARGETS = ("system", "model")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What one sub-batch does in an iteration.

    decode: sequences that make a token; keys: what each sees, its own token included, in the mean. prefill: tokens of
    prompts, each of which sees `prefill_keys` others in the mean.
    """

    decode: int
    keys: int
    prefill: int = 0
    prefill_keys: int = 0

    @property
    def tokens(self) -> int:
        """Tokens that go through the layers."""
        return self.decode + self.prefill


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a shape asks of an iteration: work of each kind of task (ps or bytes), and joules above idle of one
    sub-batch on all devices; None where it is not known."""

    kinds: Mapping[str, int]
    joule: float | None


class Machine:
    """One part of a system that serves requests of its own (`System.servers` equal ones), or its pool for prefill."""

    def __init__(self, system: System, model: Model, model_name: str, overrides: Sequence[str] = ()) -> None:
        self.system, self.model = system, model
        layers = system.layers
        self._pool = system.pools[layers.pool]
        self.device = Device(model_name, self._pool, layers.tensor_parallel, system.kernels, overrides)
        self.tensor_parallel = layers.tensor_parallel
        self.stages = layers.pipeline_parallel
        self.copies = layers.replicas if system.attention else 1
        self.memory_device = self.device
        self.memory_devices = 0
        if system.attention is not None:
            self._take_offloading(model_name, overrides)
        if model.layers is None:
            raise SpecError(problem_at(model, "layers", f"{model.name} does not say how many layers it has", "add it"))
        self.layers: int = model.layers
        if self.stages > self.layers:
            what = f"{self.stages} stages of {self.layers} layers"
            raise SpecError(problem_at(system, "layers.pipeline_parallel", what, "take fewer stages"))
        self._templates: dict[int, Template] = {}
        self._layers: dict[int, tuple[Mapping[str, int], Cost]] = {}

    def _take_offloading(self, model_name: str, overrides: Sequence[str]) -> None:
        offloading = self.system.attention
        assert offloading is not None
        pool = self.system.pools[offloading.pool]
        by_heads = offloading.partition == "heads"
        self.memory_devices = pool.devices
        heads = self.model.ranks.get("H", 1)
        if by_heads and heads % pool.devices:
            what = f"{heads} heads of keys and values are not divided by {pool.devices} devices of {offloading.pool}"
            remedy = "take a divisor of the heads, or partition: requests"
            raise SpecError(problem_at(self.system, "attention.partition", what, remedy))
        self.memory_device = Device(model_name, pool, pool.devices if by_heads else 1, self.system.kernels, overrides)
        if self.device.whole or self.memory_device.whole:
            what = "layers of this device are simulated as a whole, so that attention cannot go elsewhere"
            raise SpecError(problem_at(self.system, "attention", what, "take a GPU, or leave `attention` out"))

    @cached_property
    def link(self) -> Link | None:
        """What joins the devices that share layers."""
        return load_link(self._pool.link) if self._pool.link else None

    @cached_property
    def network(self) -> Link | None:
        """What joins the layers with their attention."""
        return load_link(self.system.attention.network) if self.system.attention else None

    @property
    def ports(self) -> int:
        """Ports of the network that a message uses at once: those of the side with fewer devices."""
        return min(self.tensor_parallel, self.memory_devices)

    @cached_property
    def memory(self) -> Memory:
        """What of weights and pages fits; raises AttnSimError with the gap when weights do not."""
        return memory_of(self)

    def segments(self) -> tuple[Segment, ...]:
        """Parts of a layer around attention; where the layer is one, sums over the group that it leaves to the pool."""
        return (*self._before(), *self._after())

    def _before(self) -> tuple[Segment, ...]:
        return () if self.device.whole else self.device.before

    def _after(self) -> tuple[Segment, ...]:
        if not self.device.whole:
            return self.device.after
        if getattr(self.device.plan.hardware, "link", None) is not None:
            return ()
        return tuple(replace(segment, steps=()) for segment in self.device.after if segment.reduced)

    def template(self, batches: int) -> Template:
        """The graph of iterations with so many sub-batches."""
        if batches not in self._templates:
            self._templates[batches] = make_template(self.layout(batches))
        return self._templates[batches]

    def layout(self, batches: int) -> Layout:
        """What an iteration with so many sub-batches looks like."""
        after = self._after()
        return Layout(
            layers=self.layers,
            batches=batches,
            executors=max(self.copies, self.stages),
            staged=self.stages > 1,
            before=tuple(segment.name for segment in self._before()),
            after=tuple(segment.name for segment in after),
            reduced=frozenset(segment.name for segment in after if segment.reduced),
            link=_wire(self.link, 1, 1) if self.link else None,
            network=self._network_wire(),
            early=self.system.attention is not None and self.system.attention.send_q_early,
        )

    def _network_wire(self) -> Wire | None:
        if self.network is None:
            return None
        return _wire(self.network, min(self.memory_devices, self.tensor_parallel * self.copies), self.ports)

    def work(self, shape: Shape) -> Work:
        """What a shape asks of one sub-batch."""
        if shape.tokens not in self._layers:
            self._layers[shape.tokens] = self._segments_of(shape.tokens)
        around, spent = self._layers[shape.tokens]
        kinds = dict(around)
        attended = self.attention(shape)
        kinds["attention"] = _ps(attended.seconds)
        head = self.device.head(shape.decode) if self.model.head and shape.decode else NOTHING
        kinds["head"], kinds["overhead"] = _ps(head.seconds), _ps(self._overhead_s(shape))
        if self.stages > 1:
            moved = shape.tokens * self.model.ranks["D"] * WORD_BYTES
            _add(kinds, "hand over", collective(self._joined(), "send", moved, 2), 1)
        if self.network is not None:
            attended = attended.plus(self._messages(kinds, shape))
        return Work(kinds=kinds, joule=self._joule(spent, attended, head))

    def _segments_of(self, tokens: int) -> tuple[Mapping[str, int], Cost]:
        """Work of the segments of a layer and of their sums over the group, and what the segments take together."""
        kinds: dict[str, int] = {}
        spent = NOTHING
        for segment in self.segments():
            cost = self.device.segment(segment, tokens)
            kinds[segment.name] = _ps(cost.seconds)
            spent = spent.plus(cost)
            if segment.reduced:
                self._sum(kinds, segment, tokens)
        return kinds, spent

    def attention(self, shape: Shape) -> Cost:
        """Attention of one layer on one of its devices; of a whole layer where that is simulated as one."""
        if self.device.whole:
            return self._whole(shape)
        device, sequences = self.memory_device, shape.decode
        if self.system.attention is not None and self.system.attention.partition == "requests":
            sequences = -(-shape.decode // self.memory_devices)
        early = self.system.attention is not None and self.system.attention.send_q_early
        decode = device.decode_older if early else device.decode
        cost = decode(sequences, shape.keys) if sequences else NOTHING
        return cost.plus(device.prefill(shape.prefill, shape.prefill_keys)) if shape.prefill else cost

    def _whole(self, shape: Shape) -> Cost:
        if shape.prefill:
            what = f"{self.device.plan.hardware.name} is simulated for decoding only"
            raise SpecError(problem_at(self.system, "prefill.mode", what, "write removed, or separate with a pool"))
        return self.device.layer(shape.decode, shape.keys)

    def _overhead_s(self, shape: Shape) -> float:
        schedule = self.system.schedule
        return schedule.overhead_s + shape.decode * schedule.overhead_per_request_s

    def _messages(self, kinds: dict[str, int], shape: Shape) -> Cost:
        """Bytes between layers and attention; gives what attention to the new token takes."""
        assert self.network is not None
        assert self.system.attention is not None
        width = self.token_elements()
        sizes = {"queries out": width["Q"], "keys and values out": width["KV"], "results back": width["A"]}
        sizes["all out"] = width["Q"] + width["KV"]
        for name, elements in sizes.items():
            moved = shape.tokens * elements * WORD_BYTES / self.ports
            _add(kinds, name, collective(self.network, "send", moved, 2), self.ports)
        new = self.memory_device.decode(shape.decode, 1) if shape.decode else NOTHING
        kinds["attention to the new token"] = _ps(new.seconds)
        return new if self.system.attention.send_q_early else NOTHING

    def token_elements(self) -> dict[str, int]:
        """Elements of a token's query, of its key and value, and of its result of attention, in one layer."""
        ranks = self.model.ranks
        heads, group = ranks["H"], ranks.get("G", 1)
        return {
            "Q": heads * group * ranks["E"],
            "KV": heads * (ranks["E"] + ranks["F"]),
            "A": heads * group * ranks["F"],
        }

    def _sum(self, kinds: dict[str, int], segment: Segment, tokens: int) -> None:
        moved = tokens * segment.reduced * WORD_BYTES
        _add(kinds, f"sum of {segment.name}", collective(self._joined(), "all_reduce", moved, self.tensor_parallel), 1)

    def _joined(self) -> Link:
        assert self.link is not None
        return self.link

    def _joule(self, spent: Cost, attended: Cost, head: Cost) -> float | None:
        sharing = self.memory_devices or self.tensor_parallel
        parts = [(spent, self.layers * self.tensor_parallel), (attended, self.layers * sharing)]
        parts.append((head, self.tensor_parallel))
        known = [cost.joule * times for cost, times in parts if cost.joule is not None]
        return sum(known) if len(known) == len(parts) else None


def make_machine(system: System, model_name: str, overrides: Sequence[str] = ()) -> Machine:
    """A machine of a system, with a model by name or path; `overrides` are those of the model."""
    parsed = [parse_override(text) for text in overrides]
    return Machine(system, load_model(model_name, for_target(parsed, "model", TARGETS)), model_name, overrides)


def prefill_system(system: System) -> System:
    """The pool of a separate prefill as a system of its own."""
    prefill = system.prefill
    assert prefill.pool is not None
    pool: Pool = system.pools[prefill.pool]
    layers = system.layers.model_copy(
        update={
            "pool": prefill.pool,
            "tensor_parallel": prefill.tensor_parallel,
            "pipeline_parallel": 1,
            "replicas": pool.devices // prefill.tensor_parallel,
        }
    )
    schedule = system.schedule.model_copy(update={"batches": None})
    return system.model_copy(update={"layers": layers, "attention": None, "schedule": schedule})


def read_system(name: str, overrides: Sequence[str] = ()) -> System:
    """A system by name or path, after those overrides that are meant for it; raises AttnSimError."""
    parsed = [parse_override(text) for text in overrides]
    strangers = [one.text for one in parsed if one.path[0] in ("hardware", "mapping")]
    if strangers:
        what, remedy = "a system has several devices", "give the pool a file: system.pools.NAME.hardware=FILE.yaml"
        raise AttnSimError(*(Problem(file=f"--set {text}", what=what, remedy=remedy) for text in strangers))
    return load_system(name, for_target(parsed, "system", TARGETS))


def model_overrides(overrides: Sequence[str]) -> tuple[str, ...]:
    """Those overrides that are meant for the model, as the pipeline takes them."""
    kept = for_target([parse_override(text) for text in overrides], "model", TARGETS)
    return tuple(f"model.{'.'.join(one.path)}={one.text.partition('=')[2]}" for one in kept)


def capacity_bytes(pool: Pool, device: Device) -> float:
    """Memory of a device of a pool in bytes; raises AttnSimError for hardware whose memory has no capacity."""
    if pool.memory_bytes is not None:
        return pool.memory_bytes
    hardware = device.plan.hardware
    if isinstance(hardware, GpuTile):
        return hardware.dram.capacity_bytes
    if isinstance(hardware, NpuPim):
        return hardware.memory.capacity_bytes
    name, outermost = list(hardware.memories.items())[-1]
    if outermost.capacity_bytes is None:
        what = f"{hardware.name} does not say how much memory it has"
        raise SpecError(problem_at(hardware, f"memories.{name}", what, "add `capacity` to it"))
    return outermost.capacity_bytes


def _wire(link: Link, all_ports: int, ports: int) -> Wire:
    return Wire(capacity=all_ports * link.bandwidth_bytes_per_s, per_flow=ports * link.bandwidth_bytes_per_s)


def _add(kinds: dict[str, int], name: str, done: Collective | None, ports: int) -> None:
    kinds[name + LATENCY] = done.latency_ps if done else 0
    kinds[name + BYTES] = math.ceil(done.link_bytes * ports) if done else 0


def _ps(seconds: float) -> int:
    return round(seconds * PS_PER_S)
