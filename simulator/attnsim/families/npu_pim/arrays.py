"""Work of the NPU itself: matrix products on systolic arrays with their operands from DRAM, vector work, attention.

Sizes -> tasks. A product is cut in halves until its tiles fit the scratchpad; while a tile is computed the next one is
loaded. Inside a tile, operands arrive in as many pieces as there are stationary tiles along the contracted dimension,
and a pass begins when its piece is there (double buffering as in ONNXim and NeuPIMs).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from attnsim.components.attention import AttentionShape
from attnsim.components.products import GemmShape
from attnsim.components.systolic import pass_cycles, passes_of
from attnsim.families.npu_pim.columns import NONE, Ids
from attnsim.families.npu_pim.resources import ARRAYS, DRAM, LATENCY, LINK, VECTORS, Machine
from attnsim.taskgraph import Int64

_MOST_PIECES = 512
_LEAST = 4
# Assumption of the released simulator: an instruction of the arrays takes at least four cycles.


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A product cut into equal tiles of m x n x k."""

    tiles: int
    m: int
    n: int
    k: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Choices of a mapping about the arrays. serial: a pass begins when the one before has drained. spare_block: P V
    takes a block of keys more than there are, unless one key is left over, as the released simulator does. stored:
    results of products go back to DRAM. abreast: each array works on a head of its own, else all of them on one.
    """

    serial: bool = False
    spare_block: bool = False
    stored: bool = True
    abreast: bool = False


def cut_product(machine: Machine, shape: GemmShape) -> Cut:
    """Tiles whose operands and result fit the scratchpad: the largest dimension is halved until they do."""
    m, n, k, tiles = shape.m, shape.n, shape.k, 1
    word = machine.device.word_bytes
    while (m * k + k * n + m * n) * word > machine.device.scratchpad_bytes and max(m, n, k) > 1:
        tiles *= 2
        if k >= max(m, n):
            k = math.ceil(k / 2)
        elif n >= m:
            n = math.ceil(n / 2)
        else:
            m = math.ceil(m / 2)
    return Cut(tiles=tiles, m=m, n=n, k=k)


def add_product(machine: Machine, shape: GemmShape, rules: Rules, after: int, label: str) -> int:
    """Add a matrix product with its loads and stores; returns the marker at its end."""
    ends, loaded = [after, after], NONE
    cut = cut_product(machine, shape)
    for _ in range(shape.batch * cut.tiles):
        loaded, end = _add_tile(machine, cut, rules, (ends[-2], loaded), ends[-1], label)
        ends.append(end)
    word = machine.device.word_bytes
    drained = add_latency(machine, _drain_ps(machine, shape), ends[-1], label)
    if rules.stored:
        add_transfer(machine, shape.batch * shape.m * shape.n * word, drained, label, "store")
    return drained


def _add_tile(
    machine: Machine, cut: Cut, rules: Rules, loads_after: tuple[int, int], passes_after: int, label: str
) -> tuple[int, int]:
    """One tile of a product: loads in pieces, passes in order; returns the last load and the last pass.

    loads_after: the tile whose place in the scratchpad is free then, and the loads of the tile before.
    """
    device, columns = machine.device, machine.columns
    passes = passes_of(device.arrays, cut.m, cut.n, cut.k)
    cycles = passes.streaming + passes.skew if rules.serial else pass_cycles(device.arrays, passes)
    pieces = passes.first if device.arrays.dataflow == "input_stationary" else passes.count
    grouped = -(-pieces // _MOST_PIECES)
    pieces = -(-pieces // grouped)
    moved = (cut.m * cut.k + cut.k * cut.n) * device.word_bytes / pieces
    loads = columns.add(
        machine.resource(DRAM),
        np.full(pieces, machine.bytes_ps(moved)),
        [np.where(np.arange(pieces) == 0, before, NONE) for before in loads_after],
        label=label,
        kind="load",
    )
    columns.order(loads[1:], loads[:-1])
    count = -(-passes.count // grouped)
    needs = np.where(np.arange(count) < pieces, loads[np.minimum(np.arange(count), pieces - 1)], NONE)
    work = np.full(count, machine.passes_ps(cycles * grouped))
    done = columns.add(machine.resource(ARRAYS), work, [needs], label=label, kind="pass")
    columns.order(done, np.concatenate([[passes_after], done[:-1]]))
    return int(loads[-1]), int(done[-1])


def _drain_ps(machine: Machine, shape: GemmShape) -> int:
    """From the last vector into the arrays to the last result, and from the first read to its data."""
    timing = machine.device.memory.timing
    skew = passes_of(machine.device.arrays, shape.m, shape.n, shape.k).skew
    return int(machine.cycles_ps(skew)) + round((timing.rcd_s + timing.cl_s) * 1e12)


def add_transfer(machine: Machine, moved: float, after: int, label: str, kind: str) -> int:
    """Bytes between DRAM and scratchpad; returns the task."""
    ids = machine.columns.add(machine.resource(DRAM), [machine.bytes_ps(moved)], [[after]], label=label, kind=kind)
    return int(ids[0])


def add_all_reduce(machine: Machine, total: float, devices: int, after: int, label: str) -> int:
    """The sum of the results of so many devices, where a link joins them; returns what to wait for."""
    picoseconds = machine.all_reduce_ps(total, devices) if devices > 1 else 0
    if not picoseconds:
        return after
    ids = machine.columns.add(machine.resource(LINK), [picoseconds], [[after]], label=label, kind="all-reduce")
    return int(ids[0])


def add_hand_over(machine: Machine, moved: float, times: int) -> None:
    """Bytes that go to the next device so many times, one after the other, where a link joins them."""
    picoseconds = machine.hand_over_ps(moved)
    link = machine.resource(LINK)
    machine.columns.add(link, [picoseconds] * times, [[NONE]] * times, label="states", kind="hand-over")


def add_latency(machine: Machine, picoseconds: int, after: int, label: str) -> int:
    """A time in which nothing is busy; returns the task."""
    ids = machine.columns.add(machine.resource(LATENCY), [picoseconds], [[after]], label=label, kind="latency")
    return int(ids[0])


def add_stream(machine: Machine, read: float, written: float, cycles: int, after: int, label: str) -> int:
    """Work of the vector units on bytes that come from DRAM, and the bytes that go back; returns its end."""
    loaded = add_transfer(machine, read, after, label, "load")
    columns = machine.columns
    ids = columns.add(machine.resource(VECTORS), [machine.cycles_ps(cycles)], [[loaded]], label=label, kind="vector")
    add_transfer(machine, written, int(ids[0]), label, "store")
    return int(ids[0])


def add_array_attention(
    machine: Machine,
    shape: AttentionShape,
    keys: Sequence[int],
    rules: Rules,
    vector_ps: Callable[[int], int],
    after: int,
) -> int:
    """Attention of a batch on the arrays, head by head: Q, K and V from DRAM, scores, softmax, values; returns its end.

    vector_ps: of all heads of a request, by its keys. Heads abreast begin and end together, with the longest of them.
    """
    heads = np.repeat(np.asarray(keys, np.int64), shape.kv_heads)
    firsts = np.arange(0, len(heads), machine.device.arrays.count if rules.abreast else 1)
    lengths, rows = np.maximum.reduceat(heads, firsts), len(firsts)
    columns, word = machine.columns, machine.device.word_bytes
    queries = shape.group * shape.queries
    moved = np.add.reduceat(heads * (shape.qk_dim + shape.v_dim) + queries * shape.qk_dim, firsts) * word
    load_ps = np.array([machine.bytes_ps(float(amount)) for amount in np.unique(moved)])[
        np.searchsorted(np.unique(moved), moved)
    ]
    loads = columns.add(
        machine.resource(DRAM),
        load_ps,
        [np.where(np.arange(rows) == 0, after, NONE)],
        label="Q, K and V",
        kind="load",
    )
    columns.order(loads[1:], loads[:-1])
    score_ps, value_ps = _head_ps(machine, shape, lengths, rules)
    each = np.array([vector_ps(length) // shape.kv_heads for length in keys], np.int64)
    vector = np.add.reduceat(np.repeat(each, shape.kv_heads), firsts)
    scores = columns.add(machine.resource(ARRAYS), score_ps, [loads], label="QK", kind="pass")
    softmax = columns.add(machine.resource(VECTORS), vector, [scores], label="softmax", kind="vector")
    values = columns.add(machine.resource(ARRAYS), value_ps, [softmax], label="AV", kind="pass")
    if rules.serial:
        columns.order(scores[1:], values[:-1])
    word_out = len(heads) * queries * shape.v_dim * word
    add_transfer(machine, word_out, int(values[-1]), "AV", "store")
    return columns.join(values[-1:], "attention")


def _head_ps(machine: Machine, shape: AttentionShape, lengths: Int64, rules: Rules) -> tuple[Ids, Ids]:
    """Picoseconds of the two products of a head: queries are stationary while keys stream, then weights while V does.

    Where passes are serial each one waits for the array to drain, with the next tile loaded meanwhile. Heads abreast
    have an array each.
    """
    arrays = machine.device.arrays
    rows = -(-shape.group * shape.queries // arrays.columns)
    blocks = -(-lengths // arrays.rows)
    if rules.spare_block:
        blocks = -(-(lengths + arrays.rows - 1) // arrays.rows)
    before = arrays.rows + arrays.columns - 2 if rules.serial else arrays.rows
    beside = 1 if rules.abreast else arrays.count
    score = rows * -(-shape.qk_dim // arrays.rows) * (before + np.maximum(_LEAST, -(-lengths // beside)))
    value = rows * blocks * (before + max(_LEAST, -(-shape.v_dim // beside)))
    return machine.passes_ps(score), machine.passes_ps(value)
