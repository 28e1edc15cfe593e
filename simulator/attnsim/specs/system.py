"""Serving systems: what `hwspecs/offload/<name>.yaml` may say: pools of devices, what runs on which, and how requests
are served.

One pool may do everything; or attention of decoding runs on a pool of memory devices across a network, and prefill on a
pool of its own. After Lamina (arXiv 2405.01814) for the roles and their schedule.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from attnsim.errors import Problem, UnknownNameError
from attnsim.specs.library import Kind, find, suggest
from attnsim.specs.load import load_spec
from attnsim.specs.overrides import Override
from attnsim.specs.quantity import Bytes, BytesPerSecond, Second, Watt
from attnsim.specs.spec import FileSpec, Fraction, Source, Spec, Text, problem_at


class Pool(Spec):
    """Equal devices of one kind.

    hardware: name or path of each. mapping: of attention on it, the hardware's own if left out. link: between devices
    that share a layer, by name. memory, price_usd_per_hour: of a device, the hardware's own if left out; power: of a
    device under load, for hardware that does not give its energy.
    """

    hardware: Text
    devices: PositiveInt
    mapping: Text | None = None
    link: Text | None = None
    memory_bytes: Bytes | None = Field(alias="memory", default=None)
    price_usd_per_hour: PositiveFloat | None = None
    power_w: Watt | None = Field(alias="power", default=None)
    source: str = ""


class Layers(Spec):
    """How a pool holds the layers: `replicas` copies, each in `pipeline_parallel` stages of `tensor_parallel` devices.

    Without attention on another pool, each copy serves requests of its own. With it, copies work on layers of
    different batches in turn, and all of them share the other pool.
    """

    pool: Text
    tensor_parallel: PositiveInt = 1
    pipeline_parallel: PositiveInt = 1
    replicas: PositiveInt = 1

    @property
    def devices(self) -> int:
        """Devices that all copies take."""
        return self.tensor_parallel * self.pipeline_parallel * self.replicas


class Offloading(Spec):
    """Attention of decoding on a pool of its own, which holds all keys and values.

    network: link between the pools, by name. partition: every device has a part of the `heads` of all requests, or all
    heads of a part of the `requests`. send_q_early: queries leave before keys and values are computed, and attention
    to older tokens begins with them; the new token is added by the associative softmax when it arrives.
    """

    pool: Text
    network: Text
    partition: Literal["heads", "requests"] = "heads"
    send_q_early: bool = True


class Prefill(Spec):
    """Where prompts are processed.

    mode: `removed`: elsewhere, and for nothing, as studies of decoding do; `chunked`: together with decoding, at most
    `tokens` of both an iteration; `whole`: in iterations of its own, as many prompts as make up `tokens`, at least one;
    `separate`: on another pool, whose keys and values come over `network`.
    """

    mode: Literal["removed", "chunked", "whole", "separate"] = "chunked"
    tokens: PositiveInt = 2048
    pool: Text | None = None
    tensor_parallel: PositiveInt = 1
    network: Text | None = None


class Kv(Spec):
    """Memory for keys and values.

    use: share of each device's memory that may be taken; reserved: of it, for activations and graphs; page: tokens in a
    page. admission: a request is let in when there are pages for its `prompt`, or for all of it (`whole`). preemption:
    what happens to the youngest request when pages run out: it is computed again, or swapped out over `host_link`.
    """

    use: Fraction = 0.9
    reserved_bytes: Bytes | None = Field(alias="reserved", default=None)
    page: PositiveInt = 16
    admission: Literal["prompt", "whole"] = "prompt"
    preemption: Literal["recompute", "swap"] = "recompute"
    host_bytes_per_s: BytesPerSecond | None = Field(alias="host_link", default=None)


class Schedule(Spec):
    """How iterations follow each other.

    batches: sub-batches in flight, each at another layer; left out: one for each stage of a pipeline, and with
    offloading one more than copies of the layers. max_batch: requests that decode at once, in all sub-batches.
    overhead: of each iteration of a sub-batch, in which the host schedules and samples; nothing of the sub-batch runs
    meanwhile. overhead_per_request: beside it, of each request that makes a token.
    """

    batches: PositiveInt | None = None
    max_batch: PositiveInt | None = None
    overhead_s: Second = Field(alias="overhead", default=0.0)
    overhead_per_request_s: Second = Field(alias="overhead_per_request", default=0.0)


class Kernels(Spec):
    """What steps on a device take: `modeled` by the device's family, or the `ideal` of its lower bounds, reached to the
    share `compute` where arithmetic bounds them and `memory` where a memory does. caches: whether attention finds keys
    and values in a cache, as kernels do that are measured again and again; between layers others take their place."""

    times: Literal["modeled", "ideal"] = "modeled"
    caches: Literal["cold", "warm"] = "cold"
    compute: Fraction = 1.0
    memory: Fraction = 1.0


class System(FileSpec):
    """Pools by name, their roles, and how requests are served. source: where configuration and prices come from."""

    name: Text
    family: Literal["offload"]
    title: str = ""
    source: Source
    notes: str = ""
    pools: dict[Text, Pool] = Field(min_length=1)
    layers: Layers
    attention: Offloading | None = None
    prefill: Prefill = Field(default_factory=Prefill)
    kv: Kv = Field(default_factory=Kv)
    schedule: Schedule = Field(default_factory=Schedule)
    kernels: Kernels = Field(default_factory=Kernels)

    @property
    def batches(self) -> int:
        """Sub-batches in flight on each server."""
        usual = self.layers.replicas + 1 if self.attention else self.layers.pipeline_parallel
        return self.schedule.batches or usual

    @property
    def servers(self) -> int:
        """Parts that serve requests of their own: copies of the layers, all together where they share a pool."""
        return 1 if self.attention else self.layers.replicas


def load_system(name: str, overrides: Sequence[Override] = ()) -> System:
    """Read a system by name or path, after `overrides`; raises SpecError or UnknownNameError."""
    return load_spec(find("system", name), System, overrides, system_problems)


def system_problems(system: System) -> list[Problem]:
    """Contradictions inside a system: pools that are not there or shared, devices that do not come out, settings that
    need another; and names of hardware, kernels and links that nothing has."""
    found = [*_pools(system), *_settings(system), *_unknown(system)]
    return [problem_at(system, path, what, remedy) for path, what, remedy in found]


def _pools(system: System) -> list[tuple[str, str, str]]:
    found = []
    known = tuple(system.pools)
    roles = [("layers", system.layers.pool, system.layers.devices)]
    if system.attention is not None:
        roles.append(("attention", system.attention.pool, system.pools.get(system.attention.pool, _NONE).devices))
    if system.prefill.pool is not None:
        roles.append(("prefill", system.prefill.pool, 0))
    for role, name, devices in roles:
        pool = system.pools.get(name)
        if pool is None:
            found.append((f"{role}.pool", f"there is no pool {name!r}", suggest(name, known)))
        elif devices and pool.devices != devices:
            what = f"{devices} devices of pool {name!r}, which has {pool.devices}"
            found.append((role, what, "tensor_parallel x pipeline_parallel x replicas has to be the pool's devices"))
        elif role == "prefill" and pool.devices % system.prefill.tensor_parallel:
            what = f"{pool.devices} devices are not divided by {system.prefill.tensor_parallel}"
            found.append(("prefill.tensor_parallel", what, "take a divisor"))
    names = [name for _, name, _ in roles]
    twice = sorted({name for name in names if names.count(name) > 1})
    found += [("pools", f"pool {name!r} has two roles", "give each role a pool of its own") for name in twice]
    idle = sorted(set(known) - set(names))
    return [*found, *((f"pools.{name}", "this pool has no role", "name it, or leave it out") for name in idle)]


_NONE = Pool(hardware="none", devices=1)


def _unknown(system: System) -> list[tuple[str, str, str]]:
    asked: list[tuple[str, Kind, str | None]] = []
    for name, pool in system.pools.items():
        asked += [
            (f"pools.{name}.hardware", "hardware", pool.hardware),
            (f"pools.{name}.mapping", "mapping", pool.mapping),
            (f"pools.{name}.link", "link", pool.link),
        ]
    asked.append(("attention.network", "link", system.attention.network if system.attention else None))
    asked.append(("prefill.network", "link", system.prefill.network))
    return [
        (path, problem.what, problem.remedy)
        for path, kind, name in asked
        if name is not None
        for problem in _not_found(kind, name)
    ]


def _not_found(kind: Kind, name: str) -> tuple[Problem, ...]:
    try:
        find(kind, name)
    except UnknownNameError as error:
        return error.problems
    return ()


def _settings(system: System) -> list[tuple[str, str, str]]:
    found = []
    prefill, kv, layers = system.prefill, system.kv, system.layers
    if prefill.mode == "separate" and (prefill.pool is None or prefill.network is None):
        found.append(("prefill", "a separate prefill needs a pool and a network", "name both"))
    if prefill.mode != "separate" and (prefill.pool is not None or prefill.network is not None):
        found.append(("prefill", f"mode {prefill.mode} uses no pool of its own", "leave `pool` and `network` out"))
    if kv.preemption == "swap" and kv.host_bytes_per_s is None:
        found.append(("kv.preemption", "swapping needs the bandwidth to the host", "write kv.host_link: 64 GB/s"))
    if kv.use <= 0:
        found.append(("kv.use", "no memory may be used", "give a share above zero"))
    if min(system.kernels.compute, system.kernels.memory) <= 0:
        found.append(("kernels", "a share of zero never ends", "give shares above zero"))
    if system.attention is not None and layers.pipeline_parallel > 1:
        found.append(("layers.pipeline_parallel", "copies take turns with offloading", "give replicas instead"))
    shared = [("layers", layers.pool, layers.tensor_parallel * layers.pipeline_parallel)]
    shared.append(("prefill", prefill.pool or "", prefill.tensor_parallel))
    for role, name, devices in shared:
        pool = system.pools.get(name)
        if pool is not None and devices > 1 and pool.link is None:
            found.append((f"pools.{name}.link", f"{devices} devices of {role} share layers", "name their link"))
    return found
