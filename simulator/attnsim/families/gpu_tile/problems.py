"""Attention problems as arrays, and their columns under a kernel on a GPU.

Problems x Kernel x GpuTile x TileWork -> rows of `columns.COLUMNS`, and which problems no tile fits. Every fact of a
launch is decided here: packing, tile, occupancy, order, splits, the launches before and after.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from attnsim.components.attention import UNLIMITED, AttentionShape
from attnsim.engine.compiled import compiled
from attnsim.families.gpu_tile.columns import AT, Floats, blank
from attnsim.families.gpu_tile.fused import TileWork
from attnsim.families.gpu_tile.occupancy import WARP_THREADS, resident_ctas
from attnsim.families.gpu_tile.splits import (
    RULES,
    bounded_splits,
    cluster_splits,
    dynamic_splits,
    efficient_splits,
    filling_splits,
    item_tiles,
    square_root_splits,
)
from attnsim.families.gpu_tile.tiles import ceil_div
from attnsim.families.gpu_tile.work import fill_work
from attnsim.specs.gpu_tile import DATA_TYPES, GpuTile
from attnsim.specs.kernel import AttentionLaunch, Kernel, Mask, Split, TileRule
from attnsim.specs.ranges import bounds

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

ORDERS = ("ascending", "descending", "longest_first", "across", "dealt", "streamed")
_SECTION_BYTES = 32 * 2**20
_LINE_BYTES = 128.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Problems:
    """Attention problems as arrays of equal length; `past` and `window` as in `fused.AttentionShape`."""

    batch: Ints
    query_heads: Ints
    kv_heads: Ints
    queries: Ints
    keys: Ints
    past: Ints
    window: Ints
    qk_dim: Ints
    v_dim: Ints

    def __len__(self) -> int:
        return len(self.batch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Columns of the problems that a tile fits; `chosen`: the rule of each problem by position, -1: none fits."""

    columns: Floats
    chosen: Ints
    rules: tuple[TileRule, ...] = field(repr=False)


def one_problem(shape: AttentionShape) -> Problems:
    """A single problem as arrays of length one."""

    def lone(value: int) -> Ints:
        return np.array([value], np.int64)

    return Problems(
        batch=lone(shape.batch),
        query_heads=lone(shape.kv_heads * shape.group),
        kv_heads=lone(shape.kv_heads),
        queries=lone(shape.queries),
        keys=lone(shape.keys),
        past=lone(shape.past),
        window=lone(shape.window),
        qk_dim=lone(shape.qk_dim),
        v_dim=lone(shape.v_dim),
    )


def bind_problems(problems: Problems, kernel: Kernel, gpu: GpuTile, work: TileWork) -> Bound:
    """Columns of all problems. A problem that no tile rule holds for, or whose tile no SM holds, is -1 in `chosen`."""
    launch = kernel.attention
    assert launch is not None
    rows = blank(len(problems))
    _shape_columns(rows, problems, launch)
    chosen = _tile_columns(rows, problems, kernel, launch, gpu, np.zeros(len(rows), np.bool_))
    if any(rule.split for rule in launch.tiles):
        fits = chosen >= 0
        asked = np.zeros(len(rows), np.bool_)
        asked[fits] = _scheduled(rows[fits], launch, gpu)[:, AT["asked"]] > 1
        chosen = _tile_columns(rows, problems, kernel, launch, gpu, asked)
    _tile_shares(rows, kernel, launch, gpu, chosen)
    fill_work(rows, kernel, launch, gpu, work, chosen)
    rows[:, AT["search"]] = _masked(problems, launch.search) | np.array([r.search for r in launch.tiles])[chosen]
    rows[:, AT["order"]] = ORDERS.index(launch.order)
    rows[:, AT["exact_start"]] = launch.exact_start
    masked = [-1.0 if rule.mask_all == "alike" else float(rule.mask_all or launch.mask_all) for rule in launch.tiles]
    rows[:, AT["mask_all"]] = np.array(masked)[chosen]
    rows[:, AT["by_distance"]] = launch.reuse == "distance"
    rows[:, AT["sharpness"]] = launch.sharpness
    rows[:, AT["reads_new"]] = launch.reads_new
    rows[:, AT["copies"]] = _copies(rows) if launch.repacks else 0.0
    rows[:, AT["splits"]] = 1.0
    fits = chosen >= 0
    rows[fits] = _scheduled(rows[fits], launch, gpu)
    _write_columns(rows, kernel, gpu)
    _combine_columns(rows, kernel, gpu)
    unsplit = 0.0 if launch.scans_batch == "split" else 0.5
    passes = np.where(rows[:, AT["asked"]] > 1, 1.0, unsplit)  # with splits it also sums those of the sequences before
    rows[:, AT["scanned"]] = rows[:, AT["batch"]] * passes if launch.scans_batch else 0.0
    return Bound(columns=rows, chosen=chosen, rules=tuple(launch.tiles))


def _shape_columns(rows: Floats, problems: Problems, launch: AttentionLaunch) -> None:
    group = problems.query_heads // problems.kv_heads
    windowed = (problems.window < problems.keys) & _within(problems.window, launch.windows)
    packed = np.full(len(problems), launch.pack == "group")
    if launch.pack == "single":
        packed = (problems.queries == 1) & (group > 1) & (problems.window >= UNLIMITED)
    given = {
        "batch": problems.batch,
        "heads": np.where(packed, problems.kv_heads, problems.query_heads),
        "kv_heads": problems.kv_heads,
        "query_heads": problems.query_heads,
        "group": np.where(packed, group, 1),
        "queries": problems.queries,
        "keys": problems.keys,
        "past": np.minimum(problems.past, 2 * problems.keys),
        "window": np.where(windowed, problems.window, UNLIMITED),
        "qk_dim": _padded(problems.qk_dim) if launch.pads_head else problems.qk_dim,
        "v_dim": _padded(problems.v_dim) if launch.pads_head else problems.v_dim,
    }
    for name, values in given.items():
        rows[:, AT[name]] = values


def _copies(rows: Floats) -> Floats:
    """Launches that rearrange Q and O of packed groups: none where one sequence or one head is in order as it is."""
    packed = (rows[:, AT["group"]] > 1) & (rows[:, AT["queries"]] == 1)
    return np.where(packed & (rows[:, AT["batch"]] > 1) & (rows[:, AT["kv_heads"]] > 1), 2.0, 0.0)


def _padded(dims: Ints) -> Ints:
    return (2 ** np.ceil(np.log2(dims))).astype(np.int64)


def _tile_columns(
    rows: Floats, problems: Problems, kernel: Kernel, launch: AttentionLaunch, gpu: GpuTile, asked: Bools
) -> Ints:
    """Fill in the tile of each problem; returns the position of its rule, -1 where none holds or none fits.

    asked: where more than one split is asked for.
    """
    chosen = np.full(len(problems), -1, np.int64)
    tiled = rows[:, AT["queries"]] * rows[:, AT["group"]]
    for position, rule in enumerate(launch.tiles):
        if rule.architectures and gpu.architecture not in rule.architectures:
            continue
        if rule.data_types and kernel.data_types.products not in rule.data_types:
            continue
        free = (chosen == -1) & _within(problems.qk_dim, rule.head_dim) & _within(tiled, rule.rows)
        free &= _within(problems.keys, rule.keys) & (_masked(problems, rule.masks) | (not rule.masks))
        free &= asked | (not rule.split)
        free &= rows[:, AT["heads"]] * rows[:, AT["batch"]] < rule.grid * gpu.sms
        for head in np.unique(np.stack([problems.qk_dim[free], problems.v_dim[free]]), axis=1).T:
            here = free & (problems.qk_dim == head[0]) & (problems.v_dim == head[1])
            slots = rule_ctas(rule, kernel, gpu, int(head[0]), int(head[1]))
            chosen[here] = position if slots else -2
            rows[here, AT["m"]], rows[here, AT["n"]], rows[here, AT["slots"]] = rule.m, rule.n, slots
    return np.where(chosen == -2, -1, chosen)


def _tile_shares(rows: Floats, kernel: Kernel, launch: AttentionLaunch, gpu: GpuTile, chosen: Ints) -> None:
    """What a CTA takes of V, the CTAs that this makes, and the shared memory that Q leaves to K and V."""
    columns = np.array([rule.v_columns for rule in launch.tiles])[chosen]
    rows[:, AT["v_tile"]] = np.where(columns > 0, np.minimum(columns, rows[:, AT["v_dim"]]), rows[:, AT["v_dim"]])
    rows[:, AT["heads"]] *= np.ceil(rows[:, AT["v_dim"]] / rows[:, AT["v_tile"]])
    held = np.array([rule.q_shared for rule in launch.tiles])[chosen]
    q_bytes = rows[:, AT["m"]] * rows[:, AT["qk_dim"]] * DATA_TYPES[kernel.data_types.products] * held
    rows[:, AT["spare_bytes"]] = np.maximum(gpu.shared_memory_per_cta_bytes - q_bytes, 1.0)
    overlaps = np.array([(rule.overlap or launch.overlap) == "specialized" for rule in launch.tiles])
    rows[:, AT["specialized"]] = overlaps[chosen]


def rule_ctas(rule: TileRule, kernel: Kernel, gpu: GpuTile, qk_dim: int, v_dim: int) -> int:
    """CTAs of a tile that an SM holds, 0 for none."""
    resident = resident_ctas(
        gpu,
        threads=rule.threads,
        registers_per_thread=rule.registers,
        shared_bytes=sum(shared_parts(rule, kernel, qk_dim, v_dim).values()),
    )
    return min(rule.ctas, resident)


def shared_parts(rule: TileRule, kernel: Kernel, qk_dim: int, v_dim: int) -> dict[str, int]:
    """Shared memory of a CTA in bytes: Q, and `stages` tiles of K and of V, each as wide as is held at once."""
    products, cache = DATA_TYPES[kernel.data_types.products], DATA_TYPES[kernel.data_types.cache]
    width = min(1.0, rule.held) if rule.held else 1.0
    return {
        "Q": int(rule.m * qk_dim * products) if rule.q_shared else 0,
        "K": int(rule.stages * rule.n * qk_dim * cache * width),
        "V": int(rule.stages * rule.n * min(v_dim, rule.v_columns or v_dim) * cache * width),
    }


def _within(values: Ints | Floats, text: str) -> Bools:
    low, high = bounds(text)
    return np.asarray((values >= low) & (values <= high))


def _masked(problems: Problems, masks: list[Mask]) -> Bools:
    """Where the mask is one of those."""
    if not masks:
        return np.zeros(len(problems), np.bool_)
    window = problems.window < problems.keys
    causal = ~window & (problems.past < problems.keys - 1) & (problems.queries > 1)
    kinds = {"window": window, "causal": causal, "none": ~window & ~causal}
    kinds["windowed"] = problems.window < UNLIMITED
    return np.asarray(np.any([kinds[mask] for mask in masks], axis=0))


def _scheduled(rows: Floats, launch: AttentionLaunch, gpu: GpuTile) -> Floats:
    """The rows with splits and sections."""
    rows = rows.copy()
    split = launch.split
    code = RULES.index(split.rule)
    blocks = np.ceil(rows[:, AT["queries"]] * rows[:, AT["group"]] / rows[:, AT["m"]])
    if launch.l2_sections:
        rows[:, AT["section"]] = _sections(rows)
    if code:
        _fill_splits(rows, blocks, code, float(gpu.sms), *_numbers(split))
    if launch.head_lines:
        rows[:, AT["line_uses"]] = _line_uses(rows, blocks, float(gpu.sms))
    return rows


def _line_uses(rows: Floats, blocks: Floats, sms: float) -> Floats:
    """Times that a line is read for the heads that lie in it: once for those whose CTAs are in flight together."""
    heads = np.minimum(_LINE_BYTES / (rows[:, AT["qk_dim"]] * rows[:, AT["load_bytes"]]), rows[:, AT["kv_heads"]])
    ctas = blocks * rows[:, AT["splits"]] * rows[:, AT["batch"]]
    together = np.maximum(rows[:, AT["slots"]] * sms / ctas, 1.0)
    return np.asarray(np.maximum(heads / together, 1.0))


def _sections(rows: Floats) -> Floats:
    """Heads whose K and V stay in 32 MiB together: 1, 2, 4, 8 or 16 (FA3, tile_scheduler.hpp, varlen scheduler)."""
    group = rows[:, AT["query_heads"]] / rows[:, AT["kv_heads"]]
    shares = np.select([group <= 1, group <= 2, group <= 4, group <= 8], [1.0, 2.0, 4.0, 8.0], 16.0)
    size = rows[:, AT["n"]] * (rows[:, AT["qk_dim"]] + rows[:, AT["v_dim"]]) * rows[:, AT["load_bytes"]]
    fitting = np.floor(_SECTION_BYTES / shares / size)
    tiles = np.ceil(rows[:, AT["keys"]] / rows[:, AT["n"]])
    section = np.select([tiles * heads <= fitting for heads in (16, 8, 4, 2)], [16.0, 8.0, 4.0, 2.0], 1.0)
    return np.asarray(np.minimum(section, rows[:, AT["heads"]]))


def _numbers(split: Split) -> tuple[float, ...]:
    return (
        float(split.slots_per_sm),
        float(split.limit),
        float(split.least_tiles),
        float(split.bound),
        float(split.bound_batch),
        float(split.batch_limit),
        float(split.keys),
        float(split.pages),
        float(split.only_packed),
        float(split.still_asked),
        float(split.longest),
    )


_BATCH, _HEADS, _KV, _KEYS, _WINDOW = AT["batch"], AT["heads"], AT["kv_heads"], AT["keys"], AT["window"]
_M, _N, _SPLITS, _SPLIT_TILES, _GROUP = AT["m"], AT["n"], AT["splits"], AT["split_tiles"], AT["group"]
_SLOTS = AT["slots"]
_ASKED, _QUERIES = AT["asked"], AT["queries"]


@compiled
def _fill_splits(
    rows: Floats,
    blocks: Floats,
    code: int,
    sms: float,
    slots: float,
    limit: float,
    least: float,
    bound: float,
    bound_batch: float,
    batch_limit: float,
    step: float,
    page: float,
    only_packed: float,
    late: float,
    longest: float,
) -> None:
    """Write splits, and where the rule says so what was asked for, by the rule with this code."""
    for index in range(len(rows)):
        row = rows[index]
        if (only_packed > 0.0 and row[_GROUP] <= 1.0) or (row[_BATCH] > batch_limit and late == 0.0):
            continue
        seen = min(row[_KEYS], row[_WINDOW] + row[_M]) if row[_WINDOW] < row[_KEYS] else row[_KEYS]
        asked = bound if row[_BATCH] <= bound_batch else 0.0
        n = step if step > 0.0 and code in (1, 2) else row[_N]
        if code == 2:
            row[_ASKED] = _asked_splits(row, blocks[index], seen, n, sms, limit, least, asked)
        if code == 5:
            reach = min(max(row[_KEYS], longest), row[_WINDOW] + row[_M])
            row[_ASKED] = cluster_splits(reach, step, row[_BATCH], row[_HEADS] * blocks[index], sms)
        row[_SPLITS] = _row_splits(row, blocks[index], code, seen, n, sms, slots, limit, bound_batch, page, least)
        if code not in (4, 7):
            row[_SPLITS] = min(row[_SPLITS], max(ceil_div(seen, n), 1.0))
        if code == 7 and row[_SPLITS] > 1.0:  # of all keys, whatever a window leaves
            row[_SPLIT_TILES] = ceil_div(row[_KEYS], n * row[_SPLITS])
        if row[_BATCH] > batch_limit:
            row[_SPLITS] = 1.0


@compiled
def _asked_splits(
    row: Floats, blocks: float, seen: float, n: float, sms: float, limit: float, least: float, asked: float
) -> float:
    """Splits that the caller asks for, or else those of the heuristic for one sequence."""
    if asked > 0.0:
        return asked
    tiles = ceil_div(seen, n)
    return float(efficient_splits(row[_HEADS] * blocks, sms, tiles, limit, False)) if tiles > least else 1.0


@compiled
def _row_splits(
    row: Floats,
    blocks: float,
    code: int,
    seen: float,
    n: float,
    sms: float,
    slots: float,
    limit: float,
    bound_batch: float,
    page: float,
    least: float,
) -> float:
    """Splits of a problem whose keys are walked n at a time, by the rule with this code."""
    heads, batch, keys = row[_HEADS], row[_BATCH], row[_KEYS]
    made = 1.0
    if code == 1:
        made = efficient_splits(batch * heads * blocks, slots * sms, ceil_div(keys, n), limit, True)
    elif code == 2 and row[_ASKED] > 1.0:
        made = dynamic_splits(blocks, heads, batch, ceil_div(keys, n), sms, row[_ASKED])
    elif code == 3:
        reach = min(keys, row[_WINDOW] + row[_M])
        held = slots if slots > 0.0 else row[_SLOTS]
        chunk = item_tiles(batch, blocks, reach, float(int(held * sms) // int(row[_KV])), 128.0, page)
        made = ceil_div(reach, chunk) if chunk > 0.0 else 1.0
        row[_SPLIT_TILES] = ceil_div(chunk, n) if chunk > 0.0 else 0.0
    elif code == 4:
        made = square_root_splits(keys, batch, heads, slots * sms)
    elif code == 5:
        made = row[_ASKED]
    elif code == 8:
        made = filling_splits(keys, n * least, batch * heads * blocks, sms)
    elif code == 6:
        made = bounded_splits(seen, batch * heads * blocks, sms, limit)
    elif code == 7:
        made = limit if batch <= bound_batch / row[_KV] and row[_QUERIES] == 1.0 else 1.0
    return float(made)


def _write_columns(rows: Floats, kernel: Kernel, gpu: GpuTile) -> None:
    launch = kernel.write
    if launch is None:
        return
    tokens = rows[:, AT["batch"]] * rows[:, AT["queries"]]
    width = rows[:, AT["qk_dim"]] + rows[:, AT["v_dim"]]
    threads = np.clip(rows[:, AT["kv_heads"]] * rows[:, AT["qk_dim"]], 64, launch.most_threads)
    moved = tokens * rows[:, AT["kv_heads"]] * width * (2.0 + DATA_TYPES[kernel.data_types.cache])
    passes = {"left": 0.0, "rewritten": 1.0, "quantized": 2.0}[launch.queries]
    queries = tokens * rows[:, AT["query_heads"]] * rows[:, AT["qk_dim"]]
    if launch.uneven:
        doublings = np.log2(rows[:, AT["query_heads"]] / rows[:, AT["kv_heads"]])
        queries = queries * (doublings != np.round(doublings))
    queries = queries * (2.0 * passes + rows[:, AT["q_bytes"]] * min(passes, 1.0))
    parts = 2.0 * np.ceil(rows[:, AT["kv_heads"]] / launch.heads) if launch.heads else 1.0
    rows[:, AT["write_ctas"]] = np.ceil(tokens / launch.tokens) * parts
    warps = threads // WARP_THREADS
    rows[:, AT["write_rounds"]] = np.ceil(rows[:, AT["kv_heads"]] / warps) if launch.by_head else 1.0
    rows[:, AT["write_slots"]] = np.minimum(gpu.max_ctas, gpu.max_threads // threads)
    rows[:, AT["write_share"]] = 1.0 if launch.crowded else rows[:, AT["write_slots"]]
    rows[:, AT["write_threads"]] = (rows[:, AT["kv_heads"]] * WARP_THREADS if launch.by_head else threads) / 1024.0
    rows[:, AT["write_bytes"]] = moved + queries
    rows[:, AT["write_query_bytes"]] = queries
    rows[:, AT["write_apart"]] = (launch.apart & (rows[:, AT["qk_dim"]] != rows[:, AT["v_dim"]])) | np.isin(
        rows[:, AT["qk_dim"]], launch.further
    )


def _with_keys(rows: Floats, split: Split) -> Floats:
    """Splits that have results to combine: all, but where a rule does not look at the window those with keys in it."""
    if split.rule not in ("square_root", "segments"):
        return rows[:, AT["splits"]]
    share = np.maximum(rows[:, AT["split_tiles"]], 1.0)
    needed = np.ceil(np.minimum(rows[:, AT["keys"]], rows[:, AT["window"]]) / rows[:, AT["n"]] / share)
    return np.asarray(np.minimum(rows[:, AT["splits"]], needed))


def _combine_columns(rows: Floats, kernel: Kernel, gpu: GpuTile) -> None:
    combine = kernel.combine
    attention = kernel.attention
    assert attention is not None
    split = attention.split
    clustered = (rows[:, AT["asked"]] <= split.clusters) & (rows[:, AT["m"]] <= split.cluster_rows)
    if split.clusters and split.gpcs:  # clusters stay inside a GPC, and all of a grid run at once or none
        at_once = split.gpcs * (split.gpc_sms // np.maximum(rows[:, AT["asked"]], 1.0))
        clustered &= rows[:, AT["batch"]] * rows[:, AT["heads"]] <= at_once
    clustered &= split.clusters > 0
    rows[:, AT["clustered"]] = clustered & (rows[:, AT["splits"]] > 1)
    asked = (rows[:, AT["asked"]] > 1) & ~clustered
    single = asked | (split.rule not in ("none", "dynamic", "clusters"))
    single &= combine is not None and combine.single == "kept"
    kept = (rows[:, AT["splits"]] > 1) & ~clustered
    rows[:, AT["partials"]] = np.where(kept | single, _with_keys(rows, split), 0.0)
    if combine is None:
        return
    outputs = rows[:, AT["batch"]] * rows[:, AT["query_heads"]] * rows[:, AT["queries"]]
    present = kept
    if combine.always:
        present |= asked | single
    batch, width = rows[:, AT["batch"]], rows[:, AT["v_dim"]]
    columns = np.minimum(combine.columns or width, width)
    taken = combine.rows * (combine.columns or width) / columns
    ctas, apart = np.ceil(outputs / taken), batch * np.ceil(outputs / batch / taken)
    if combine.sequences != "flat":
        walked = (combine.sequences == "walked") & (2 * np.ceil(outputs / rows[:, AT["query_heads"]] / taken) < apart)
        ctas = np.where(walked, ctas + batch, apart)
        rows[:, AT["combine_walk"]] = np.where(walked, batch / 2.0, 0.0)
    rows[:, AT["combine_ctas"]] = np.where(present, ctas * np.ceil(width / columns), 0.0)
    rows[:, AT["combine_slots"]] = gpu.max_threads // 256
    held = np.minimum(rows[:, AT["m"]], rows[:, AT["queries"]] * rows[:, AT["group"]])
    bytes_each = (4.0 + rows[:, AT["o_bytes"]]) * combine.inside  # read in fp32, written as output
    rows[:, AT["combine_share"]] = held * rows[:, AT["v_tile"]] * bytes_each
    rows[:, AT["combine_rounds"]] = np.ceil(rows[:, AT["partials"]] / combine.at_once)
