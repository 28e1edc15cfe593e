"""Cycles of a phase on the arrays: the layout of each Einsum, the array of each Einsum, and the time of all tiles.

Einsums of a tile run one after the other on an array and side by side on different ones; a tile begins when the one
before has ended, as the model has it where a mapping names no `overlap`. What runs only in the first or the last
iteration of a loop makes tiles of its own kind, so the result is exact, and the best placement is found by merging
sums that no other sum beats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import permutations, product
from operator import le

from attnsim.einsum.ast import Einsum
from attnsim.explore.mapper_nests import Nest, Tile, TilePlace, inner_parts, size_in_tile, trips_of
from attnsim.explore.mapper_setting import Setting

_MOST_SUMS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """When an Einsum runs: at every iteration of the loops in `each`, else in the last (late) or the first one."""

    each: frozenset[str]
    late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An Einsum on an array: cycles of a tile, joules of all tiles, and the parts laid over the array's sides."""

    array: str
    cycles: float
    energy_j: float
    laid: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Einsum -> option, with the cycles of all tiles, the cycles of each array, and joules of units and registers."""

    options: Mapping[str, Option]
    cycles: float
    array_cycles: Mapping[str, float]
    energy_j: float


def options_of(setting: Setting, nest: Nest, tile: Tile, einsum: Einsum, runs: int) -> tuple[Option, ...]:
    """An option for each array that can compute an Einsum, with the layout that takes the fewest cycles; `runs`: how
    often the Einsum runs."""
    parts = inner_parts(setting, nest, einsum)
    sizes = tuple((part, size_in_tile(setting, nest, tile, part)) for part in parts.values())
    outputs = tuple(parts[v] for v in einsum.output.variables if v in parts)
    points = math.prod(size for _, size in sizes)
    found = []
    for name, cost in setting.able[einsum.name].items():
        rounds, laid = _layout(sizes, outputs, tuple(setting.hardware.arrays[name].shape))
        found.append(Option(array=name, cycles=cost.cycles * rounds, energy_j=cost.energy_j * points * runs, laid=laid))
    return tuple(found)


@lru_cache(maxsize=1 << 16)
def _layout(
    sizes: tuple[tuple[str, int], ...], outputs: tuple[str, ...], shape: tuple[int, ...]
) -> tuple[int, tuple[str, ...]]:
    """Rounds of the best layout of parts over the sides of an array, and the layout; parts of the result first.

    A part of size 1 may take a side, so that a long one lies over the other side.
    """
    extent = dict(sizes)
    long = sorted((part for part, size in sizes if size > 1), key=lambda part: (part not in outputs, -extent[part]))
    unit = [part for part, size in sizes if size == 1][:1]
    points = math.prod(extent.values())
    best: tuple[int, tuple[str, ...]] = (points, ())
    for laid in (way for count in range(1, len(shape) + 1) for way in permutations([*long, *unit], count)):
        over = math.prod(extent[part] for part in laid)
        folds = math.prod(math.ceil(extent[part] / side) for part, side in zip(laid, shape, strict=False))
        best = min(best, (points // over * folds, laid), key=lambda found: found[0])
    return best


def kinds_of_tiles(nest: Nest, works: Mapping[str, Work], trips: Mapping[str, int]) -> list[tuple[frozenset[str], int]]:
    """Kinds of tiles: the Einsums that run in them, and how many there are."""
    long = tuple(part for part in nest.order if trips[part] > 1)
    if long not in nest.places:
        nest.places[long] = _places(works, long)
    kinds: dict[frozenset[str], int] = {}
    for running, every, middle in nest.places[long]:
        count = math.prod([trips[part] for part in every]) * math.prod([trips[part] - 2 for part in middle])
        if count:
            kinds[running] = kinds.get(running, 0) + count
    return list(kinds.items())


def _places(works: Mapping[str, Work], long: Sequence[str]) -> list[TilePlace]:
    """For each place of a tile in the loops that run more than once the Einsums that run there; a loop counts with all
    its iterations, with those between the first and the last, or once."""
    loops = [part for part in long if any(part in work.each for work in works.values())]
    everywhere = tuple(part for part in loops if all(part in work.each for work in works.values()))
    partial = [part for part in loops if part not in everywhere]
    found = []
    for places in product(("first", "middle", "last"), repeat=len(partial)):
        where = dict(zip(partial, places, strict=True))
        running = frozenset(name for name, work in works.items() if _runs(work, where))
        if running:
            found.append((running, everywhere, tuple(part for part, place in where.items() if place == "middle")))
    return found


def _runs(work: Work, where: Mapping[str, str]) -> bool:
    wanted = "last" if work.late else "first"
    return all(part in work.each or place == wanted for part, place in where.items())


def runs_of(work: Work, trips: Mapping[str, int]) -> int:
    """How often an Einsum runs."""
    return math.prod(trip for part, trip in trips.items() if part in work.each)


def least_cycles(setting: Setting, nest: Nest, tile: Tile, works: Mapping[str, Work]) -> float:
    """Cycles that no placement of a tile beats, were Einsums shared out over arrays in fractions."""
    trips = trips_of(setting, nest, tile)
    totals = []
    for einsum in setting.einsums(nest.segment):
        runs = runs_of(works[einsum.name], trips)
        options = options_of(setting, nest, tile, einsum, runs)
        totals.append({option.array: option.cycles * runs for option in options})
    return shared_out(totals, tuple(setting.hardware.arrays))


def shared_out(totals: Sequence[Mapping[str, float]], arrays: Sequence[str]) -> float:
    """Lower bound on the makespan of work that arrays share: exact in fractions for two arrays, else a mean."""
    least = [min(total.values()) for total in totals]
    alone = {a: sum(t[a] for t in totals if len(t) == 1 and a in t) for a in arrays}
    bound = max([*alone.values(), sum(least) / len(arrays)])
    if len(arrays) != 2:
        return bound
    first, second = arrays
    free = sorted((t for t in totals if len(t) == 2), key=lambda t: t[first] / t[second])
    on_first, on_second = alone[first], alone[second] + sum(t[second] for t in free)
    best = max(on_first, on_second)
    for total in free:
        share = min(1.0, max(0.0, (on_second - on_first) / (total[first] + total[second])))
        on_first, on_second = on_first + share * total[first], on_second - share * total[second]
        best = min(best, max(on_first, on_second))
    return best


def whole_on_arrays(totals: Mapping[str, Mapping[str, float]], arrays: Sequence[str]) -> float:
    """Least makespan of work that arrays do side by side, each piece as a whole on one of those that can."""
    offered = {
        name: [Option(array=array, cycles=cycles, energy_j=0.0, laid=()) for array, cycles in total.items()]
        for name, total in totals.items()
    }
    return _longest(_fewest_cycles(offered, [(frozenset(offered), 1)], arrays), offered)


def placements_of(
    setting: Setting, nest: Nest, tile: Tile, works: Mapping[str, Work], *, least_energy: bool
) -> Placement:
    """The placement with the fewest cycles, or with the least energy (then the fewest cycles)."""
    trips = trips_of(setting, nest, tile)
    einsums = setting.einsums(nest.segment)
    kinds = kinds_of_tiles(nest, works, trips)
    offered = {e.name: options_of(setting, nest, tile, e, runs_of(works[e.name], trips)) for e in einsums}
    if least_energy:
        least = {name: min(option.energy_j for option in options) for name, options in offered.items()}
        offered = {n: tuple(o for o in options if o.energy_j <= least[n]) for n, options in offered.items()}
    arrays = tuple(setting.hardware.arrays)
    chosen = _fewest_cycles(offered, kinds, arrays)
    return _placement(setting, nest, tile, works, chosen)


def _placement(
    setting: Setting, nest: Nest, tile: Tile, works: Mapping[str, Work], chosen: Mapping[str, Option]
) -> Placement:
    trips = trips_of(setting, nest, tile)
    kinds = kinds_of_tiles(nest, works, trips)
    totals = {name: option.cycles * runs_of(works[name], trips) for name, option in chosen.items()}
    return Placement(
        options=chosen,
        cycles=sum(count * _longest(chosen, running) for running, count in kinds),
        array_cycles={
            array: sum(totals[name] for name, option in chosen.items() if option.array == array)
            for array in setting.hardware.arrays
        },
        energy_j=sum(option.energy_j for option in chosen.values()),
    )


def placement_on(
    setting: Setting, nest: Nest, tile: Tile, works: Mapping[str, Work], arrays: Mapping[str, str]
) -> Placement:
    """The placement that puts each Einsum on the array named for it."""
    trips = trips_of(setting, nest, tile)
    chosen = {
        einsum.name: option
        for einsum in setting.einsums(nest.segment)
        for option in options_of(setting, nest, tile, einsum, runs_of(works[einsum.name], trips))
        if option.array == arrays[einsum.name]
    }
    return _placement(setting, nest, tile, works, chosen)


def placed_together(setting: Setting, phases: Sequence[tuple[Nest, Tile, Mapping[str, Work]]]) -> list[Placement]:
    """A placement for each of several phases that run side by side, so that the busiest array has the least to do."""
    offered: dict[str, list[Option]] = {}
    single: dict[str, Option] = {}
    for nest, tile, works in phases:
        trips = trips_of(setting, nest, tile)
        for einsum in setting.einsums(nest.segment):
            runs = runs_of(works[einsum.name], trips)
            options = options_of(setting, nest, tile, einsum, runs)
            offered[einsum.name] = [replace(option, cycles=option.cycles * runs) for option in options]
            single |= {f"{einsum.name} {option.array}": option for option in options}
    chosen = _fewest_cycles(offered, [(frozenset(offered), 1)], tuple(setting.hardware.arrays))
    found = []
    for nest, tile, works in phases:
        options_by_name = {name: single[f"{name} {chosen[name].array}"] for name in works}
        found.append(_placement(setting, nest, tile, works, options_by_name))
    return found


def _longest(chosen: Mapping[str, Option], running: Iterable[str]) -> float:
    busy: dict[str, float] = {}
    for name in running:
        busy[chosen[name].array] = busy.get(chosen[name].array, 0.0) + chosen[name].cycles
    return max(busy.values())


def _fewest_cycles(
    offered: Mapping[str, Sequence[Option]], kinds: Sequence[tuple[frozenset[str], int]], arrays: Sequence[str]
) -> dict[str, Option]:
    """An option for each Einsum so that all tiles take the fewest cycles, then the least energy.

    Sums of cycles by kind of tile and array grow by one Einsum after the other; those that another sum beats, and those
    that already take longer than a greedy choice, are dropped.
    """
    column = {(kind, array): i for i, (kind, array) in enumerate(product(range(len(kinds)), arrays))}
    width = len(arrays)

    def total(key: Sequence[float]) -> float:
        return sum(count * max(key[k * width : (k + 1) * width]) for k, (_, count) in enumerate(kinds))

    largest_first = sorted(offered, key=lambda name: -min(option.cycles for option in offered[name]))
    running = {name: [k for k, (names, _) in enumerate(kinds) if name in names] for name in offered}
    ways = {
        name: [(option, frozenset(column[k, option.array] for k in running[name])) for option in offered[name]]
        for name in offered
    }
    ceiling = total(_greedy(largest_first, ways, len(column), total)) * (1 + 1e-12)
    sums: Sums = {(0.0,) * len(column): (0.0, ())}
    for name in largest_first:
        grown: Sums = {}
        for (key, (energy, taken)), (option, added) in product(sums.items(), ways[name]):
            grew = _added(key, added, option.cycles)
            found = (energy + option.energy_j, (*taken, option))
            grown[grew] = min(grown.get(grew, found), found, key=lambda one: one[0])
        sums = _unbeaten({key: found for key, found in grown.items() if total(key) <= ceiling}, total)
    best = min(sums, key=lambda key: (total(key), sums[key][0]))
    return dict(zip(largest_first, sums[best][1], strict=True))


Sums = dict[tuple[float, ...], tuple[float, tuple[Option, ...]]]


def _added(key: Sequence[float], columns: frozenset[int], cycles: float) -> tuple[float, ...]:
    return tuple(total + cycles if i in columns else total for i, total in enumerate(key))


def _greedy(
    names: Sequence[str],
    ways: Mapping[str, Sequence[tuple[Option, frozenset[int]]]],
    columns: int,
    total: Callable[[Sequence[float]], float],
) -> tuple[float, ...]:
    """Sums if each Einsum in turn goes where the total grows least."""
    key = (0.0,) * columns
    for name in names:
        key = min((_added(key, added, option.cycles) for option, added in ways[name]), key=total)
    return key


def _unbeaten(sums: Sums, total: Callable[[Sequence[float]], float]) -> Sums:
    """Sums that no other sum beats on every array of every kind of tile; of too many the shortest so far."""
    kept: list[tuple[float, ...]] = []
    for key in sorted(sums):
        last = kept[-1] if kept and len(key) == 2 else None
        beaten = last[1] <= key[1] if last else any(map(partial(_no_more, key), kept))
        if not beaten:
            kept.append(key)
    if len(kept) > _MOST_SUMS:
        kept.sort(key=total)
    return {key: sums[key] for key in kept[:_MOST_SUMS]}


def _no_more(key: Sequence[float], other: Sequence[float]) -> bool:
    return all(map(le, other, key))
