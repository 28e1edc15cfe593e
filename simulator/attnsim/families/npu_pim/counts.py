"""Exact counts of a bound workload: commands of the banks, bytes, multiply-accumulates and vector operations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields

from attnsim.components.pim import gemv_tile
from attnsim.families.npu_pim.bound import BoundWorkload, Heads, Product, Stream
from attnsim.families.npu_pim.layout import Layout, score_blocks, value_blocks
from attnsim.families.npu_pim.lower import row_cycles
from attnsim.specs.npu_pim import Pim
from attnsim.taskgraph import PS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Sums over a workload. fills, tiles, activates, steps, reads: of the banks, activates of single banks, the others
    of all banks of a channel together. open_s: for which tiles hold rows open, summed over channels. bank_bytes:
    multiplied inside the banks. array_macs, bank_macs: useful ones.
    """

    fills: int = 0
    tiles: int = 0
    activates: int = 0
    steps: int = 0
    reads: int = 0
    open_s: float = 0.0
    bank_bytes: float = 0.0
    read_bytes: float = 0.0
    written_bytes: float = 0.0
    array_macs: float = 0.0
    bank_macs: float = 0.0
    vector_operations: float = 0.0


def count(bound: BoundWorkload) -> Counts:
    """Counts of all steps."""
    parts = [part for work in bound.work for part in _parts(bound, work)]
    return Counts(**{one.name: sum(getattr(part, one.name) for part in parts) for one in fields(Counts)})


def _parts(bound: BoundWorkload, work: Product | Stream | Heads) -> Sequence[Counts]:
    if isinstance(work, Product):
        return [_product(bound, work)]
    if isinstance(work, Stream):
        return [_stream(bound, work)]
    if work.layout is None or work.pim is None:
        return [_softmax(bound, work), _array_heads(bound, work)]
    return [_softmax(bound, work), _bank_heads(bound, work), _commands(bound, work, work.layout, work.pim)]


def _product(bound: BoundWorkload, work: Product) -> Counts:
    """A product; its weights are read once for each sub-batch."""
    shape, word = work.shape, bound.device.word_bytes
    return Counts(
        array_macs=float(shape.batch) * shape.m * shape.n * shape.k,
        read_bytes=shape.batch * (shape.m * shape.k + bound.sub_batches * shape.k * shape.n) * word,
        written_bytes=shape.batch * shape.m * shape.n * word * bound.rules.stored,
    )


def _stream(bound: BoundWorkload, work: Stream) -> Counts:
    word = bound.device.word_bytes
    return Counts(
        read_bytes=work.read_words * word,
        written_bytes=work.written_words * word,
        vector_operations=work.operations,
    )


def _softmax(bound: BoundWorkload, heads: Heads) -> Counts:
    lanes = bound.device.vectors.count * bound.device.vectors.lanes
    cycles = sum(row_cycles(bound, heads, request.keys) for request in bound.requests)
    return Counts(vector_operations=cycles * lanes)


def _array_heads(bound: BoundWorkload, heads: Heads) -> Counts:
    """Attention on the arrays: Q, K and V are read once, and what comes out is written."""
    shape, word = heads.shape, bound.device.word_bytes
    rows = len(bound.requests) * _rows(heads)
    return Counts(
        array_macs=_useful_macs(bound, heads),
        read_bytes=(shape.kv_heads * _keys(bound) * (shape.qk_dim + shape.v_dim) + rows * shape.qk_dim) * word,
        written_bytes=rows * shape.v_dim * word,
    )


def _bank_heads(bound: BoundWorkload, heads: Heads) -> Counts:
    """Attention in the banks: its weights are written there."""
    written = _rows(heads) * _keys(bound) * bound.device.word_bytes
    return Counts(bank_macs=_useful_macs(bound, heads), written_bytes=written)


def _commands(bound: BoundWorkload, heads: Heads, layout: Layout, pim: Pim) -> Counts:
    """Commands of the banks, by the steps of their tiles; what is multiplied includes what only fills up a row."""
    memory, fills, tiles = bound.device.memory, 0, Counter[tuple[int, ...]]()
    for keys, requests in Counter(request.keys for request in bound.requests).items():
        for block in (*score_blocks(layout, heads.shape, keys), *value_blocks(layout, heads.shape, keys)):
            fills += requests * block.fills
            tiles[block.steps] += requests * block.tiles
    kinds = [(number, gemv_tile(memory, pim, steps)) for steps, number in tiles.items()]
    steps = sum(number * tile.steps for number, tile in kinds)
    return Counts(
        fills=fills,
        tiles=tiles.total(),
        activates=sum(number * tile.activates for number, tile in kinds),
        steps=steps,
        reads=sum(number * tile.reads for number, tile in kinds),
        open_s=sum(number * tile.period_ps for number, tile in kinds) / PS_PER_S,
        bank_bytes=steps * pim.multipliers * bound.device.word_bytes * memory.banks_per_channel,
    )


def _rows(heads: Heads) -> int:
    return heads.shape.kv_heads * heads.shape.group * heads.shape.queries


def _keys(bound: BoundWorkload) -> int:
    return sum(request.keys for request in bound.requests)


def _useful_macs(bound: BoundWorkload, heads: Heads) -> float:
    return float(_rows(heads)) * _keys(bound) * (heads.shape.qk_dim + heads.shape.v_dim)
