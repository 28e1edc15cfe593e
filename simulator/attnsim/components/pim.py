"""Matrix-vector products inside DRAM banks: how long a tile takes on a channel, from the times between commands.

Memory x Pim -> GemvTile, picoseconds and counts. A tile is one row of every bank of a channel: precharge what the tile
before had open, one bank a command; activate in groups of banks, each rank as its four-activate window lets it; then
compute steps of all banks at once and read the results. Commands are issued in order, one a cycle of the command bus
(Newton, MICRO 2020, section 4; NeuPIMs, ASPLOS 2024, sections 5.1 to 5.3). `command_graph` says the same command by
command, as a task graph; the tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from attnsim.specs.npu_pim import Memory, Pim
from attnsim.taskgraph import PS_PER_S, Calendar, GraphBuilder, TaskGraph

ACTIVATES_IN_WINDOW = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Times of a memory in picoseconds, as its controller counts them."""

    cycle: int
    rcd: int
    rp: int
    rtp: int
    rfc: int
    refi: int
    ccd: int
    between_activates: int
    step: int
    fill: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GemvTile:
    """One tile: from the command after the last read of the tile before to its own last read.

    period_ps: with the rows of the tile before to close; opening_ps: less, when no row is open. reserve_ps: what the
    controller must have left before a refresh to begin it. commands: on the command bus; host_commands: that the host
    hands over. activates, steps, reads: of all banks together.
    """

    period_ps: int
    opening_ps: int
    reserve_ps: int
    commands: int
    host_commands: int
    activates: int
    steps: int
    reads: int


def clock_of(memory: Memory, pim: Pim) -> Clock:
    """The times of a memory and its multipliers in picoseconds."""
    timing = memory.timing
    window = timing.faw_s * pim.banks_per_activate / ACTIVATES_IN_WINDOW
    return Clock(
        cycle=_ps(1 / memory.clock_hz),
        rcd=_ps(timing.rcd_s),
        rp=_ps(timing.rp_s),
        rtp=_ps(timing.rtp_s),
        rfc=_ps(timing.rfc_s),
        refi=_ps(timing.refi_s),
        ccd=_ps(timing.ccd_s),
        between_activates=_ps(window),
        step=_ps(pim.step_s),
        fill=_ps(pim.fill_s),
    )


def gemv_tile(memory: Memory, pim: Pim, steps: Sequence[int]) -> GemvTile:
    """A tile that computes one result a bank for each entry of `steps`, the compute steps that the result takes."""
    clock = clock_of(memory, pim)
    banks = memory.banks_per_channel
    activates = activates_per_rank(memory, pim)
    open_all = (memory.ranks - 1) * clock.cycle + (activates - 1) * clock.between_activates + clock.rcd
    turns = banks_in_turn(memory, pim)
    busy = [clock.step * (max(count * turns, pim.pipeline) + 1) for count in steps]
    last = 0 if pim.composite else clock.step * max(steps[-1] * turns, pim.pipeline)
    closing = clock.rtp + banks * clock.cycle
    estimate = (
        banks * clock.rtp
        + (activates - 1) * clock.between_activates
        + clock.rcd
        + clock.step * max(pim.pipeline, sum(steps) * turns)
        + clock.ccd * (len(steps) - 1)
    )
    computing = len(steps) if pim.composite else sum(steps) + len(steps)
    opened = activates * memory.ranks
    return GemvTile(
        period_ps=closing + clock.cycle + open_all + sum(busy[:-1]) + last,
        opening_ps=closing - clock.cycle,
        reserve_ps=estimate,
        commands=banks + 1 + opened + computing,
        host_commands=1 + computing,
        activates=banks,
        steps=sum(steps),
        reads=len(steps),
    )


def banks_in_turn(memory: Memory, pim: Pim) -> int:
    """Banks that share multipliers, and so take turns with each step."""
    return {"bank": 1, "group": memory.banks, "channel": memory.banks_per_channel}[pim.level]


def activates_per_rank(memory: Memory, pim: Pim) -> int:
    """Activate commands that open a row in every bank of a rank."""
    return memory.groups * memory.banks // pim.banks_per_activate


def fill_ps(memory: Memory, pim: Pim, *, row_buffers: int) -> int:
    """Time to bring a row of operands into the global buffer, from the command after the tile before to its end.

    With one row buffer the row of the operands has to be opened in place of a row of the product.
    """
    clock = clock_of(memory, pim)
    return clock.fill + 2 * clock.cycle + (clock.rp + clock.rcd if row_buffers == 1 else 0)


def tile_calendar(memory: Memory, pim: Pim, reserve_ps: int) -> Calendar:
    """When no tile may begin: around the refresh of each rank, which comes in turn.

    A rank is refreshed once its banks are precharged, and then has to be opened again; what is left to precharge in the
    other ranks passes in the meantime.
    """
    clock = clock_of(memory, pim)
    own = memory.groups * memory.banks * clock.cycle + clock.rp + clock.rfc
    hidden = clock.rtp + memory.banks_per_channel * clock.cycle + 2 * clock.cycle
    period = clock.refi // memory.ranks
    return Calendar(period_ps=period, closed_ps=own - hidden, first_ps=period, reserve_ps=reserve_ps)


def fill_calendar(memory: Memory, pim: Pim) -> Calendar:
    """When the global buffer cannot be filled: while the rank of the operands' row is refreshed and opened again."""
    clock = clock_of(memory, pim)
    closed = memory.groups * memory.banks * clock.cycle + clock.rp + clock.rfc + clock.rcd
    reserve = clock.fill + clock.rp + clock.rcd
    first = clock.refi // memory.ranks
    return Calendar(period_ps=clock.refi, closed_ps=closed, first_ps=first, reserve_ps=reserve)


def command_graph(memory: Memory, pim: Pim, tiles: Sequence[Sequence[int]]) -> TaskGraph:
    """Tiles of one channel command by command, without refresh: a task a command, and one for each time between two."""
    sequence = _Commands(memory, pim)
    for steps in tiles:
        sequence.close()
        sequence.open()
        sequence.compute(steps)
    return sequence.graph.build()


class _Commands:
    """The commands of a channel in order, each on the command bus for a cycle."""

    def __init__(self, memory: Memory, pim: Pim) -> None:
        self.memory, self.pim, self.clock = memory, pim, clock_of(memory, pim)
        self.graph = GraphBuilder()
        self.bus = self.graph.resource("commands")
        self.delays = self.graph.resource("delays", servers=1 << 20)
        self.last: list[int] = []
        self.read: list[int] = []
        self.opened: list[int] = []

    def after(self, tasks: Sequence[int], picoseconds: int) -> list[int]:
        """Tasks that end so long after the beginnings of these commands."""
        wait = max(0, picoseconds - self.clock.cycle)
        return [self.graph.task(self.delays, wait, [task]) for task in tasks]

    def command(self, name: str, preds: Sequence[int]) -> int:
        """The next command, which follows all before it."""
        origin = (name, 0, "command")
        self.last = [self.graph.task(self.bus, self.clock.cycle, [*preds, *self.last], origin=origin)]
        return self.last[0]

    def close(self) -> None:
        """Precharge every bank, if a row is open."""
        ready = self.after(self.read, self.clock.rtp)
        for _ in range(self.memory.banks_per_channel if self.read else 0):
            self.command("precharge", ready)

    def open(self) -> None:
        """The header, then activates, the ranks in turn."""
        self.command("header", [])
        activated: dict[int, list[int]] = {rank: [] for rank in range(self.memory.ranks)}
        for rank in list(activated) * activates_per_rank(self.memory, self.pim):
            ready = self.after(activated[rank], self.clock.between_activates)
            activated[rank] = [self.command("activate", ready)]
        self.opened = [wait for tasks in activated.values() for wait in self.after(tasks, self.clock.rcd)]

    def compute(self, steps: Sequence[int]) -> None:
        """Steps and reads, one result after the other."""
        ready = self.opened
        for count in steps:
            ready = self._composite(count, ready) if self.pim.composite else self._single(count, ready)

    def _composite(self, count: int, ready: Sequence[int]) -> list[int]:
        self.read = [self.command("compute", ready)]
        turns = count * banks_in_turn(self.memory, self.pim)
        return self.after(self.read, self.clock.step * (max(turns, self.pim.pipeline) + 1))

    def _single(self, count: int, ready: Sequence[int]) -> list[int]:
        first = step = [self.command("compute", ready)]
        for _ in range(count * banks_in_turn(self.memory, self.pim) - 1):
            step = [self.command("compute", self.after(step, self.clock.step))]
        filled = self.after(first, self.clock.step * self.pim.pipeline)
        self.read = [self.command("read", [*self.after(step, self.clock.step), *filled])]
        return self.after(self.read, self.clock.step)


def _ps(seconds: float) -> int:
    return round(seconds * PS_PER_S)
