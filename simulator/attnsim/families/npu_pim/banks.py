"""Attention in the banks: the fills and tiles of each request on its channel, softmax and stores beside them.

Requests x layout -> tasks. A channel works through its requests one after the other; its controller takes commands in
order. The host may hand over one command a cycle for all channels together, request by request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from attnsim.components.attention import AttentionShape
from attnsim.components.pim import GemvTile, fill_bus_ps, fill_ps, gemv_tile
from attnsim.families.npu_pim.columns import NONE, Ids
from attnsim.families.npu_pim.layout import Block, Layout, score_blocks, value_blocks, value_parts
from attnsim.families.npu_pim.resources import DRAM, ISSUE, LATENCY, STORES, VECTORS, Machine
from attnsim.specs.npu_pim import Pim
from attnsim.taskgraph import PS_PER_S, Int64

SCORES, VALUES = "scores and softmax", "values"
"""Labels of the markers at the ends of the two stages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A request on its channel: the keys that its query sees."""

    keys: int
    channel: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Banks:
    """What one attention stage needs to know: the problem, its layout, PIM as the mapping uses it, and vector work.

    vector_ps: of all heads of a request, by its keys. interferes: ordinary reads go on meanwhile.
    """

    shape: AttentionShape
    layout: Layout
    pim: Pim
    barrier: bool
    vector_ps: Callable[[int], int]
    interferes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """Fills and tiles of all channels, in the order of channels and then of time; one row each.

    owner: position of the request. fill: whether it fills the global buffer. opening_ps: less where no row is open yet.
    host: commands that the host hands over. bus_ps: that ordinary reads of the channel lose.
    """

    channel: Int64
    owner: Int64
    fill: np.ndarray[tuple[int], np.dtype[np.bool_]]
    work_ps: Int64
    opening_ps: Int64
    host: Int64
    bus_ps: Int64


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What comes after a stage of a batch waits for. read: that the last result of each request is there; ends: the
    last item of each channel; handed: the last commands that the host hands over for all channels, if it does.
    """

    read: Ids
    ends: Ids
    handed: int


def add_attention(machine: Machine, banks: Banks, requests: Sequence[Placed], after: int = NONE) -> int:
    """Add the scores, the softmax and the values of a batch; returns the marker at its end.

    The host goes through the requests channel by channel.
    """
    requests = sorted(requests, key=lambda request: request.channel)
    tiles = _Tiles(machine, banks)
    scores, values = (_items(banks, requests, tiles, blocks_of) for blocks_of in (score_blocks, value_blocks))
    scored = _add_items(machine, banks, tiles, scores, len(requests), first=after, before=None, label="QK")
    softmax = _add_vectors(machine, banks, requests, scored.read)
    heads = np.full(len(requests), banks.shape.kv_heads * banks.shape.group)
    stored = _add_stores(machine, heads, softmax, label="softmax", ordered=banks.barrier)
    barrier = machine.columns.join(stored[-1:], SCORES) if banks.barrier else NONE
    begin = barrier if banks.barrier else stored
    done = _add_items(machine, banks, tiles, values, len(requests), first=begin, before=scored, label="AV").read
    rows = np.array([value_parts(banks.layout, request.keys) for request in requests])
    parts = -(-banks.shape.v_dim // banks.layout.banks)
    written = _add_stores(machine, np.where(rows > 1, heads * parts, 0), done, label="AV", ordered=banks.barrier)
    if banks.barrier:
        machine.columns.order(written[:1], stored[-1:])
    return machine.columns.join(np.concatenate([done, written]), VALUES)


class _Tiles:
    """Tiles by their steps, each timed once, and the fill of the global buffer."""

    def __init__(self, machine: Machine, banks: Banks) -> None:
        self.memory, self.pim = machine.device.memory, banks.pim
        self.known: dict[tuple[int, ...], GemvTile] = {}
        self.fill_ps = fill_ps(self.memory, self.pim, row_buffers=self.pim.row_buffers)
        self.fill_bus_ps = fill_bus_ps(self.memory, self.pim)

    def of(self, steps: tuple[int, ...]) -> GemvTile:
        if steps not in self.known:
            self.known[steps] = gemv_tile(self.memory, self.pim, steps)
        return self.known[steps]

    @property
    def reserve_ps(self) -> int:
        """What the controller keeps before a refresh, for the longest tile."""
        return max(tile.reserve_ps for tile in self.known.values())


def _items(
    banks: Banks,
    requests: Sequence[Placed],
    tiles: _Tiles,
    blocks_of: Callable[[Layout, AttentionShape, int], list[Block]],
) -> Items:
    rows: list[tuple[int, ...]] = []
    for number, request in enumerate(requests):
        for block in blocks_of(banks.layout, banks.shape, request.keys):
            tile = tiles.of(block.steps)
            rows.append((block.fills, request.channel, number, 1, tiles.fill_ps, 0, 1, tiles.fill_bus_ps))
            work, host, bus = (n // tile.parts for n in (tile.period_ps, tile.host_commands, tile.bus_ps))
            rows.append((block.tiles * tile.parts, request.channel, number, 0, work, tile.opening_ps, host, bus))
    table = np.array(rows, np.int64)
    spread = np.repeat(table[:, 1:], table[:, 0], axis=0)
    return Items(
        channel=spread[:, 0],
        owner=spread[:, 1],
        fill=spread[:, 2].astype(bool),
        work_ps=spread[:, 3],
        opening_ps=spread[:, 4],
        host=spread[:, 5],
        bus_ps=spread[:, 6],
    )


def _add_items(
    machine: Machine,
    banks: Banks,
    tiles: _Tiles,
    items: Items,
    requests: int,
    *,
    first: int | Ids,
    before: Stage | None,
    label: str,
) -> Stage:
    """Add fills and tiles as a chain on each channel, behind those of the stage before it.

    first: what the first of a channel waits for, or what those of each request wait for. Without a stage before, no row
    is open yet.
    """
    columns = machine.columns
    pim, buffers = machine.pim(banks.pim, tiles.reserve_ps)
    starts = np.flatnonzero(np.diff(items.channel, prepend=-1))
    work = items.work_ps.copy()
    if before is None:
        first_tiles = _first_tiles(items, starts)
        work[first_tiles] -= items.opening_ps[first_tiles]
    begin = _begin(items, starts, first)
    handed = _issued(machine, banks, items, begin, before, label)
    group = np.where(items.fill, buffers, pim)
    anchors = np.where(items.fill, columns.anchor(buffers, items.channel), columns.anchor(pim, items.channel))
    ids = columns.add(group, work, [begin, handed], affinity=anchors, label=label, kind="tile")
    columns.order(ids[1:], np.where(np.diff(items.channel) == 0, ids[:-1], NONE))
    if before is not None:
        columns.order(ids[starts], before.ends)
    if banks.interferes and banks.pim.command_bus == "shared":
        _take_bus(machine, items, ids)
    last = np.full(requests, NONE, np.int64)
    last[items.owner] = ids
    read_ps = round((machine.device.memory.timing.cl_s + machine.device.memory.timing.ccd_s) * PS_PER_S)
    latency = machine.resource(LATENCY)
    read = columns.add(latency, np.full(requests, read_ps), [last], label=label, kind="latency")
    return Stage(read=read, ends=ids[np.append(starts[1:], len(ids)) - 1], handed=int(handed.max()))


def _take_bus(machine: Machine, items: Items, ids: Ids) -> None:
    """What commands of PIM take of the bus of the channel that has the most of them.

    Ordinary data is dealt out over all channels, and is there when the slowest channel has sent its part.
    """
    taken = np.bincount(items.channel, weights=items.bus_ps)
    (busiest,) = np.nonzero(items.channel == int(np.argmax(taken)))
    before = np.concatenate([[NONE], ids[busiest[:-1]]])
    machine.columns.add(machine.resource(DRAM), items.bus_ps[busiest], [before], label="commands of PIM", kind="bus")


def _first_tiles(items: Items, starts: Ids) -> Ids:
    """The first tile of each channel."""
    tiles = np.flatnonzero(~items.fill)
    return tiles[np.searchsorted(tiles, starts)]


def _begin(items: Items, starts: Ids, first: int | Ids) -> Ids:
    """What each item waits for beside the one before it."""
    if isinstance(first, np.ndarray):
        changes = np.diff(items.owner, prepend=-1) != 0
        return np.where(changes, first[items.owner], NONE)
    waits = np.full(len(items.channel), NONE, np.int64)
    waits[starts] = first
    return waits


def _issued(machine: Machine, banks: Banks, items: Items, begin: Ids, before: Stage | None, label: str) -> Ids:
    """Tasks that hand over the commands of each item, request by request, where the host has one command a cycle."""
    if banks.pim.command_issue == "per_channel":
        return np.full(len(begin), NONE, np.int64)
    order = np.argsort(items.owner, kind="stable")
    host_ps = machine.cycles_ps(items.host[order])
    ids = machine.columns.add(machine.resource(ISSUE), host_ps, [begin[order]], label=label, kind="issue")
    machine.columns.order(ids, np.concatenate([[before.handed if before else NONE], ids[:-1]]))
    handed = np.empty(len(order), np.int64)
    handed[order] = ids
    return handed


def _add_vectors(machine: Machine, banks: Banks, requests: Sequence[Placed], last: Ids) -> Ids:
    work = np.array([banks.vector_ps(request.keys) for request in requests], np.int64)
    return machine.columns.add(machine.resource(VECTORS), work, [last], label="softmax", kind="vector")


def _add_stores(machine: Machine, rows: Int64, after: Ids, *, label: str, ordered: bool) -> Ids:
    """Rows of results are stored one a cycle; in the order of the requests, or as they come."""
    ids = machine.columns.add(machine.resource(STORES), machine.cycles_ps(rows), [after], label=label, kind="store")
    if ordered:
        machine.columns.order(ids[1:], ids[:-1])
    return ids
