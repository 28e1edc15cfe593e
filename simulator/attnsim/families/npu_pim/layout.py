"""Where K and V of a request lie in the banks of its channel, and so which tiles its two products take.

AttentionShape x keys -> Blocks. K: a token in each bank, the heads side by side along a row; V: an element of a head in
each bank, the tokens along a row (NeuPIMs, ASPLOS 2024, section 6.3). Dense: one head on a channel, for both products a
token in the banks of a group, each with its part of the elements, and rows filled up (AttAcc, ASPLOS 2024). A block is
what the global buffer is filled for: some rows of queries or of weights, and the tiles that multiply them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from attnsim.components.attention import AttentionShape
from attnsim.errors import MappingError
from attnsim.specs.npu_pim import NpuPim, Pim
from attnsim.specs.npu_schedule import Layout as Chosen
from attnsim.specs.spec import problem_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """`fills` of the global buffer, then `tiles` rows of all banks, each with results of so many compute `steps`."""

    fills: int
    tiles: int
    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Sizes in which heads lie in rows. queries: of a group that the global buffer holds at once. shared: banks with a
    part of each token, 0 unless the layout is dense.
    """

    row: int
    banks: int
    multipliers: int
    heads_in_row: int
    queries: int
    shared: int = 0


def layout_of(shape: AttentionShape, device: NpuPim, pim: Pim, chosen: Chosen) -> Layout:
    """The layout of a problem; MappingError where a head does not tile a row."""
    row = int(device.memory.row_bytes / device.word_bytes)
    dense = chosen == "head"
    if not dense and (shape.qk_dim > row or row % shape.qk_dim):
        what = f"heads of {shape.qk_dim} elements do not tile a row of {row}"
        divisors = ", ".join(str(size) for size in range(16, row + 1) if row % size == 0)
        raise MappingError(problem_at(device, "memory.row", what, f"take heads of {divisors}, or another row"))
    return Layout(
        row=row,
        banks=device.memory.banks_per_channel,
        multipliers=pim.multipliers,
        heads_in_row=max(1, row // shape.qk_dim),
        queries=max(1, min(shape.group, int(pim.buffer_bytes // device.memory.row_bytes))),
        shared=device.memory.banks if dense else 0,
    )


def score_blocks(layout: Layout, shape: AttentionShape, keys: int) -> list[Block]:
    """Q K^T of one request: for each row of heads and queries of the group, all tokens."""
    if layout.shared:
        return _dense_blocks(layout, shape, keys, shape.qk_dim)
    steps = math.ceil(shape.qk_dim / layout.multipliers)
    tiles = math.ceil(keys / layout.banks)
    return [
        Block(fills=queries, tiles=tiles, steps=(steps,) * (heads * queries))
        for heads in _shares(shape.kv_heads, layout.heads_in_row)
        for queries in _shares(shape.group, layout.queries)
    ]


def value_blocks(layout: Layout, shape: AttentionShape, keys: int) -> list[Block]:
    """P V of one request: for each head and row of tokens, all elements of the head."""
    if layout.shared:
        return _dense_blocks(layout, shape, keys, shape.v_dim)
    blocks = []
    for tokens in _shares(keys, layout.row):
        for queries in _shares(shape.group, layout.queries):
            steps = (math.ceil(tokens / layout.multipliers),) * queries
            blocks.append(Block(fills=queries, tiles=math.ceil(shape.v_dim / layout.banks), steps=steps))
    return blocks * shape.kv_heads


def value_parts(layout: Layout, keys: int) -> int:
    """Rows of tokens of a request, whose results have to be added up outside of the memory."""
    return 1 if layout.shared else math.ceil(keys / layout.row)


def _dense_blocks(layout: Layout, shape: AttentionShape, keys: int, size: int) -> list[Block]:
    """A product of each head with tokens of so many elements, in rows without gaps but the last one."""
    at_once = layout.shared * layout.multipliers
    steps = math.ceil(keys * layout.shared / layout.banks) * math.ceil(size / at_once)
    full, rest = divmod(steps, layout.row // layout.multipliers)
    blocks = []
    for queries in _shares(shape.group, layout.queries):
        blocks.append(Block(fills=queries, tiles=full, steps=(layout.row // layout.multipliers,) * queries))
        blocks += [Block(fills=0, tiles=1, steps=(rest,) * queries)] if rest else []
    return blocks * shape.kv_heads


def _shares(total: int, size: int) -> list[int]:
    """`total` in shares of at most `size`."""
    return [min(size, total - first) for first in range(0, total, size)]
