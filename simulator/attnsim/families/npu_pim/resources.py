"""What the phases of a device are made of: its resources in one task graph, and times in picoseconds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from attnsim.components.pim import fill_calendar, tile_calendar
from attnsim.families.npu_pim.columns import Columns
from attnsim.specs.npu_pim import NpuPim, Pim
from attnsim.taskgraph import PS_PER_S, Int64

ARRAYS, VECTORS, DRAM, PIM, BUFFERS, ISSUE, STORES, LINK, LATENCY = (
    "arrays",
    "vectors",
    "dram",
    "pim",
    "global_buffer",
    "command_issue",
    "stores",
    "link",
    "latency",
)
_MANY = 1 << 20


class Machine:
    """The resources of one phase and the tasks that were added to them so far."""

    def __init__(self, device: NpuPim) -> None:
        self.device = device
        self.columns = Columns()
        self.known: dict[str, int] = {}

    def resource(self, name: str) -> int:
        """A resource with one server, or with as many as there may be for latencies and hidden vector work."""
        if name not in self.known:
            many = name == LATENCY or (name == VECTORS and self.device.vectors.hidden)
            self.known[name] = self.columns.fifo(name, servers=_MANY if many else 1)
        return self.known[name]

    def pim(self, pim: Pim, reserve_ps: int) -> tuple[int, int]:
        """The banks of each channel and its global buffer."""
        memory = self.device.memory
        if PIM not in self.known:
            self.known[PIM] = self.columns.fifo(
                PIM, instances=memory.channels, calendar=tile_calendar(memory, pim, reserve_ps)
            )
            self.known[BUFFERS] = self.columns.fifo(
                BUFFERS, instances=memory.channels, calendar=fill_calendar(memory, pim)
            )
        return self.known[PIM], self.known[BUFFERS]

    def cycles_ps(self, cycles: npt.ArrayLike) -> Int64:
        """Picoseconds of numbers of cycles of the NPU, rounded up so that nothing is faster than its clock."""
        return np.ceil(np.asarray(cycles) * (PS_PER_S / self.device.clock_hz) - 1e-3).astype(np.int64)

    def bytes_ps(self, moved: float) -> int:
        """Picoseconds to move bytes between DRAM and NPU, with what refresh or the efficiency of the memory takes."""
        memory = self.device.memory
        reached = memory.efficiency or 1 - memory.timing.rfc_s / memory.timing.refi_s
        return round(moved / (memory.bandwidth_bytes_per_s * reached) * PS_PER_S)

    def passes_ps(self, cycles: npt.ArrayLike) -> Int64:
        """Picoseconds of passes of so many cycles, at what the arrays reach of their rate."""
        return self.cycles_ps(np.asarray(cycles) / self.device.arrays.efficiency)

    @property
    def start_ps(self) -> int:
        """Picoseconds from the end of a step to the beginning of the next."""
        return round(self.device.start_s * PS_PER_S)

    def all_reduce_ps(self, total: float, devices: int) -> int:
        """Picoseconds to add up results of so many bytes over a group of devices; none without a link."""
        return (devices - 1) * self.hand_over_ps(total / devices)

    def hand_over_ps(self, moved: float) -> int:
        """Picoseconds for so many bytes to another device; none without a link."""
        link = self.device.link
        return round((link.latency_s + moved / link.bandwidth_bytes_per_s) * PS_PER_S) if link is not None else 0
