"""Rules by which kernels divide the keys of a row block over CTAs; compiled, one function a rule.

Sources: wave_efficiency, dynamic: Dao-AILab/flash-attention, `num_splits_heuristic` of FA2 and FA3 and the varlen
scheduler; work_items: FlashInfer's plan (scheduler.cuh); square_root: TensorRT-LLM XQA; clusters: trtllm-gen; at_most:
SGLang's Triton decode; fill: TensorRT-LLM's masked multi-head attention; segments: vLLM's unified Triton attention.
"""

from __future__ import annotations

import math

from attnsim.engine.compiled import compiled
from attnsim.families.gpu_tile.tiles import ceil_div

RULES = (
    "none", "wave_efficiency", "dynamic", "work_items", "square_root", "clusters", "at_most", "segments", "fill",
)  # fmt: skip
"""Names of the rules; a rule's position is its code."""


@compiled
def efficient_splits(grid: float, room: float, tiles: float, limit: float, skip_equal: bool) -> float:
    """The fewest splits whose last wave is at least 85 % as full as with the best number of splits.

    grid: CTAs without splits; room: CTAs that run at once. skip_equal: a number of splits that gives CTAs no fewer
    tiles than one split less is left out.
    """
    if grid >= 0.8 * room:
        return 1.0
    most = int(min(limit, min(room, tiles)))
    best = 0.0
    for splits in range(1, most + 1):
        best = max(best, _fullness(grid, float(splits), room, tiles, skip_equal))
    for splits in range(1, most + 1):
        if _fullness(grid, float(splits), room, tiles, skip_equal) >= 0.85 * best:
            return float(splits)
    return 1.0


@compiled
def _fullness(grid: float, splits: float, room: float, tiles: float, skip_equal: bool) -> float:
    """Share of the slots of all waves that are taken; 0 for a number of splits that is left out."""
    if skip_equal and splits > 1.0 and ceil_div(tiles, splits) == ceil_div(tiles, splits - 1.0):
        return 0.0
    waves = grid * splits / room
    return float(waves / math.ceil(waves))


@compiled
def dynamic_splits(blocks: float, heads: float, batch: float, tiles: float, sms: float, most: float) -> float:
    """Splits of a sequence by the tiles that an SM gets if all were shared evenly, with 10 % to spare."""
    per_sm = max(1.0, math.ceil(batch * blocks * tiles * 1.1 * heads / sms))
    return max(1.0, min(ceil_div(tiles, per_sm), most))


@compiled
def item_tiles(batch: float, blocks: float, keys: float, budget: float, least_keys: float, page: float) -> float:
    """Keys of a chunk: the fewest, in pages, with which all chunks of all row blocks fit the budget; 0: no split."""
    pages = ceil_div(keys, page)
    if batch * blocks >= budget:
        return 0.0
    low, high = max(least_keys // page, 1.0), pages
    while low < high:
        middle = float(int(low + high) // 2)
        if batch * blocks * ceil_div(pages, middle) > budget:
            low = middle + 1.0
        else:
            high = middle
    return low * page if low < pages else 0.0


@compiled
def square_root_splits(keys: float, batch: float, heads: float, room: float) -> float:
    """About the square root of eight times the steps of 128 keys, at most eight waves of CTAs."""
    steps = max(1.0, float(int(keys) // 128))
    wanted = min(steps, float(round(math.sqrt(8.0 * steps))))
    return max(1.0, min(wanted, min(float(int(8.0 * room / (batch * heads))), float(int(6000.0 / batch)))))


@compiled
def cluster_splits(keys: float, step: float, batch: float, heads: float, sms: float) -> float:
    """A CTA for every step of keys as far as one wave reaches."""
    return min(ceil_div(keys, step), max(1.0, float(int(sms) // int(batch * heads))))


@compiled
def filling_splits(keys: float, least: float, grid: float, sms: float) -> float:
    """As many as leave no SM without a CTA, of at least so many keys."""
    return max(1.0, min(ceil_div(keys + 1.0, least), ceil_div(sms, grid)))


@compiled
def bounded_splits(keys: float, grid: float, sms: float, limit: float) -> float:
    """As many as fill SMs times the logarithm of the length, at most `limit`."""
    cores = float(int(sms * max(math.log2(keys / 64.0), 1.0)))
    wanted = min(ceil_div(cores, grid), limit)
    return ceil_div(keys, ceil_div(keys, max(wanted, 1.0)))
