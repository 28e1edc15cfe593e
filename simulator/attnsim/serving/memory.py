"""What fits a machine: weights on the devices of the layers, keys and values in pages on those of attention.

One device of a group stands for all: heads and columns are divided evenly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from attnsim.errors import AttnSimError, MisfitError, Problem
from attnsim.taskgraph import PS_PER_S
from attnsim.workload import Step, step_extents

if TYPE_CHECKING:
    from attnsim.serving.device import Device
    from attnsim.serving.machine import Machine

WORD_BYTES = 2
GB = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """weights_bytes: of the whole model, as stored; read_bytes: of them, what an iteration reads, which is all but the
    table of the embedding. token_bytes: of a token's keys and values in all layers. kv_bytes: for keys and values on
    all devices; pages: of `page` tokens that these make. swap_ps_per_token: to or from the hosts; parts: devices that
    hold requests of their own, 1 where all share each request.
    """

    weights_bytes: float
    read_bytes: float
    token_bytes: int
    kv_bytes: float
    page: int
    pages: int
    swap_ps_per_token: float
    parts: int

    @property
    def tokens(self) -> int:
        """Tokens whose keys and values fit."""
        return self.pages * self.page

    def pages_for(self, tokens: int) -> int:
        """Pages that a sequence of so many tokens takes."""
        return -(-tokens // self.page)


def memory_of(machine: Machine) -> Memory:
    """Weights and pages of a machine; raises AttnSimError that says by how much weights or one page do not fit."""
    from attnsim.serving.machine import capacity_bytes

    system, model = machine.system, machine.model
    ranks = model.ranks
    token_bytes = machine.layers * ranks["H"] * (ranks["E"] + ranks["F"]) * WORD_BYTES
    embedding = WORD_BYTES * step_extents({"": model.embedding}, ranks)[""] if model.embedding else 0
    layer, head = _weights(machine.device), _head_weights(machine)
    per_device = layer * machine.layers / machine.stages + head + embedding / machine.tensor_parallel
    whole = machine.tensor_parallel * (layer * machine.layers + head)
    reserved = system.kv.reserved_bytes or 0.0
    device = machine.device
    room = system.kv.use * capacity_bytes(system.pools[system.layers.pool], device) - reserved
    left = room - per_device
    if left < 0:
        raise MisfitError(_too_small(machine, per_device, room))
    kv = left * machine.tensor_parallel * machine.stages
    if machine.memory_devices:
        assert system.attention is not None
        pool = system.pools[system.attention.pool]
        kv = machine.memory_devices * (system.kv.use * capacity_bytes(pool, machine.memory_device) - reserved)
    pages = math.floor(kv / (system.kv.page * token_bytes)) if kv > 0 else 0
    if pages < 1:
        what = f"{kv / GB:.3g} GB are left for keys and values, less than a page of {system.kv.page} tokens takes"
        raise AttnSimError(Problem(path=system.name, what=what, remedy="take more devices, or more of their memory"))
    holders = machine.memory_devices or machine.tensor_parallel * machine.stages
    by_requests = system.attention is not None and system.attention.partition == "requests"
    host = system.kv.host_bytes_per_s
    return Memory(
        weights_bytes=whole + embedding,
        read_bytes=whole,
        token_bytes=token_bytes,
        kv_bytes=kv,
        page=system.kv.page,
        pages=pages,
        swap_ps_per_token=token_bytes / (host * holders) * PS_PER_S if host else 0.0,
        parts=holders if by_requests else 1,
    )


def _weights(device: Device) -> float:
    """Bytes of a layer's weights on one device."""
    return WORD_BYTES * sum(_step_weights(step) for step in device.plan.workload.steps)


def _head_weights(machine: Machine) -> float:
    """Bytes of the head's weights on one device."""
    parts = machine.model.ranks
    divided = machine.model.tensor_parallel.ranks if machine.model.tensor_parallel else ()
    own = {rank: size // machine.tensor_parallel if rank in divided else size for rank, size in parts.items()}
    total = 0
    for step in machine.model.head:
        sizes = step_extents({name: text for name, text in step.extents.items() if name in ("K", "N")}, own)
        total += sizes.get("K", 0) * sizes.get("N", 0)
    return WORD_BYTES * total


def _step_weights(step: Step) -> int:
    return step.extents["K"] * step.extents["N"] if step.cascade.name == "gemm" else 0


def _too_small(machine: Machine, needed: float, room: float) -> Problem:
    gap = (needed - room) / GB
    what = (
        f"{machine.model.name} does not fit pool {machine.system.layers.pool}: each device holds {needed / GB:.4g} GB "
        f"of weights and has {room / GB:.4g} GB for them, {gap:.3g} GB too few"
    )
    least = math.ceil(needed * machine.tensor_parallel * machine.stages / max(room, 1.0))
    remedy = f"share the layers among at least {least} such devices, or raise kv.use"
    return Problem(path=machine.system.name, what=what, remedy=remedy)
