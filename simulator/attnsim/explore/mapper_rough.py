"""Cycles that no placement beats, for all tiles of a nest at once.

(Nest, works) -> tiles in the order of their bound. The sizes of an Einsum in a tile depend on x0 and y0 alone, so its
cycles on an array are a table over both; Einsums are shared out over arrays in fractions as in `mapper_compute`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from attnsim.einsum.ast import Einsum
from attnsim.explore.mapper_compute import Work
from attnsim.explore.mapper_nests import Nest, Tile, deep_sizes, inner_parts, size_in_tile, tile_sizes, trips_of
from attnsim.explore.mapper_residency import Form
from attnsim.explore.mapper_setting import Setting

Cycles = NDArray[np.float64]
"""A value for each tile: rows are sizes of X0, columns those of Y0."""


def rough_cycles(setting: Setting, form: Form) -> tuple[Cycles, tuple[int, ...], tuple[int, ...]]:
    """Cycles that no placement of a tile beats, with the sizes of X0 and of Y0."""
    nest, works = form.nest, form.works
    wide, deep = tile_sizes(setting, nest.x), deep_sizes(setting, nest)
    trips = _trips(setting, nest, wide, deep)
    einsums = setting.einsums(nest.segment)
    totals = [_totals(setting, nest, einsum, works[einsum.name], wide, deep, trips) for einsum in einsums]
    return _shared_out(totals, tuple(setting.hardware.arrays), (len(wide), len(deep))), wide, deep


def tiles_by_cycles(setting: Setting, form: Form, least: float) -> Iterator[tuple[float, Tile]]:
    """Every tile with its cycles, which are at least `least`: fewest first, the larger one of equals before."""
    cycles, wide, deep = rough_cycles(setting, form)
    bounds = np.maximum(cycles, least).ravel()
    areas = np.outer(wide, deep).ravel()
    for place in np.lexsort((-areas, bounds)):
        yield float(bounds[place]), Tile(x0=wide[place // len(deep)], y0=deep[place % len(deep)])


def tiles_by_size(setting: Setting, form: Form) -> list[tuple[float, Tile]]:
    """Every tile with its cycles, large ones first."""
    cycles, wide, deep = rough_cycles(setting, form)
    places = np.argsort(-np.outer(wide, deep).ravel(), kind="stable")
    flat = cycles.ravel()
    return [(float(flat[at]), Tile(x0=wide[at // len(deep)], y0=deep[at % len(deep)])) for at in places]


def _trips(setting: Setting, nest: Nest, wide: Sequence[int], deep: Sequence[int]) -> dict[str, Cycles]:
    """Trips of each loop as a table: a loop depends on X0 or on Y0, not on both."""
    by_x = [trips_of(setting, nest, Tile(x0=x0, y0=deep[0])) for x0 in wide]
    by_y = [trips_of(setting, nest, Tile(x0=wide[0], y0=y0)) for y0 in deep]
    found: dict[str, Cycles] = {}
    for part in by_x[0]:
        rows = np.array([trips[part] for trips in by_x], dtype=np.float64)[:, None]
        columns = np.array([trips[part] for trips in by_y], dtype=np.float64)[None, :]
        found[part] = rows * columns / rows[0, 0]
    return found


def _totals(
    setting: Setting,
    nest: Nest,
    einsum: Einsum,
    work: Work,
    wide: Sequence[int],
    deep: Sequence[int],
    trips: Mapping[str, Cycles],
) -> dict[str, Cycles]:
    """Array -> cycles of an Einsum over all tiles, with the layout that takes the fewest."""
    sizes = [_sizes(setting, nest, part, wide, deep) for part in inner_parts(setting, nest, einsum).values()]
    runs = np.ones((1, 1))
    for part, trip in trips.items():
        runs = runs * trip if part in work.each else runs
    return {
        name: cost.cycles * _rounds(sizes, tuple(setting.hardware.arrays[name].shape)) * runs
        for name, cost in setting.able[einsum.name].items()
    }


def _sizes(setting: Setting, nest: Nest, part: str, wide: Sequence[int], deep: Sequence[int]) -> Cycles:
    rows = [size_in_tile(setting, nest, Tile(x0=x0, y0=deep[0]), part) for x0 in wide]
    columns = [size_in_tile(setting, nest, Tile(x0=wide[0], y0=y0), part) for y0 in deep]
    if len(set(rows)) > 1:
        return np.array(rows, dtype=np.float64)[:, None]
    return np.array(columns, dtype=np.float64)[None, :]


def _rounds(sizes: Sequence[Cycles], shape: Sequence[int]) -> Cycles:
    """Rounds of an array over a tile with the best layout of parts over its sides."""
    places = range(len(sizes))
    best = _folded(sizes, {})
    for laid in (way for count in range(1, len(shape) + 1) for way in permutations(places, count)):
        best = np.minimum(best, _folded(sizes, dict(zip(laid, shape, strict=False))))
    return best


def _folded(sizes: Sequence[Cycles], sides: Mapping[int, int]) -> Cycles:
    """Points of a tile, with those parts folded that lie over a side."""
    rounds = np.ones((1, 1))
    for place, size in enumerate(sizes):
        rounds = rounds * np.ceil(size / sides.get(place, 1))
    return rounds


def _shared_out(totals: Sequence[Mapping[str, Cycles]], arrays: Sequence[str], grid: tuple[int, int]) -> Cycles:
    """`mapper_compute.shared_out` for every tile."""
    zero = np.zeros(grid)
    least = sum((np.minimum.reduce([*map(np.add, total.values(), [zero] * len(total))]) for total in totals), zero)
    alone = {a: sum((t[a] for t in totals if len(t) == 1 and a in t), zero) for a in arrays}
    bound = np.maximum.reduce([*alone.values(), least / len(arrays)])
    if len(arrays) != 2:
        return np.asarray(bound)
    first, second = arrays
    free = [(t[first] + zero, t[second] + zero) for t in totals if len(t) == 2]
    on_first, on_second = alone[first], alone[second] + sum((other for _, other in free), zero)
    best = np.maximum(on_first, on_second)
    if not free:
        return best
    one, other = np.stack([a for a, _ in free]), np.stack([b for _, b in free])
    order = np.argsort(one / other, axis=0, kind="stable")
    for a, b in zip(np.take_along_axis(one, order, 0), np.take_along_axis(other, order, 0), strict=True):
        share = np.clip((on_second - on_first) / (a + b), 0.0, 1.0)
        on_first, on_second = on_first + share * a, on_second - share * b
        best = np.minimum(best, np.maximum(on_first, on_second))
    return best
