"""Matrix-vector products inside DRAM banks: how long a tile takes on a channel, from the times between commands.

Memory x Pim -> GemvTile, picoseconds and counts. A tile is one row of every bank of a channel: precharge what the tile
before had open, one bank a command; activate in groups of banks, each rank as its four-activate window lets it; then
compute steps of all banks at once and read the results. Commands are issued in order, one a cycle of the command bus
(Newton, MICRO 2020, section 4; NeuPIMs, ASPLOS 2024, sections 5.1 to 5.3). `command_graph` says the same command by
command, as a task graph; the tests hold the two together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from attnsim.specs.npu_pim import Memory, Pim
from attnsim.taskgraph import PS_PER_S, Calendar, GraphBuilder, TaskGraph

ACTIVATES_IN_WINDOW = 4
_LONGEST_PART = 0.125
"""Of the time from one refresh to the next: what a refresh breaks off at most is counted in such parts."""
_SETTLED = 4
"""Tiles after which equal tiles follow one another at equal distances."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Times of a memory in picoseconds, as its controller counts them."""

    cycle: int
    rcd: int
    rp: int
    ras: int
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
    controller must have left before a refresh to begin it; where a refresh breaks off one of the `parts` that a tile
    has, the mean of what is done by then. commands: on the command bus; host_commands: that the host
    hands over. activates, steps, reads: of all banks together. bus_ps: that ordinary reads of the channel lose to it.
    """

    period_ps: int
    opening_ps: int
    reserve_ps: int
    parts: int
    commands: int
    host_commands: int
    activates: int
    steps: int
    reads: int
    bus_ps: int


FILL_COMMANDS = 3
"""A fill of the global buffer closes a row, opens one and writes it."""


def clock_of(memory: Memory, pim: Pim) -> Clock:
    """The times of a memory and its multipliers in picoseconds."""
    timing = memory.timing
    window = timing.faw_s * pim.banks_per_activate / ACTIVATES_IN_WINDOW
    return Clock(
        cycle=_ps(1 / memory.clock_hz),
        rcd=_ps(timing.rcd_s),
        rp=_ps(timing.rp_s),
        ras=_ps(timing.ras_s),
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
    turns = banks_in_turn(memory, pim)
    computing, left = _computing_ps(pim, clock, steps, turns)
    rows = _grouped_rows(memory, pim, computing, left) if pim.opening == "groups" else _rows(pim, clock, steps, turns)
    period = rows.change_ps + computing
    own = memory.refresh == "ranks"
    parts = 1 if own else math.ceil(period / (clock.refi * _LONGEST_PART))
    commands = len(steps) if pim.composite else sum(steps) * turns + len(steps) * (pim.operands != "beside")
    return GemvTile(
        period_ps=period,
        opening_ps=rows.change_ps - rows.alone_ps,
        reserve_ps=_estimate_ps(memory, pim, steps) if own else period // parts // 2,
        parts=parts,
        commands=rows.commands + commands,
        host_commands=1 + commands,
        activates=memory.banks_per_channel,
        steps=sum(steps),
        reads=len(steps),
        bus_ps=_bus_ps(memory, clock, rows.commands + commands, len(steps)),
    )


def _bus_ps(memory: Memory, clock: Clock, commands: int, reads: int) -> int:
    """What ordinary reads lose to commands of PIM, which go first: a cycle of the command bus each.

    The read of a result takes the data bus too, for a burst and the change to another rank; half a cycle of that, in
    the mean, lies where no ordinary read could have begun.
    """
    switch = _ps(memory.timing.rtrs_s)
    return (commands - reads) * clock.cycle + reads * (clock.ccd + switch - clock.cycle // 2)


def fill_bus_ps(memory: Memory, pim: Pim) -> int:
    """What ordinary reads lose to a fill of the global buffer."""
    return FILL_COMMANDS * clock_of(memory, pim).cycle


def _computing_ps(pim: Pim, clock: Clock, steps: Sequence[int], turns: int) -> tuple[int, int]:
    """From the first compute command to the last read, and how long the multipliers work on after that.

    Results that go beside the compute are read with the last step.
    """
    step = clock.step if pim.composite else max(clock.step, clock.cycle)
    if pim.operands == "beside":
        return step * (sum(steps) * turns - 1), step
    busy = [max(clock.cycle, step * (max(count * turns, pim.pipeline) + 1)) for count in steps]
    last = 0 if pim.composite else busy[-1] - step
    return sum(busy[:-1]) + last, busy[-1] - last


def _estimate_ps(memory: Memory, pim: Pim, steps: Sequence[int]) -> int:
    """What the controller of NeuPIMs takes a tile for, to see whether it ends before the next refresh."""
    clock = clock_of(memory, pim)
    return (
        memory.banks_per_channel * clock.rtp
        + (activates_per_rank(memory, pim) - 1) * clock.between_activates
        + clock.rcd
        + clock.step * max(pim.pipeline, sum(steps) * banks_in_turn(memory, pim))
        + clock.ccd * (len(steps) - 1)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Changing the rows of all banks. change_ps: from the last read of a tile to the first compute command of the next;
    alone_ps: to that command when no row is open. commands: on the command bus.
    """

    change_ps: int
    alone_ps: int
    commands: int


def _rows(pim: Pim, clock: Clock, steps: Sequence[int], turns: int) -> _Rows:
    """Rows of all banks that change with one command, or those of each bank while other banks have their turn."""
    computing, left = _computing_ps(pim, clock, steps, turns)
    ahead = pim.opening == "ahead"
    own = _computing_ps(pim, clock, steps, 1)[0] if ahead else computing
    opening = max(clock.rcd, clock.cycle)
    closed = max(clock.rtp, clock.cycle, clock.ras - opening - own)
    change = closed + max(clock.rp, clock.cycle) + opening
    return _Rows(
        change_ps=max(left, change + own - computing),
        alone_ps=opening + clock.cycle,
        commands=2 * turns if ahead else 2,
    )


def _grouped_rows(memory: Memory, pim: Pim, computing_ps: int, left_ps: int) -> _Rows:
    """Rows that are closed bank by bank and opened in groups of banks, after a header."""
    clock = clock_of(memory, pim)
    groups = activates_per_rank(memory, pim) * memory.ranks
    alone = _activates_ps(memory, pim, 0, [-clock.rp] * groups)[-1] + max(clock.rcd, clock.cycle)
    return _Rows(
        change_ps=_row_change_ps(memory, pim, computing_ps, left_ps),
        alone_ps=alone + clock.cycle,
        commands=memory.banks_per_channel + 1 + groups,
    )


def _row_change_ps(memory: Memory, pim: Pim, computing_ps: int, busy_ps: int) -> int:
    """From the last read of a tile to the first compute command of the next one, as tiles of one kind settle to.

    computing_ps: from the first compute command to the last read. busy_ps: how long the multipliers work on after that.
    """
    clock = clock_of(memory, pim)
    opened = [-clock.ras - computing_ps] * (activates_per_rank(memory, pim) * memory.ranks)
    first = 0
    for _ in range(_SETTLED):
        closed: list[int] = []
        begin = max(clock.rtp, clock.cycle)
        for activated in opened:
            begin = max(begin, activated + clock.ras) + pim.banks_per_activate * clock.cycle
            closed.append(begin - clock.cycle)
        times = _activates_ps(memory, pim, begin, closed)
        first = max(times[-1] + max(clock.rcd, clock.cycle), busy_ps)
        opened = [time - first - computing_ps for time in times]
    return first


def _activates_ps(memory: Memory, pim: Pim, begin: int, closed: Sequence[int]) -> list[int]:
    """When each group of banks is activated, ranks in turn, after a header at `begin` and its own last precharge."""
    clock = clock_of(memory, pim)
    times: list[int] = []
    for group, precharged in enumerate(closed):
        begin = max(begin + clock.cycle, precharged + clock.rp)
        if group >= memory.ranks:
            begin = max(begin, times[group - memory.ranks] + clock.between_activates)
        times.append(begin)
    return times


def banks_in_turn(memory: Memory, pim: Pim) -> int:
    """Banks that share multipliers, and so take turns with each step."""
    usual = {"bank": 1, "group": memory.banks, "channel": memory.banks_per_channel}[pim.level]
    return pim.banks_per_unit or usual


def activates_per_rank(memory: Memory, pim: Pim) -> int:
    """Activate commands that open a row in every bank of a rank."""
    return memory.groups * memory.banks // pim.banks_per_activate


def fill_ps(memory: Memory, pim: Pim, *, row_buffers: int) -> int:
    """Time to bring a row of operands into the global buffer, from the command after the tile before to its end.

    With one row buffer a row that holds the operands has to be opened in place of a row of the product.
    """
    if pim.operands == "beside":
        return 0
    clock = clock_of(memory, pim)
    opened = pim.operands == "row" and row_buffers == 1
    return clock.fill + 2 * clock.cycle + (clock.rp + clock.rcd if opened else 0)


def tile_calendar(memory: Memory, pim: Pim, reserve_ps: int) -> Calendar:
    """When no tile may begin: around the refresh of each rank, which comes in turn, or of the whole channel.

    A rank is refreshed once its banks are precharged, and then has to be opened again; what is left to precharge in the
    other ranks passes in the meantime. Where a channel is refreshed at once, what a tile has done by then stays done: a
    tile runs on into the window, in the mean for `reserve_ps`, and the window is as much longer.
    """
    clock = clock_of(memory, pim)
    if memory.refresh == "channel":
        closed = clock.rtp + clock.rp + clock.rfc + clock.rcd + reserve_ps
        return Calendar(period_ps=clock.refi, closed_ps=min(closed, clock.refi - 1), first_ps=clock.refi)
    own = memory.groups * memory.banks * clock.cycle + clock.rp + clock.rfc
    hidden = clock.rtp + memory.banks_per_channel * clock.cycle + 2 * clock.cycle
    period = clock.refi // memory.ranks
    return Calendar(period_ps=period, closed_ps=max(0, own - hidden), first_ps=period, reserve_ps=reserve_ps)


def fill_calendar(memory: Memory, pim: Pim) -> Calendar:
    """When the global buffer cannot be filled: while the rank of the operands' row is refreshed and opened again, or
    the whole channel.
    """
    clock = clock_of(memory, pim)
    if memory.refresh == "channel":
        return tile_calendar(memory, pim, 0)
    closed = memory.groups * memory.banks * clock.cycle + clock.rp + clock.rfc + clock.rcd
    reserve = clock.fill + clock.rp + clock.rcd
    first = clock.refi // memory.ranks
    return Calendar(period_ps=clock.refi, closed_ps=closed, first_ps=first, reserve_ps=reserve)


def command_graph(memory: Memory, pim: Pim, tiles: Sequence[Sequence[int]]) -> TaskGraph:
    """Tiles of one channel command by command, without refresh: a task a command, and one for each time between two.

    Banks are not opened ahead.
    """
    commands = _Commands(memory, pim)
    for steps in tiles:
        commands.open_rows()
        for count in steps:
            commands.compute(count)
    return commands.graph.build()


class _Commands:
    """The commands of one channel in order, with what those still to come have to wait for.

    opened: the activate of each group of banks, in the order in which they are opened and closed. waits: what the next
    compute command waits for.
    """

    def __init__(self, memory: Memory, pim: Pim) -> None:
        self.memory, self.pim, self.clock = memory, pim, clock_of(memory, pim)
        self.graph = GraphBuilder()
        self.bus = self.graph.resource("commands")
        self.delays = self.graph.resource("delays", servers=1 << 20)
        self.order: list[int] = []
        self.opened: list[int] = []
        self.waits: list[int] = []
        self.last_read = 0

    def issue(self, name: str, preds: Sequence[int]) -> int:
        """A command on the bus behind the one before."""
        origin = (name, len(self.order), "command")
        self.order.append(self.graph.task(self.bus, self.clock.cycle, [*preds, *self.order[-1:]], origin=origin))
        return self.order[-1]

    def after(self, command: int, picoseconds: int) -> int:
        """What ends so long after a command was issued."""
        return self.graph.task(self.delays, max(0, picoseconds - self.clock.cycle), [command])

    def open_rows(self) -> None:
        """Change the rows of all banks: group by group after a header, or all at once."""
        if self.pim.opening == "groups":
            closed = self.precharge()
            self.issue("header", [])
            self.activate(closed)
            return
        before: list[int] = []
        for activated in self.opened:
            ready = [self.after(self.last_read, self.clock.rtp), self.after(activated, self.clock.ras)]
            before.append(self.after(self.issue("precharge", ready), self.clock.rp))
        self.opened = [self.issue("activate", before)]
        self.waits.append(self.after(self.opened[0], self.clock.rcd))

    def precharge(self) -> list[int]:
        """Close each bank that is open; returns the last precharge of each group."""
        closed: list[int] = []
        for activated in self.opened:
            ready = [self.after(self.last_read, self.clock.rtp), self.after(activated, self.clock.ras)]
            closed.append([self.issue("precharge", ready) for _ in range(self.pim.banks_per_activate)][-1])
        return closed

    def activate(self, closed: Sequence[int]) -> None:
        """Open a row in every bank, a group of banks of each rank in turn."""
        ranks, groups = self.memory.ranks, activates_per_rank(self.memory, self.pim) * self.memory.ranks
        self.opened = []
        for group in range(groups):
            ready = [self.after(closed[group], self.clock.rp)] if closed else []
            if group >= ranks:
                ready.append(self.after(self.opened[-ranks], self.clock.between_activates))
            self.opened.append(self.issue("activate", ready))
        self.waits += [self.after(activated, self.clock.rcd) for activated in self.opened]

    def compute(self, count: int) -> None:
        """The steps of one result and its read: one command, or one for each step of banks that take turns."""
        step, pipeline = self.clock.step, self.pim.pipeline
        total = count * banks_in_turn(self.memory, self.pim)
        if self.pim.composite:
            self.last_read = self.issue("compute", self.waits)
            self.waits = [self.after(self.last_read, step * (max(total, pipeline) + 1))]
            return
        first = last = self.issue("compute", self.waits)
        for _ in range(total - 1):
            last = self.issue("compute", [self.after(last, step)])
        if self.pim.operands == "beside":
            self.last_read, self.waits = last, [self.after(last, step)]
            return
        self.last_read = self.issue("read", [self.after(last, step), self.after(first, step * pipeline)])
        self.waits = [self.after(self.last_read, step)]


def _ps(seconds: float) -> int:
    return round(seconds * PS_PER_S)
