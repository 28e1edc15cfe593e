"""A bound attention problem as launches in numbers: what the compiled bulk prediction and a single run have in common.

One row of `columns.COLUMNS` and the constants give the CTAs of the attention launch in order of dispatch, the seconds
that they take on the SMs, the bytes beside, and the launches before and after. Seconds throughout.
"""

from __future__ import annotations

from attnsim.engine.compiled import compiled
from attnsim.engine.grid import CTA_LIMIT
from attnsim.engine.grid_kernel import Ints, grid_makespan
from attnsim.families.gpu_tile.columns import AT, CONSTANT, Floats
from attnsim.families.gpu_tile.cta import (
    arrange,
    begin_seconds,
    cold_bytes,
    fill_works,
    first_bytes,
    in_flight,
    missing_share,
    streamed_bytes,
    streamed_ctas,
    tile_seconds,
)
from attnsim.families.gpu_tile.reuse import (
    attention_from_dram,
    combined_from_dram,
    copy_seconds,
    keys_from_dram,
    own_from_dram,
    written_from_dram,
)
from attnsim.families.gpu_tile.tiles import ceil_div

_SLOTS, _M, _N, _E, _F, _RATE = AT["slots"], AT["m"], AT["n"], AT["qk_dim"], AT["v_dim"], AT["flop_per_cycle"]
_HEADS, _BATCH, _SPLITS, _SCANNED = AT["heads"], AT["batch"], AT["splits"], AT["scanned"]
_WRITE_CTAS, _WRITE_SLOTS, _WRITE_THREADS, _WRITE_BYTES = (
    AT["write_ctas"],
    AT["write_slots"],
    AT["write_threads"],
    AT["write_bytes"],
)
_COMBINE_CTAS, _COMBINE_SLOTS = AT["combine_ctas"], AT["combine_slots"]
_COMBINE_WALK, _WRITE_APART, _APART = AT["combine_walk"], AT["write_apart"], CONSTANT["apart"]
_APART_RATE = CONSTANT["apart_rate"]
_ROWS, _HQ = AT["queries"], AT["query_heads"]
_LAUNCH, _SPREAD, _SCAN, _WARM = CONSTANT["launch"], CONSTANT["spread"], CONSTANT["scan"], CONSTANT["warm"]
_BUSY, _EXPOSED, _SAG, _AFTER = CONSTANT["busy"], CONSTANT["exposed"], CONSTANT["sag"], CONSTANT["sag_after"]
_DRAM, _L2, _WRITE, _WRITE_RATE = CONSTANT["dram"], CONSTANT["l2"], CONSTANT["write"], CONSTANT["write_rate"]
_DISTANT, _PARTIALS, _COPY = AT["by_distance"], AT["partials"], CONSTANT["copy"]
_GROUP, _STEP, _WAITS = AT["group"], CONSTANT["step"], AT["waits"]
_ISSUE, _COLD = CONSTANT["issue"], CONSTANT["cold"]
_V_TILE, _ROUNDS, _WRITE_QUERY, _QUERY_RATE = (
    AT["v_tile"],
    AT["write_rounds"],
    AT["write_query_bytes"],
    CONSTANT["query_rate"],
)
_COMBINE_ROUNDS = AT["combine_rounds"]
_FILL, _DISPATCH = CONSTANT["fill"], CONSTANT["dispatch"]
_COMBINE, _COMBINE_SPLIT = CONSTANT["combine"], CONSTANT["combine_split"]
_WRITE_SHARE = AT["write_share"]
_COMBINE_SHARE, _ROW = AT["combine_share"], CONSTANT["row"]

# Positions in the description of a GPU that compiled functions take.
SMS, CLOCK_HZ, L2_BYTES, L2_RATE, DRAM_RATE = range(5)
# Positions in what `plan` writes.
COUNT, REPEATS, GROUPED, COMPUTE, STRETCH, L2_MOVED, DRAM_MOVED = range(7)
TILES, EDGES, BEFORE, MISSING, EXPOSURE, SHARE = range(7, 13)
PLAN_SIZE = 13
_ORDER, _GROUP = AT["order"], AT["group"]
STREAMED = 5.0
"""Code of the order of stream-K."""
_PS = 1e12


@compiled
def plan(
    row: Floats,
    constants: Floats,
    gpu: Floats,
    works: Floats,
    order: Floats,
    scratch: Floats,
    marks: Ints,
    planned: Floats,
) -> None:
    """Plan the attention launch of one problem.

    works, order: room for the CTAs of one head and of one copy; scratch, marks: for `grid_makespan`. planned receives
    the numbers named above; COMPUTE is in seconds with the clock sunk by STRETCH under load, `order` in picoseconds
    with it.
    """
    lay_out(row, constants, gpu, works, order, planned)
    copy, repeats, grouped = int(planned[COUNT]), int(planned[REPEATS]), planned[GROUPED] > 0.0
    slots, sms, share = int(row[_SLOTS]), int(gpu[SMS]), planned[SHARE]
    compute_ps, _ = grid_makespan(order[:copy], repeats, grouped, share, slots, sms, CTA_LIMIT, scratch, marks)
    finish(row, constants, gpu, order, compute_ps, planned)


@compiled
def lay_out(row: Floats, constants: Floats, gpu: Floats, works: Floats, order: Floats, planned: Floats) -> None:
    """The first part of `plan`: the CTAs of a copy in picoseconds at full clock, and the numbers that describe them."""
    kept = constants[_WARM] * gpu[L2_BYTES]
    distant = row[_DISTANT] > 0.0
    missing = keys_from_dram(row, kept) if distant else missing_share(row, constants[_WARM], gpu[L2_BYTES])
    count, tiles, edges = fill_works(row, constants, gpu[CLOCK_HZ], missing, works)
    if row[_ORDER] == STREAMED and tiles > 0.0:
        begin = begin_seconds(row, constants, missing, row[_ROWS] * row[_GROUP])
        sms_held = int(gpu[SMS])
        copy = streamed_ctas(row, constants, gpu[CLOCK_HZ], tiles, edges, begin, order, sms_held)
        repeats, grouped = 1, False
    else:
        copy, repeats, grouped = arrange(row, works, count, order, int(gpu[SMS]))
    for index in range(copy):
        order[index] *= _PS
    planned[COUNT], planned[REPEATS], planned[GROUPED] = copy, repeats, grouped
    planned[TILES], planned[EDGES], planned[MISSING] = tiles, edges, missing
    planned[SHARE] = shared_by(row, constants, gpu[CLOCK_HZ], tiles, edges, works, count)


@compiled
def finish(row: Floats, constants: Floats, gpu: Floats, order: Floats, compute_ps: float, planned: Floats) -> None:
    """The last part of `plan`, once the CTAs of `lay_out` are known to take so many picoseconds."""
    kept = constants[_WARM] * gpu[L2_BYTES]
    distant = row[_DISTANT] > 0.0
    copy, repeats, missing, tiles = int(planned[COUNT]), int(planned[REPEATS]), planned[MISSING], planned[TILES]
    slots, sms = int(row[_SLOTS]), int(gpu[SMS])
    compute = compute_ps / _PS
    flops = 2.0 * row[_M] * row[_N] * (row[_E] + row[_V_TILE]) * tiles * row[_HEADS] * row[_BATCH]
    load = flops / row[_RATE] / gpu[CLOCK_HZ] / sms
    stretch = 1.0 + constants[_SAG] * load / (compute + constants[_AFTER]) if compute > 0.0 else 1.0
    for index in range(copy):
        order[index] *= stretch
    moved_l2, moved_dram = streamed_bytes(row, tiles, missing)
    if distant:
        moved_dram = attention_from_dram(row, kept)
    else:
        moved_dram += own_from_dram(row, kept)
    ctas = float(copy * repeats)
    before = constants[_LAUNCH] + constants[_SPREAD] * in_flight(ctas, float(slots * sms))
    l2_rate, dram_rate = constants[_L2] * gpu[L2_RATE], constants[_DRAM] * gpu[DRAM_RATE]
    before += copy_seconds(row, kept, constants[_COPY], l2_rate, dram_rate)
    together = min(ctas, float(slots * sms))
    before += constants[_FILL] * together * first_bytes(row) / gpu[L2_RATE]
    before += constants[_COLD] * cold_bytes(row, gpu[L2_BYTES]) / gpu[DRAM_RATE]
    planned[COMPUTE], planned[STRETCH] = compute * stretch, stretch
    planned[L2_MOVED], planned[DRAM_MOVED] = moved_l2, moved_dram
    planned[BEFORE] = before + constants[_SCAN] * ceil_div(row[_SCANNED], 31.0)
    planned[EXPOSURE] = exposure(row, constants, gpu, missing, compute)


@compiled
def shared_by(
    row: Floats, constants: Floats, clock_hz: float, tiles: float, edges: float, works: Floats, count: int
) -> float:
    """CTAs of an SM that run as fast as one alone: each holds the pipes for the share `busy` of its tiles, and always
    beside them, unless it mostly waits there too."""
    if row[_WAITS] == 1.0:
        return float(min(row[_SLOTS], 1.0 / constants[_BUSY]))
    whole = 0.0
    for index in range(count):
        whole += works[index]
    tile, edge = tile_seconds(row, constants, clock_hz)
    in_tiles = tiles * tile + edges * edge
    held = constants[_BUSY] * in_tiles if row[_WAITS] > 0.0 else whole - (1.0 - constants[_BUSY]) * in_tiles
    return min(row[_SLOTS], whole / held) if held > 0.0 else 1.0


@compiled
def exposure(row: Floats, constants: Floats, gpu: Floats, missing: float, compute: float) -> float:
    """Share of a launch's own time that hides no loads: a constant, and what CTAs that begin in step do before the
    second tile."""
    if compute <= 0.0 or constants[_STEP] <= 0.0:
        return float(constants[_EXPOSED])
    rows = row[_ROWS] * row[_GROUP]
    ctas = ceil_div(rows, row[_M]) * row[_HEADS] * row[_BATCH] * row[_SPLITS]
    waves = min(max(ctas / (row[_SLOTS] * gpu[SMS]), 1.0), constants[_STEP])
    begin = begin_seconds(row, constants, missing, rows) + tile_seconds(row, constants, gpu[CLOCK_HZ])[0]
    return float(min(constants[_EXPOSED] + waves * begin / compute, 1.0))


@compiled
def overlapped(compute: float, streamed: float, exposed: float) -> float:
    """Seconds of a launch whose loads and products overlap but for the share `exposed`, as in
    `attnsim.engine.grid`."""
    return max(exposed * streamed + compute, streamed + exposed * compute)


@compiled
def attention_seconds(planned: Floats, constants: Floats, gpu: Floats) -> float:
    """Seconds of the attention launch, with what comes before its first CTA."""
    through = planned[L2_MOVED] / (constants[_L2] * gpu[L2_RATE])
    deep = planned[DRAM_MOVED] / (constants[_DRAM] * gpu[DRAM_RATE])
    return float(planned[BEFORE] + overlapped(planned[COMPUTE], max(through, deep), planned[EXPOSURE]))


@compiled
def write_seconds(row: Floats, constants: Floats, gpu: Floats) -> float:
    """Seconds of the launch that writes new K and V to the cache; 0 without one."""
    if row[_WRITE_CTAS] <= 0.0:
        return 0.0
    waves = ceil_div(row[_WRITE_CTAS], row[_WRITE_SLOTS] * gpu[SMS])
    last = ceil_div(row[_WRITE_CTAS] - (waves - 1.0) * row[_WRITE_SLOTS] * gpu[SMS], gpu[SMS])
    rounds = (waves - 1.0) * row[_WRITE_SLOTS] / row[_WRITE_SHARE] + max(last / row[_WRITE_SHARE], 1.0)
    wrote = max(rounds * write_cta_seconds(row, constants, gpu[SMS]), write_stream_seconds(row, constants))
    if row[_DISTANT] > 0.0:
        deep = written_from_dram(row, constants[_WARM] * gpu[L2_BYTES])
        wrote = max(wrote, deep / (constants[_DRAM] * gpu[DRAM_RATE]))
    return float(wrote + apart_seconds(row, constants))


@compiled
def apart_seconds(row: Floats, constants: Floats) -> float:
    """Seconds of what the writing launch does one after the other: Q after K and V, or K apart from V."""
    queries = row[_WRITE_QUERY] / constants[_QUERY_RATE]
    return float(queries + row[_WRITE_APART] * (constants[_APART] + row[_WRITE_BYTES] / constants[_APART_RATE]))


@compiled
def write_stream_seconds(row: Floats, constants: Floats) -> float:
    """Seconds that K and V take in the writing launch."""
    return float((row[_WRITE_BYTES] - row[_WRITE_QUERY]) / constants[_WRITE_RATE])


@compiled
def write_cta_seconds(row: Floats, constants: Floats, sms: float) -> float:
    """Seconds of a CTA of the writing launch alone on its SM: its work, or as long as it takes to start a wave."""
    waves = ceil_div(row[_WRITE_CTAS], row[_WRITE_SLOTS] * sms)
    work = constants[_WRITE] * row[_ROUNDS] + constants[_ISSUE] * row[_WRITE_THREADS]
    alone = work * row[_WRITE_SHARE] / row[_WRITE_SLOTS]
    return float(max(alone, row[_WRITE_CTAS] / waves * constants[_DISPATCH]))


@compiled
def combine_seconds(row: Floats, constants: Floats, gpu: Floats) -> float:
    """Seconds of the launch that combines splits; 0 without one."""
    if row[_COMBINE_CTAS] <= 0.0:
        return 0.0
    waves = ceil_div(row[_COMBINE_CTAS], row[_COMBINE_SLOTS] * gpu[SMS])
    read = combined_bytes(row) / (constants[_L2] * gpu[L2_RATE])
    if row[_DISTANT] > 0.0:
        deep = combined_from_dram(row, constants[_WARM] * gpu[L2_BYTES])
        read = max(read, deep / (constants[_DRAM] * gpu[DRAM_RATE]))
    first = constants[_COMBINE] if row[_PARTIALS] > 0.0 else 0.0
    return float(first + max(waves * combine_cta_seconds(row, constants), read))


@compiled
def combine_cta_seconds(row: Floats, constants: Floats) -> float:
    """Seconds of a CTA that combines splits: to find its sequence, and for each split."""
    share = row[_COMBINE_SHARE] / max(row[_PARTIALS], 1.0) / constants[_ROW]
    walked = constants[_SCAN] * row[_COMBINE_WALK] / 31.0
    return float(walked + constants[_COMBINE_SPLIT] * row[_COMBINE_ROUNDS] + share)


@compiled
def combined_bytes(row: Floats) -> float:
    """Bytes of partial outputs (fp32) that the combining launch reads."""
    return float(row[_BATCH] * row[_HQ] * row[_ROWS] * row[_F] * 4.0 * row[_PARTIALS])
