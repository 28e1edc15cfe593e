"""Engine resources of a spatial array: a fifo server per array, a shared bandwidth per memory that has one."""

from __future__ import annotations

from attnsim.families.spatial_array.nest import TICKS_PER_PS
from attnsim.families.spatial_array.residency import Transfer, counted_memories
from attnsim.specs.spatial_array import SpatialArray
from attnsim.taskgraph import GraphBuilder, Resource

LATENCY = "latency"
_UNLIMITED = 1 << 20


class PhaseResources:
    """Resource ids by array and memory name, registered with a graph; `latency` delays tasks without limit.

    ticks_per_ps: how many units of the graph's time make a picosecond, 1 unless a program needs finer ones.
    """

    def __init__(self, graph: GraphBuilder, hardware: SpatialArray, *, ticks_per_ps: int = 1) -> None:
        self.arrays = {name: graph.resource(name) for name in hardware.arrays}
        self.memories = {
            name: graph.resource(name, "shared", capacity=memory.bandwidth_bytes_per_s / ticks_per_ps)
            for name, memory in hardware.memories.items()
            if memory.bandwidth_bytes_per_s is not None
        }
        self.hardware = hardware
        self.latency = graph.resource(LATENCY, servers=_UNLIMITED)


def chain_resources(hardware: SpatialArray, *, ticks_per_ps: int = TICKS_PER_PS) -> dict[str, Resource]:
    """Memories that have a bandwidth, as resources of a graph without its array, in such ticks."""
    return {
        name: Resource(name=name, kind="shared", capacity=memory.bandwidth_bytes_per_s / ticks_per_ps)
        for name, memory in hardware.memories.items()
        if memory.bandwidth_bytes_per_s is not None
    }


def transfer_bytes(move: Transfer, hardware: SpatialArray) -> int:
    """Bytes of one event of a transfer."""
    return round(move.words * move.fraction * hardware.word_bits / 8)


def transfer_memories(move: Transfer, resources: PhaseResources) -> list[int]:
    """Resources that a transfer occupies, inner memory first: memories with a bandwidth whose accesses it counts."""
    counted = counted_memories(move, resources.hardware)
    return [resources.memories[name] for name in counted if name in resources.memories]
