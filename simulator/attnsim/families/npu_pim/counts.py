"""Exact counts of a bound workload: commands of the banks, bytes, multiply-accumulates and vector operations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields

from attnsim.components.pim import gemv_tile
from attnsim.families.npu_pim.bound import BoundWorkload, Heads, Product, Stream
from attnsim.families.npu_pim.layout import Block, score_blocks, value_blocks
from attnsim.families.npu_pim.lower import row_cycles
from attnsim.specs.npu_pim import NpuPim, Pim


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Sums over a workload. fills, tiles, activates, steps, reads: of the banks, activates of single banks, the others
    of all banks of a channel together. bank_bytes: multiplied inside the banks. array_macs, bank_macs: useful ones.
    """

    fills: int = 0
    tiles: int = 0
    activates: int = 0
    steps: int = 0
    reads: int = 0
    bank_bytes: float = 0.0
    read_bytes: float = 0.0
    written_bytes: float = 0.0
    array_macs: float = 0.0
    bank_macs: float = 0.0
    vector_operations: float = 0.0


def count(bound: BoundWorkload) -> Counts:
    """Counts of all steps."""
    return _sum(_of(bound, work) for work in bound.work)


def _sum(parts: Iterable[Counts]) -> Counts:
    found = list(parts)
    return Counts(**{field.name: sum(getattr(part, field.name) for part in found) for field in fields(Counts)})


def _of(bound: BoundWorkload, work: Product | Stream | Heads) -> Counts:
    word = bound.device.word_bytes
    if isinstance(work, Product):
        return _product(bound, work)
    if isinstance(work, Stream):
        read, written = work.read_words * word, work.written_words * word
        return Counts(read_bytes=read, written_bytes=written, vector_operations=work.operations)
    return _heads(bound, work)


def _product(bound: BoundWorkload, work: Product) -> Counts:
    """A product; its weights are read once for each sub-batch."""
    shape, word = work.shape, bound.device.word_bytes
    return Counts(
        array_macs=float(shape.batch) * shape.m * shape.n * shape.k,
        read_bytes=shape.batch * (shape.m * shape.k + bound.sub_batches * shape.k * shape.n) * word,
        written_bytes=shape.batch * shape.m * shape.n * word * bound.rules.stored,
    )


def _heads(bound: BoundWorkload, heads: Heads) -> Counts:
    shape, device = heads.shape, bound.device
    rows = shape.kv_heads * shape.group * shape.queries
    keys = sum(request.keys for request in bound.requests)
    useful = float(rows) * keys * (shape.qk_dim + shape.v_dim)
    lanes = device.vectors.count * device.vectors.lanes
    vectors = sum(row_cycles(bound, heads, request.keys) * lanes for request in bound.requests)
    if heads.layout is None or heads.pim is None:
        return Counts(
            array_macs=useful,
            vector_operations=vectors,
            read_bytes=shape.kv_heads * keys * (shape.qk_dim + shape.v_dim) * device.word_bytes,
            written_bytes=len(bound.requests) * rows * shape.v_dim * device.word_bytes,
        )
    blocks = [
        block
        for request in bound.requests
        for blocks_of in (score_blocks, value_blocks)
        for block in blocks_of(heads.layout, shape, request.keys)
    ]
    written = rows * keys * device.word_bytes
    own = Counts(bank_macs=useful, vector_operations=vectors, written_bytes=written)
    same = Counter(blocks)
    return _sum([own, *(_block(device, heads.pim, block, times) for block, times in same.items())])


def _block(device: NpuPim, pim: Pim, block: Block, times: int) -> Counts:
    """So many equal blocks of fills and tiles."""
    memory = device.memory
    tile = gemv_tile(memory, pim, block.steps)
    tiles = times * block.tiles
    return Counts(
        fills=times * block.fills,
        tiles=tiles,
        activates=tiles * tile.activates,
        steps=tiles * tile.steps,
        reads=tiles * tile.reads,
        bank_bytes=tiles * tile.steps * pim.multipliers * device.word_bytes * memory.banks_per_channel,
    )
