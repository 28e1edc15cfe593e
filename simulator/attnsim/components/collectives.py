"""Collectives on a link: how long they take on an idle one, and the tasks that they are where others use it too.

Link x operation x bytes x devices -> seconds, or a `Collective` and its tasks. Every method is a number of steps that
wait for one another and bytes that each device sends (Thakur, Rabenseifner and Gropp, IJHPCA 2005; NCCL's own model in
its `tuning.cc` has the same form). With n devices and a message of S bytes:

| method | operation | steps | bytes on the wire of a device |
|---|---|---|---|
| ring | all-gather, reduce-scatter | n-1 | S (n-1)/n |
| ring | all-reduce | 2 (n-1) | 2 S (n-1)/n |
| ring | broadcast | n-1 | S |
| one shot | all-reduce: everyone gets all messages | n-1 | S (n-1) |
| two shots | all-reduce: scatter and add, then gather | 2 (n-1) | 2 S (n-1)/n |
| switch | all-reduce: the switch adds up and spreads (NVLink SHARP) | 2 | S (1 + 1/n) |
| exchange | all-to-all | n-1 | S (n-1)/n |
| exchange | send to one device | 1 | S |

A message is what a device has before an all-reduce, a reduce-scatter, an all-to-all or a send, and what it has after an
all-gather or a broadcast. A step of one shot or an exchange is the signal of one other device. The fastest of the
methods that a library has is taken, as libraries choose by a model of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from attnsim.errors import Problem, UnknownNameError
from attnsim.specs.link import Link, Method, MethodKind, library_methods, path_bytes_per_s
from attnsim.taskgraph import PS_PER_S, GraphBuilder

Operation = Literal["all_reduce", "all_gather", "reduce_scatter", "all_to_all", "broadcast", "send"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
Floats = npt.NDArray[np.float64]

_SERVES: dict[MethodKind, tuple[Operation, ...]] = {
    "ring": ("all_reduce", "all_gather", "reduce_scatter", "broadcast"),
    "one_shot": ("all_reduce",),
    "two_shot": ("all_reduce",),
    "switch": ("all_reduce",),
    "exchange": ("all_to_all", "send"),
}
_MANY = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Collective:
    """A collective by one method. latency_s: launch and all steps, and copies in which the link waits. wire_bytes: what
    a device sends; link_bytes: for how many bytes at the peak of the link that keeps its path busy.
    """

    operation: Operation
    method: str
    devices: int
    latency_s: float
    wire_bytes: float
    link_bytes: float
    bandwidth_bytes_per_s: float

    @property
    def seconds(self) -> float:
        """Seconds on an idle link."""
        return self.latency_s + self.link_bytes / self.bandwidth_bytes_per_s

    @property
    def latency_ps(self) -> int:
        """Picoseconds in which the link is free for others."""
        return round(self.latency_s * PS_PER_S)

    @property
    def link_units(self) -> int:
        """Work on a `shared` resource whose capacity is the bandwidth of the link: bytes, rounded up."""
        return math.ceil(self.link_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkResources:
    """Ids of the resources of a link in a task graph: its bytes, and latencies, of which any number run at once."""

    wire: int
    waits: int


def collective(
    link: Link,
    operation: Operation,
    message_bytes: float,
    devices: int,
    *,
    library: str | None = None,
    floating: bool = True,
) -> Collective | None:
    """The fastest way of a library (the default one of the link if None) to do an operation; None for one device.

    message_bytes: as the table of this module counts them. floating: of floating-point numbers.
    Raises UnknownNameError for a library that the link lacks, or one that has no method for the operation.
    """
    if devices < 2:
        return None
    made = [
        _by_method(link, method, operation, float(message_bytes), devices)
        for method in _methods(link, operation, library)
        if _usable(method, np.array(message_bytes), np.array(devices), np.array(floating))
    ]
    if not made:
        raise UnknownNameError(_nothing_serves(link, operation, library))
    return min(made, key=lambda one: one.seconds)


def collective_seconds(
    link: Link,
    operation: Operation,
    message_bytes: npt.ArrayLike,
    devices: npt.ArrayLike,
    *,
    library: str | None = None,
    floating: npt.ArrayLike = True,
) -> Floats:
    """Seconds of a collective alone on an idle link, for arrays of messages and devices (shapes broadcast).

    Zero for one device. The arguments and errors are those of `collective`.
    """
    seconds = fastest_seconds(link, _methods(link, operation, library), operation, message_bytes, devices, floating)
    if not np.isfinite(seconds).all():
        raise UnknownNameError(_nothing_serves(link, operation, library))
    return seconds


def fastest_seconds(
    link: Link,
    methods: Iterable[Method],
    operation: Operation,
    message_bytes: npt.ArrayLike,
    devices: npt.ArrayLike,
    floating: npt.ArrayLike = True,
) -> Floats:
    """`collective_seconds` with methods of one's own, infinite where none of them can be used."""
    size, group, added = np.broadcast_arrays(
        np.asarray(message_bytes, np.float64), np.asarray(devices, np.float64), np.asarray(floating, np.bool_)
    )
    best = np.full(size.shape, np.inf)
    for method in methods:
        seconds = _method_seconds(link, method, operation, size, group)
        best = np.where(_usable(method, size, group, added), np.minimum(best, seconds), best)
    return np.where(group < 2, 0.0, best)


def waits_for(link: str) -> str:
    """Name of the resource that stands for the latencies on a link, which keep nothing busy."""
    return f"{link}_latency"


def add_link(builder: GraphBuilder, bandwidth_bytes_per_s: float, name: str = "link") -> LinkResources:
    """Add the resources of a link of that bandwidth to a graph, for `add_collective`: what is sent at once shares it.

    They are called `name` and `waits_for(name)`.
    """
    return LinkResources(
        wire=builder.resource(name, "shared", capacity=bandwidth_bytes_per_s),
        waits=builder.resource(waits_for(name), servers=_MANY),
    )


def add_collective(
    builder: GraphBuilder,
    resources: LinkResources,
    done: Collective | None,
    preds: Iterable[int] = (),
    *,
    label: str = "",
    priority: int = 0,
) -> int:
    """Add a collective after `preds`, its latencies before its bytes; returns the task that ends it.

    All steps are one task each of latency and of bytes, which alone on the link take what the steps take one by one.
    Of one device (None) it is a marker.
    """
    if done is None:
        return builder.task(-1, 0, preds, origin=(label, 0, "collective"))
    waited = builder.task(resources.waits, done.latency_ps, preds, priority, origin=(label, 0, f"{done.operation}"))
    return builder.task(resources.wire, done.link_units, (waited,), priority, origin=(label, 1, f"{done.operation}"))


def serves(kind: MethodKind, operation: Operation) -> bool:
    """Whether a method does an operation at all."""
    return operation in _SERVES[kind]


def steps_of(kind: MethodKind, operation: Operation, devices: Floats) -> Floats:
    """Steps of a method, as in the table of this module; shape of `devices`."""
    others = devices - 1
    if kind == "switch":
        return np.full_like(others, 2.0)
    if operation == "send":
        return np.ones_like(others)
    return others * (2 if kind == "two_shot" or (kind, operation) == ("ring", "all_reduce") else 1)


def wire_bytes_of(kind: MethodKind, operation: Operation, message_bytes: Floats, devices: Floats) -> Floats:
    """Bytes that a device sends in all steps, as in the table of this module; shape of the arrays."""
    if operation in ("send", "broadcast"):
        return message_bytes
    if kind == "one_shot":
        return message_bytes * (devices - 1)
    if kind == "switch":
        return message_bytes * (1 + 1 / devices)
    return message_bytes * (devices - 1) / devices * (2 if operation == "all_reduce" else 1)


def _methods(link: Link, operation: Operation, library: str | None) -> list[Method]:
    methods = [method for method in library_methods(link, library) if serves(method.kind, operation)]
    if not methods:
        raise UnknownNameError(_nothing_serves(link, operation, library))
    return methods


def _usable(
    method: Method, message_bytes: Floats, devices: Floats, floating: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Where a method is used at all; shape of the arrays."""
    most_devices = math.inf if method.most_devices is None else method.most_devices
    most_bytes = math.inf if method.most_bytes is None else method.most_bytes
    enough = (devices >= method.least_devices) & (devices <= most_devices)
    return enough & (message_bytes <= most_bytes) & (floating | (not method.floating))


def _by_method(link: Link, method: Method, operation: Operation, message_bytes: float, devices: int) -> Collective:
    group, message = np.array(float(devices)), np.array(message_bytes)
    wire = float(wire_bytes_of(method.kind, operation, message, group))
    slower = link.bandwidth_bytes_per_s / (method.efficiency * path_bytes_per_s(link, devices))
    return Collective(
        operation=operation,
        method=method.name,
        devices=devices,
        latency_s=float(_latency_seconds(method, operation, message, group)),
        wire_bytes=wire,
        link_bytes=wire * slower,
        bandwidth_bytes_per_s=link.bandwidth_bytes_per_s,
    )


def _latency_seconds(method: Method, operation: Operation, message_bytes: Floats, devices: Floats) -> Floats:
    copied = message_bytes / method.copy_bytes_per_s if method.copy_bytes_per_s is not None else 0.0
    return method.launch_s + method.step_s * steps_of(method.kind, operation, devices) + copied


def _method_seconds(link: Link, method: Method, operation: Operation, message_bytes: Floats, devices: Floats) -> Floats:
    wire = wire_bytes_of(method.kind, operation, message_bytes, np.maximum(devices, 1))
    path = np.full(devices.shape, link.bandwidth_bytes_per_s)
    for slower in link.beyond:
        path = np.where(devices > slower.devices, np.minimum(path, slower.bandwidth_bytes_per_s), path)
    return _latency_seconds(method, operation, message_bytes, devices) + wire / (method.efficiency * path)


def _nothing_serves(link: Link, operation: Operation, library: str | None) -> Problem:
    wanted = library or link.default_library
    what = f"{wanted} on {link.name} has no method for this {operation.replace('_', '-')}"
    return Problem(what=what, remedy=f"name another library of the link: {', '.join(link.libraries)}")
