"""Which channel holds the keys and values of each request of a batch.

Requests -> Placed. A trace may say it; else channels in turn, or the longest request first, to the channel with the
least estimated work (greedy min-load bin packing: NeuPIMs, ASPLOS 2024, algorithms 1 and 2).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

from attnsim.components.attention import AttentionShape
from attnsim.components.pim import fill_ps, gemv_tile
from attnsim.errors import AttnSimError, Problem
from attnsim.families.npu_pim.banks import Placed
from attnsim.families.npu_pim.layout import Layout, score_blocks, value_blocks
from attnsim.requests import DecodeRequest
from attnsim.specs.npu_pim import NpuPim, Pim
from attnsim.specs.npu_schedule import Attention
from attnsim.taskgraph import PS_PER_S


def place(
    requests: Sequence[DecodeRequest],
    chosen: Attention,
    shape: AttentionShape,
    layout: Layout,
    device: NpuPim,
    pim: Pim,
) -> tuple[Placed, ...]:
    """Requests on channels, in the order of the batch; AttnSimError for a channel that the device lacks."""
    channels = device.memory.channels
    named = [request.channel for request in requests]
    wrong = sorted({channel for channel in named if channel is not None and channel >= channels})
    if wrong:
        what = f"channel {wrong[0]} is named, and {device.name} has channels 0 to {channels - 1}"
        raise AttnSimError(Problem(path="trace.ch_idx", what=what, remedy="name channels of the device, or none"))
    if all(channel is not None for channel in named):
        return tuple(Placed(keys=r.keys, channel=int(r.channel or 0)) for r in requests)
    if chosen.placement == "round_robin":
        return tuple(Placed(keys=r.keys, channel=number % channels) for number, r in enumerate(requests))
    return _least_loaded(requests, shape, layout, device, pim)


def _least_loaded(
    requests: Sequence[DecodeRequest], shape: AttentionShape, layout: Layout, device: NpuPim, pim: Pim
) -> tuple[Placed, ...]:
    loads = [(0.0, channel) for channel in range(device.memory.channels)]
    work_ps = {
        keys: estimate_ps(keys, shape, layout, device, pim) for keys in sorted({request.keys for request in requests})
    }
    found: dict[int, int] = {}
    for number in sorted(range(len(requests)), key=lambda number: -requests[number].keys):
        load, channel = heapq.heappop(loads)
        found[number] = channel
        heapq.heappush(loads, (load + work_ps[requests[number].keys], channel))
    return tuple(Placed(keys=request.keys, channel=found[number]) for number, request in enumerate(requests))


def estimate_ps(keys: int, shape: AttentionShape, layout: Layout, device: NpuPim, pim: Pim) -> float:
    """Estimated picoseconds of a request on its channel (algorithm 1): fills and tiles of one length each, those of the
    hardware file if it gives them. In a dense layout by the tiles that it has.
    """
    tile, fill = _estimates_ps(layout, device, pim)
    if layout.shared:
        blocks = [*score_blocks(layout, shape, keys), *value_blocks(layout, shape, keys)]
        return float(sum(block.fills * fill + block.tiles * tile for block in blocks))
    rows = math.ceil(shape.kv_heads * shape.qk_dim / layout.row)
    score = rows * (fill + math.ceil(keys / layout.banks) * tile)
    value = shape.kv_heads * math.ceil(keys / layout.row) * (fill + math.ceil(shape.v_dim / layout.banks) * tile)
    return shape.group * (score + value)


def _estimates_ps(layout: Layout, device: NpuPim, pim: Pim) -> tuple[float, float]:
    if pim.estimate is not None:
        return pim.estimate.tile_s * PS_PER_S, pim.estimate.fill_s * PS_PER_S
    tile = gemv_tile(device.memory, pim, (layout.row // layout.multipliers,)).period_ps
    return tile, fill_ps(device.memory, pim, row_buffers=pim.row_buffers)


def halves(placed: Sequence[Placed]) -> tuple[tuple[Placed, ...], tuple[Placed, ...]]:
    """Two sub-batches: half of the requests of each channel each, an odd one to the two in turn."""
    queues: dict[int, list[Placed]] = {}
    for request in placed:
        queues.setdefault(request.channel, []).append(request)
    first: list[Placed] = []
    second: list[Placed] = []
    more_to_first = True
    for channel in sorted(queues):
        queue = queues[channel]
        cut = math.ceil(len(queue) / 2) if more_to_first else len(queue) // 2
        more_to_first ^= len(queue) % 2 == 1
        first += queue[:cut]
        second += queue[cut:]
    return tuple(first), tuple(second)
