"""What a phase moves at least, and what a tile does, whatever its blocks: bounds for all tiles of a form at once.

Each tensor on its own takes the best loop of those whose block fits the buffer alone. Tiles and blocks with which the
same loops run more than once have the same transfers, so they are computed together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attnsim.explore.mapper_blocks import Block, Sizes
from attnsim.explore.mapper_moves import Move
from attnsim.explore.mapper_nests import Tile, block_sizes, deep_sizes, tile_sizes
from attnsim.explore.mapper_residency import (
    STAGED_TILES,
    Form,
    block_below,
    demanded_of,
    distinct_loops,
    moves_below,
    sizes_of,
    space_of,
)
from attnsim.explore.mapper_setting import Setting
from attnsim.families.spatial_array.residency import block_bytes

Column = NDArray[np.float64]
Columns = Mapping[str, Column]
"""Trips of each loop and extents of each part, for one tile with its blocks after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Least:
    """Seconds of the busiest memory and joules of all that no choice of blocks falls below, by the sizes of X0 and Y0;
    infinite if what has to stay fits no block."""

    seconds: Mapping[tuple[int, int], float]
    joules: Mapping[tuple[int, int], float]


def compulsory(setting: Setting, form: Form) -> tuple[float, float]:
    """Seconds and joules in which the backing memory moves what a phase reads and leaves, each value once."""
    hardware = setting.hardware
    backing = hardware.memories[list(hardware.memories)[-1]]
    space = space_of(setting, form, Tile(x0=1, y0=1))
    whole = frozenset(loop.part for loop in space.loops)
    word_bytes = hardware.word_bits / 8
    read, left = (
        sum(block_bytes(space, form.accesses[name], whole, word_bytes=word_bytes) for name in names)
        for names in (form.roles.inputs, form.roles.outputs)
    )
    seconds = (read + left) / backing.bandwidth_bytes_per_s if backing.bandwidth_bytes_per_s else 0.0
    return seconds, (read * backing.read_j + left * backing.write_j) / backing.access_bytes


def least_moved(setting: Setting, form: Form) -> Least:
    """The bounds of all tiles of a form."""
    tiles = [
        Tile(x0=x0, y0=y0, x1=x1)
        for x0 in tile_sizes(setting, form.nest.x)
        for y0 in deep_sizes(setting, form.nest)
        for x1 in block_sizes(setting, form.nest, Tile(x0=x0, y0=y0))
    ]
    columns = _columns(setting, form, tiles)
    seconds, joules = np.full(len(tiles), np.inf), np.full(len(tiles), np.inf)
    for places in _alike(form, columns):
        group = {part: column[places] for part, column in columns.items()}
        costs = _least_of(setting, form, sizes_of(setting, form, tiles[places[0]]), group, len(places))
        seconds[places], joules[places] = costs[:-1].max(axis=0), costs[-1]
    least_s: dict[tuple[int, int], float] = {}
    least_j: dict[tuple[int, int], float] = {}
    for tile, second, joule in zip(tiles, seconds.tolist(), joules.tolist(), strict=True):
        key = (tile.x0, tile.y0)
        least_s[key], least_j[key] = min(least_s.get(key, math.inf), second), min(least_j.get(key, math.inf), joule)
    return Least(seconds=least_s, joules=least_j)


def _columns(setting: Setting, form: Form, tiles: Sequence[Tile]) -> dict[str, Column]:
    """Each part has a size that follows from X0 or from Y0 alone, but for the loops of X."""
    by_x = {x0: sizes_of(setting, form, Tile(x0=x0, y0=tiles[0].y0)) for x0 in {tile.x0 for tile in tiles}}
    by_y = {y0: sizes_of(setting, form, Tile(x0=tiles[0].x0, y0=y0)) for y0 in {tile.y0 for tile in tiles}}
    base = by_x[tiles[0].x0]
    columns = {
        part: np.array([by_x[t.x0][part] * by_y[t.y0][part] / size for t in tiles]) for part, size in base.items()
    }
    nest = form.nest
    if nest.x is not None:
        extent = setting.step.extents[nest.x]
        columns[nest.split[nest.x][1]] = np.array([float(tile.x1) for tile in tiles])
        columns[nest.split[nest.x][0]] = np.array([float(math.ceil(extent / (t.x0 * t.x1))) for t in tiles])
    return columns


def _alike(form: Form, columns: Columns) -> Iterator[NDArray[np.intp]]:
    """Places of tiles and blocks with which the same loops run more than once."""
    length = len(next(iter(columns.values())))
    code = np.zeros(length, dtype=np.int64)
    for number, part in enumerate(form.nest.order):
        code += (columns[part] > 1).astype(np.int64) << number
    for one in np.unique(code):
        yield np.flatnonzero(code == one)


def _least_of(setting: Setting, form: Form, sizes: Sizes, columns: Columns, length: int) -> Column:
    """Seconds on each memory and joules; `sizes`: of the first tile."""
    demanded = demanded_of(form, sizes)
    stay = demanded.stay
    total = np.zeros((len(setting.hardware.memories) + 1, length))
    if stay is None:
        return total + np.inf
    for tensor in form.accesses:
        if tensor in stay:
            total += _moved(moves_below(setting, form, demanded, sizes, tensor, stay[tensor]), columns, form, total)
        elif tensor in form.roles.inputs | form.roles.outputs:
            moves = {
                loop: moves_below(setting, form, demanded, sizes, tensor, loop) for loop in distinct_loops(form, sizes)
            }
            ways = [_way(setting, form, moves[loop], columns, tensor, loop, total) for loop in moves]
            total += np.minimum.reduce(ways)
    return total


def _way(
    setting: Setting,
    form: Form,
    moves: Sequence[Move],
    columns: Columns,
    tensor: str,
    loop: str | None,
    like: Column,
) -> Column:
    """Costs of a tensor with its block below a loop; infinite where the block alone does not fit."""
    copies = STAGED_TILES if loop is None else 1
    held = copies * _words(block_below(form, tensor, loop), columns, form, like) * setting.hardware.word_bits / 8
    return np.where(held <= setting.capacity_bytes + 1, _moved(moves, columns, form, like), np.inf)


def _moved(moves: Sequence[Move], columns: Columns, form: Form, like: Column) -> Column:
    """Seconds on each memory and joules."""
    total = np.zeros_like(like)
    for move in moves:
        words = _product(move.each, columns, _words(move.block, columns, form, like))
        if move.sums:
            words = words * (1 - 1 / _product(move.sums, columns, np.ones(like.shape[1])))
        total += np.multiply.outer(np.array(move.word), words)
    return total


def _words(block: Block, columns: Columns, form: Form, like: Column) -> Column:
    ones = np.ones(like.shape[1])
    words = _product(block.parts, columns, ones)
    for terms in block.hulls:
        span = ones
        for factor, parts in terms:
            span = span + _factor(factor, columns, form) * (_product(parts, columns, ones) - 1)
        words = words * span
    return words


def _factor(factor: int | str, columns: Columns, form: Form) -> Column | float:
    """The absolute value of a coefficient, a number or a product of numbers, extents and constants."""
    found: Column | float = 1.0
    for name in str(factor).removeprefix("-").split("*"):
        value = float(name) if name.isdecimal() else columns.get(name, np.float64(form.space.symbols.get(name, 1)))
        found = found * value
    return found


def _product(parts: Sequence[str], columns: Columns, start: Column) -> Column:
    for part in parts:
        start = start * columns[part]
    return start
