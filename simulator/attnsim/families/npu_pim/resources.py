"""What the phases of a device are made of: its resources in one task graph, and times in picoseconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from attnsim.components.pim import fill_calendar, tile_calendar
from attnsim.families.npu_pim.columns import Columns
from attnsim.specs.npu_pim import NpuPim, Pim
from attnsim.taskgraph import PS_PER_S

ARRAYS, VECTORS, DRAM, PIM, BUFFERS, ISSUE, STORES, LATENCY = (
    "arrays",
    "vectors",
    "dram",
    "pim",
    "global_buffer",
    "command_issue",
    "stores",
    "latency",
)
_MANY = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The resources of one phase and the tasks that were added to them so far."""

    device: NpuPim
    columns: Columns = field(default_factory=Columns)
    known: dict[str, int] = field(default_factory=dict)

    def resource(self, name: str) -> int:
        """A resource with one server, or with as many as there may be for latencies."""
        if name not in self.known:
            self.known[name] = self.columns.fifo(name, servers=_MANY if name == LATENCY else 1)
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

    @property
    def cycle_ps(self) -> int:
        """Picoseconds of a cycle of the NPU."""
        return round(PS_PER_S / self.device.clock_hz)

    def bytes_ps(self, moved: float) -> int:
        """Picoseconds to move bytes between DRAM and NPU, with what refresh takes."""
        memory = self.device.memory
        awake = (1 - memory.timing.rfc_s / memory.timing.refi_s) * memory.efficiency
        return round(moved / (memory.bandwidth_bytes_per_s * awake) * PS_PER_S)
