"""The CTAs of an attention launch and the data that it moves, from bound problems and constants; compiled.

A CTA takes `cta` seconds, its rows at `row` bytes per second, and its tiles of keys. A tile takes the cycles of its two
products at the share `tensor` of the tensor-core rate, or of their operands from shared memory if these take longer,
those of its softmax times `vector`, and `tile` seconds, or as long as its K and V take at `cap` bytes per second,
whichever is longer. docs/gpu.md has the equations.
"""

from __future__ import annotations

import math

from attnsim.engine.compiled import compiled
from attnsim.families.gpu_tile.columns import AT, CONSTANT, Floats
from attnsim.families.gpu_tile.tiles import ceil_div, visited_tiles

_BATCH, _HEADS, _KV, _GROUP, _QUERIES = AT["batch"], AT["heads"], AT["kv_heads"], AT["group"], AT["queries"]
_KEYS, _PAST, _WINDOW, _E, _F, _HQ = AT["keys"], AT["past"], AT["window"], AT["qk_dim"], AT["v_dim"], AT["query_heads"]
_M, _N, _RATE = AT["m"], AT["n"], AT["flop_per_cycle"]
_SCORE, _ROWC, _RESCALE = AT["score_cycles"], AT["row_cycles"], AT["rescale_cycles"]
_QB, _OB, _LB, _CONVERTS = AT["q_bytes"], AT["o_bytes"], AT["load_bytes"], AT["convert"]
_WRITE_BYTES, _WINDOW_MASK = AT["write_bytes"], CONSTANT["window_mask"]
_ORDER, _SECTION, _EXACT, _MASK_ALL = AT["order"], AT["section"], AT["exact_start"], AT["mask_all"]
_SPLITS, _SPLIT_TILES, _PARTIALS = AT["splits"], AT["split_tiles"], AT["partials"]
_CTA, _ROW, _TENSOR, _VECTOR, _RESC = (CONSTANT[name] for name in ("cta", "row", "tensor", "vector", "rescale"))
_TILE, _MASK, _CONV, _CAP, _MISS = (CONSTANT[name] for name in ("tile", "mask", "convert", "cap", "miss"))
_SLOTS, _IDLE = AT["slots"], CONSTANT["idle"]
_V_TILE, _SPECIALIZED, _SPARE = AT["v_tile"], AT["specialized"], AT["spare_bytes"]
_CLUSTERED, _CLUSTER = AT["clustered"], CONSTANT["cluster"]
_SERIAL, _RESIDENCE = CONSTANT["serial"], CONSTANT["residence"]
_MERGED, _MERGE = AT["merged"], CONSTANT["merge"]
_SPILL, _BULK, _SPILLED, _BULKS = CONSTANT["spill"], CONSTANT["bulk"], AT["spilled"], AT["bulk"]
_OPERANDS = AT["operand_cycles"]
_SEARCH, _SEARCHES, _WHOLE = CONSTANT["search"], AT["search"], AT["whole_rows"]
LANES = 128.0
"""Lanes of an SM that convert one element each in a cycle (FP32 pipe)."""


@compiled
def tile_seconds(row: Floats, constants: Floats, clock_hz: float) -> tuple[float, float]:
    """(a full tile, what a tile on the mask's edge takes besides), in seconds of a CTA that is alone on its SM."""
    m, n, width = row[_M], row[_N], row[_E] + row[_V_TILE]
    tensor = max(2.0 * m * n * width / row[_RATE] / constants[_TENSOR], row[_OPERANDS])
    scores = m * n * row[_SCORE] + m * row[_ROWC]
    vector = scores * constants[_VECTOR] + m * row[_V_TILE] * row[_RESCALE] * constants[_RESC]
    convert = row[_CONVERTS] * n * constants[_CONV] / LANES
    together = tensor + vector + convert
    if row[_SPECIALIZED] > 0.0:
        together -= (1.0 - constants[_SERIAL]) * min(tensor, vector + convert)
    busy = together / clock_hz + constants[_TILE] + row[_SPILLED] * constants[_SPILL]
    load = n * width * row[_LB] * max(1.0 / constants[_CAP], constants[_RESIDENCE] / row[_SPARE])
    edge = constants[_MASK] + (constants[_WINDOW_MASK] if row[_WINDOW] < row[_KEYS] else 0.0)
    return max(busy, load), edge * m * n * row[_SCORE] / clock_hz


@compiled
def begin_seconds(row: Floats, constants: Floats, missing: float, rows: float) -> float:
    """Seconds of a CTA before its tiles, with this many rows of Q; missing: as in `fill_works`."""
    bulk = constants[_BULK] if row[_BULKS] > (0.0 if row[_SPLITS] <= 1.0 else 1.0) else 1.0
    per_row = bulk * (row[_E] * row[_QB] + row[_V_TILE] * (4.0 if row[_PARTIALS] > 0.0 else row[_OB])) / constants[_ROW]
    held = per_row * (row[_M] if row[_WHOLE] > 0.0 else min(row[_M], rows))
    held += row[_CLUSTERED] * constants[_CLUSTER]
    held += row[_MERGED] * constants[_MERGE]
    return float(constants[_CTA] + held + row[_SEARCHES] * constants[_SEARCH] + missing * constants[_MISS])


@compiled
def fill_works(
    row: Floats, constants: Floats, clock_hz: float, missing: float, works: Floats
) -> tuple[int, float, float]:
    """Write the works (seconds) of one head's CTAs, row blocks ascending, splits inside; returns (CTAs, tiles, edges).

    missing: share of K and V that comes from DRAM rather than L2.
    """
    m, n, group, queries = row[_M], row[_N], row[_GROUP], row[_QUERIES]
    rows = queries * group
    blocks = int(ceil_div(rows, m))
    splits = int(row[_SPLITS])
    tile, edge_s = tile_seconds(row, constants, clock_hz)
    made, tiles, edges = 0, 0.0, 0.0
    for block in range(blocks):
        first = float(int(block * m) // int(group))
        last = min(float(int((block + 1) * m - 1) // int(group)), queries - 1.0)
        count, on_edge, before = visited_tiles(first, last, row[_KEYS], row[_PAST], row[_WINDOW], n, row[_EXACT] > 0.0)
        if row[_MASK_ALL] != 0.0:
            on_edge = count + before if row[_MASK_ALL] > 0.0 else 0.0
        tiles += count
        edges += on_edge
        share = row[_SPLIT_TILES] if row[_SPLIT_TILES] > 0.0 else ceil_div(count, splits) if count else 0.0
        whole = begin_seconds(row, constants, missing, rows - block * m)
        left = count
        for _ in range(splits):
            mine = max(min(share, left), 0.0)
            left -= mine
            marked = on_edge * mine / count if count else 0.0
            begin = whole if mine else constants[_IDLE] * constants[_CTA]
            works[made] = begin + mine * tile + marked * edge_s
            made += 1
    return made, tiles, edges


@compiled
def arrange(row: Floats, works: Floats, count: int, order: Floats, sms: int) -> tuple[int, int, bool]:
    """Write one copy of the grid's CTAs in order of dispatch; returns (CTAs in it, copies, whether copies are grouped).

    works: those of one head, row blocks ascending. order: room for a copy,
    or for all SMs if CTAs are dealt out.
    """
    heads, batch = int(row[_HEADS]), int(row[_BATCH])
    mode, section = int(row[_ORDER]), int(row[_SECTION])
    if mode == 0:
        for index in range(count):
            order[index] = works[index]
        return count, heads * batch, False
    if mode == 4:
        return dealt(works, count, heads * batch, int(row[_SLOTS]) * sms, order), 1, False
    if mode == 3:
        for index in range(count):
            order[index] = works[index]
        return count, heads * batch, True
    for index in range(count):
        order[index] = works[count - 1 - index]
    if mode == 2:
        return count, heads * batch, True
    if section <= 1 or heads % section:
        return count, heads * batch, False
    for index in range(count * section):
        order[index] = works[count - 1 - index // section]
    return count * section, heads // section * batch, False


@compiled
def streamed_ctas(
    row: Floats, constants: Floats, clock_hz: float, tiles: float, edges: float, begin_s: float, order: Floats, sms: int
) -> int:
    """Write the CTAs of a grid whose tiles lie in one line, head after head: as many as run at once, each with an equal
    stretch of it; returns how many. Where a stretch passes from one head to the next, the CTA begins again.
    """
    copies = row[_HEADS] * row[_BATCH]
    total = tiles * copies
    grid = min(row[_SLOTS] * sms, total)
    longest = ceil_div(total, grid)
    long_ctas = total - (longest - 1.0) * grid
    tile, edge_s = tile_seconds(row, constants, clock_hz)
    mean_edge = edge_s * edges / tiles if tiles else 0.0
    for index in range(int(grid)):
        mine = longest if index < long_ctas else longest - 1.0
        order[index] = begin_s * max(1.0, math.ceil(mine / tiles)) + mine * (tile + mean_edge)
    return int(grid)


@compiled
def dealt(works: Floats, count: int, repeats: int, room: int, order: Floats) -> int:
    """Write what each slot gets when CTAs are dealt out in turn, as one CTA; returns the slots that get any.

    After `room` copies every slot has had the same again.
    """
    total = count * repeats
    for slot in range(min(room, total)):
        order[slot] = 0.0
    rounds = repeats // room
    for index in range(count * room if rounds else 0):
        order[index % room] += works[index % count] * rounds
    for index in range(count * (repeats - rounds * room)):
        order[index % room] += works[index % count]
    return min(room, total)


@compiled
def streamed_bytes(row: Floats, tiles: float, missing: float) -> tuple[float, float]:
    """(bytes through L2, bytes of K and V from DRAM) of a launch.

    Every tile reads its K and V through L2; from DRAM come the keys that some query sees, once, as far as repeated runs
    do not find them in L2.
    """
    width = row[_E] + row[_F]
    seen = min(row[_KEYS], row[_WINDOW] + row[_QUERIES] - 1.0)
    kv = row[_BATCH] * row[_KV] * seen * width * row[_LB]
    rows = row[_BATCH] * row[_HQ] * row[_QUERIES]
    partial = rows * row[_F] * 4.0 * row[_PARTIALS]
    own = rows * (row[_E] * row[_QB] + row[_F] * row[_OB])
    blocks = ceil_div(row[_QUERIES] * row[_GROUP], row[_M])
    read = min(tiles * row[_N], blocks * seen) if blocks == 1.0 else tiles * row[_N]
    through = row[_BATCH] * row[_HEADS] * read * (row[_E] + row[_V_TILE]) * row[_LB]
    return through + own + partial, kv * missing


@compiled
def first_bytes(row: Floats) -> float:
    """Bytes of Q, K and V that a CTA waits for before its first product."""
    rows = min(row[_M], row[_QUERIES] * row[_GROUP])
    return float(rows * row[_E] * row[_QB] + min(row[_N], row[_KEYS]) * (row[_E] + row[_F]) * row[_LB])


@compiled
def missing_share(row: Floats, warm: float, l2_bytes: float) -> float:
    """Share of K and V that repeated runs read from DRAM: none while it fits the share `warm` of the L2, all from there
    to the whole L2 and a quarter on."""
    seen = min(row[_KEYS], row[_WINDOW] + row[_QUERIES] - 1.0)
    kv = row[_BATCH] * row[_KV] * seen * (row[_E] + row[_F]) * row[_LB]
    return float(min(max((kv / l2_bytes - warm) / 0.25, 0.0), 1.0))


@compiled
def cold_bytes(row: Floats, l2_bytes: float) -> float:
    """Bytes of the L2 that repeated runs do not find as they left them: none while a run touches half of it, Q, O, new
    and written K and V together, all where it touches as much as it holds."""
    own = row[_BATCH] * row[_HQ] * row[_QUERIES] * (row[_E] * row[_QB] + row[_F] * row[_OB])
    return float(l2_bytes * min(max((own + row[_WRITE_BYTES]) / (0.5 * l2_bytes) - 1.0, 0.0), 1.0))


@compiled
def in_flight(ctas: float, room: float) -> float:
    """Natural logarithm of the CTAs that run at once."""
    return math.log(max(min(ctas, room), 1.0))
