"""Exact counts of a bound workload: commands of the banks, bytes, multiply-accumulates and vector operations."""

from __future__ import annotations

from dataclasses import dataclass

from attnsim.components.pim import gemv_tile
from attnsim.families.npu_pim.bound import BoundWorkload, Heads, Product, Stream
from attnsim.families.npu_pim.layout import Block, score_blocks, value_blocks
from attnsim.families.npu_pim.lower import row_cycles


@dataclass(slots=True, kw_only=True)
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
    counts = Counts()
    passes = bound.sub_batches
    for work in bound.work:
        if isinstance(work, Product):
            _product(counts, bound, work, passes)
        elif isinstance(work, Stream):
            counts.read_bytes += work.read_words * bound.device.word_bytes
            counts.written_bytes += work.written_words * bound.device.word_bytes
            counts.vector_operations += work.operations
        else:
            _heads(counts, bound, work)
    return counts


def _product(counts: Counts, bound: BoundWorkload, work: Product, passes: int) -> None:
    """A product; its weights are read once for each sub-batch."""
    shape, word = work.shape, bound.device.word_bytes
    counts.array_macs += float(shape.batch) * shape.m * shape.n * shape.k
    counts.read_bytes += shape.batch * (shape.m * shape.k + passes * shape.k * shape.n) * word
    counts.written_bytes += shape.batch * shape.m * shape.n * word


def _heads(counts: Counts, bound: BoundWorkload, heads: Heads) -> None:
    shape, device = heads.shape, bound.device
    rows = shape.kv_heads * shape.group * shape.queries
    keys = sum(request.keys for request in bound.requests)
    useful = float(rows) * keys * (shape.qk_dim + shape.v_dim)
    lanes = device.vectors.count * device.vectors.lanes
    counts.vector_operations += sum(row_cycles(bound, heads, request.keys) * lanes for request in bound.requests)
    if heads.layout is None or heads.pim is None:
        counts.array_macs += useful
        counts.read_bytes += shape.kv_heads * keys * (shape.qk_dim + shape.v_dim) * device.word_bytes
        counts.written_bytes += len(bound.requests) * rows * shape.v_dim * device.word_bytes
        return
    counts.bank_macs += useful
    for request in bound.requests:
        for blocks_of in (score_blocks, value_blocks):
            for block in blocks_of(heads.layout, shape, request.keys):
                _block(counts, bound, heads, block)
    counts.written_bytes += rows * keys * device.word_bytes


def _block(counts: Counts, bound: BoundWorkload, heads: Heads, block: Block) -> None:
    assert heads.pim is not None
    memory = bound.device.memory
    tile = gemv_tile(memory, heads.pim, block.steps)
    counts.fills += block.fills
    counts.tiles += block.tiles
    counts.activates += block.tiles * tile.activates
    counts.steps += block.tiles * tile.steps
    counts.reads += block.tiles * tile.reads
    width = heads.pim.multipliers * bound.device.word_bytes * memory.banks_per_channel
    counts.bank_bytes += block.tiles * tile.steps * width
