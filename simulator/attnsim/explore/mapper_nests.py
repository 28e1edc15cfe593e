"""The loop nests that a search tries for a phase: which ranks are cut, in which order their loops stand, which sizes
tiles may have.

A nest is [batch, shared ranks, X2, iterative and split ranks, Y1, X1, cut sums] with a tile of X0 by Y0 below it: X
is the rank of which blocks stay, as P in Mapping 1 of FuseMax, Y the rank that is walked past them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations, product

from attnsim.einsum.ast import Einsum
from attnsim.explore.mapper_setting import Segment, Setting

_SUM_TILES = (256, 32)
_SMALLEST_SHARE = 16
_LARGEST_MULTIPLE = 4
_STEPS_PER_OCTAVE = 4
_BLOCK_CUTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512, 1024)


TilePlace = tuple[frozenset[str], tuple[str, ...], tuple[str, ...]]
"""Einsums that run in a tile, loops of which every iteration has such a tile, and those of which all but two have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nest:
    """A form of loops without sizes. x, y: ranks that are cut, None where there is none; y may be the inner part of a
    rank that the cascade splits. split: rank -> parts; order: loops; sizes: of the parts that are not searched;
    around: loops over sums stand around X1, so that a block of partial sums may stay;
    inner: what `inner_parts` found, by Einsum; places: of tiles, by the loops that run more than once.
    """

    segment: Segment
    x: str | None
    y: str | None
    split: Mapping[str, tuple[str, ...]]
    order: tuple[str, ...]
    sizes: Mapping[str, int]
    around: bool = False
    inner: dict[str, dict[str, str]] = field(default_factory=dict, compare=False, repr=False)
    places: dict[tuple[str, ...], list[TilePlace]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def inner_x(self) -> str | None:
        """The part of x inside a tile."""
        return self.split[self.x][-1] if self.x else None

    @property
    def inner_y(self) -> str | None:
        """The part of y inside a tile."""
        return self.split[self.y][-1] if self.y and self.y in self.split else self.y


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """Sizes of a tile: x0 by y0, and the loops of X that a block holds."""

    x0: int
    y0: int
    x1: int = 1


def nests_of_segment(setting: Setting, segment: Segment) -> tuple[Nest, ...]:
    """Every form of loops for a run of units."""
    einsums = setting.einsums(segment)
    ranks = [v.upper() for v in dict.fromkeys(v for einsum in einsums for v in setting.ranks[einsum.name])]
    batch = set(setting.cascade.batch)
    parts = {part for split in setting.cascade.splits for part in split.parts}
    running = {iteration.rank.upper() for iteration in setting.cascade.iterations}
    plain = [rank for rank in ranks if rank not in parts | running | batch]
    inner = [split.parts[-1] for split in setting.cascade.splits if split.parts[-1] in ranks]
    inner = [part for part in inner if part not in running]
    pairs = _pairs(setting, einsums, plain, inner)
    found = [nest for x, y in pairs for nest in _forms(setting, segment, plain, x, y)]
    return tuple({(nest.order, nest.x, nest.y, *nest.sizes.items()): nest for nest in found}.values())


def _pairs(
    setting: Setting, einsums: Sequence[Einsum], plain: Sequence[str], inner: Sequence[str]
) -> list[tuple[str | None, str | None]]:
    """The ranks X and Y that a phase may have: X in the results of as many Einsums as possible."""
    long = [rank for rank in plain if setting.step.extents.get(rank, 1) > 1]
    if len(einsums) == 1:
        ways: list[tuple[str | None, str | None]] = list(permutations(long, 2)) or [(rank, None) for rank in long]
        return [*ways, *((rank, part) for rank in long for part in inner)] or [(None, inner[0] if inner else None)]
    kept = {rank: sum(rank.lower() in einsum.output.variables for einsum in einsums) for rank in long}
    most = max(kept.values(), default=0)
    wide = [rank for rank in long if kept[rank] == most]
    walked = sorted((rank for rank in long if rank not in wide), key=lambda rank: -setting.step.extents[rank])
    seconds: list[str | None] = [*inner] or [*walked[:1], *wide] or [None]
    pairs: list[tuple[str | None, str | None]] = [(x, y) for x in wide for y in seconds if x != y]
    pairs = pairs or [(x, None) for x in wide]
    return pairs or [(None, seconds[0])]


def _forms(setting: Setting, segment: Segment, plain: Sequence[str], x: str | None, y: str | None) -> Iterator[Nest]:
    """Nests for a choice of X and Y: further ranks of all results inside the tile or as loops, sums whole or cut."""
    einsums = setting.einsums(segment)
    extents = setting.step.extents
    rest = [rank for rank in plain if rank not in (x, y)]
    common = [rank for rank in rest if all(rank.lower() in einsum.output.variables for einsum in einsums)]
    common = [rank for rank in common if rank not in setting.tied]
    summed = [rank for rank in rest if rank not in common and len(einsums) == 1]
    cuts = [{rank: size for rank in summed if extents.get(rank, 1) >= 2 * size} for size in _SUM_TILES]
    ways = [({}, False), *product([cut for cut in cuts if cut], (False, True) if x else (False,))]
    for outer, (cut, around) in product(([], common) if common else ([],), ways):
        yield _form(setting, segment, x, y, outer, cut, around=around)


def _form(
    setting: Setting,
    segment: Segment,
    x: str | None,
    y: str | None,
    outer: Sequence[str],
    cut: Mapping[str, int],
    *,
    around: bool,
) -> Nest:
    """around: loops over sums stand around X1, so that a block of partial sums stays; else inside it."""
    einsums, cascade = setting.einsums(segment), setting.cascade
    ranks = {v.upper() for einsum in einsums for v in setting.ranks[einsum.name]}
    split: dict[str, tuple[str, ...]] = {}
    sizes: dict[str, int] = {}
    if x:
        split[x] = part_names(x, (2, 1, 0))
    inner = {part for one in cascade.splits for part in one.parts[1:]}
    if y and y not in inner:
        split[y] = part_names(y, (1, 0))
    for rank, size in cut.items():
        split[rank] = part_names(rank, (1, 0))
        sizes[split[rank][1]] = size
    running = [iteration.rank.upper() for iteration in cascade.iterations]
    walked = [part for one in cascade.splits for part in one.parts if part not in inner or part in running]
    walked += [rank for rank in running if rank not in walked]
    rows = max(setting.hardware.arrays.values(), key=lambda array: array.pe_count).shape[0]
    for one in cascade.splits:
        for part in one.parts[1:]:
            sizes[part] = setting.step.extents.get(part, min(rows, setting.step.extents[one.rank]))
    order = [*cascade.batch, *outer, *([split[x][0]] if x else []), *(part for part in walked if part in ranks)]
    order += [split[y][0]] if y in split and y else []
    sums, blocks = [split[rank][0] for rank in cut], [split[x][1]] if x else []
    order += [*sums, *blocks] if around else [*blocks, *sums]
    return Nest(segment=segment, x=x, y=y, split=split, order=tuple(order), sizes=sizes, around=around)


def part_names(rank: str, numbers: Sequence[int]) -> tuple[str, ...]:
    """Names of the parts of a rank: `P2`, `P1`, `P0`."""
    joint = "_" if rank[-1].isdigit() else ""
    return tuple(f"{rank}{joint}{number}" for number in numbers)


def tiles_of(setting: Setting, nest: Nest) -> Iterator[Tile]:
    """Tiles of a nest, without the number of tiles in a block."""
    for x0 in tile_sizes(setting, nest.x):
        for y0 in deep_sizes(setting, nest):
            yield Tile(x0=x0, y0=y0)


def deep_sizes(setting: Setting, nest: Nest) -> tuple[int, ...]:
    """Sizes of Y0; beside a block of partial sums up to twice the side of a square block that fills the buffer."""
    words = setting.capacity_bytes / (setting.hardware.word_bits / 8)
    far = round(2 * math.sqrt(words)) if nest.around and math.isfinite(words) else 0
    return tile_sizes(setting, nest.y, far)


def tile_sizes(setting: Setting, rank: str | None, far: int = 0) -> tuple[int, ...]:
    """Sizes of a tile of a rank: its divisors, the sides of the arrays and sizes between, from a sixteenth of the
    longest side to four times its length, or to `far`, and 1."""
    if rank is None:
        return (1,)
    if (rank, far) not in setting.sizes:
        setting.sizes[rank, far] = _tile_sizes(setting, rank, far)
    return setting.sizes[rank, far]


def _tile_sizes(setting: Setting, rank: str, far: int) -> tuple[int, ...]:
    extents = setting.step.extents
    if rank in extents:
        owner = next((split.rank for split in setting.cascade.splits if rank in split.parts), None)
        if owner is not None:
            return (extents[rank],)
    whole = next((extents[split.rank] for split in setting.cascade.splits if rank in split.parts), None)
    extent = extents[rank] if whole is None else whole
    sides = {side for array in setting.hardware.arrays.values() for side in array.shape}
    low, high = max(1, max(sides) // _SMALLEST_SHARE), max(_LARGEST_MULTIPLE * max(sides), far)
    steps = round(_STEPS_PER_OCTAVE * math.log2(high / low))
    between = {round(low * 2 ** (i / _STEPS_PER_OCTAVE)) for i in range(steps + 1)} if whole is None else set()
    divisors = {d for d in range(low, min(high, extent) + 1) if extent % d == 0}
    found = {min(size, extent) for size in {1, *sides, *divisors, *between}}
    even = {math.ceil(extent / math.ceil(extent / size)) for size in found}
    return tuple(sorted(even))


def least_extent(setting: Setting, rank: str) -> int:
    """Extent of a rank; of the outer parts of a split rank as few iterations as the largest tile leaves."""
    for split in (split for split in setting.cascade.splits if rank in split.parts):
        whole = setting.step.extents[split.rank]
        largest = max(tile_sizes(setting, split.parts[-1]))
        return {split.parts[-1]: largest, split.parts[0]: math.ceil(whole / largest)}.get(rank, 1)
    return 1 if rank in setting.tied else setting.step.extents[rank]


def block_sizes(setting: Setting, nest: Nest, tile: Tile) -> tuple[int, ...]:
    """Tiles of X that a block may hold, most first: the whole rank, its equal parts."""
    if nest.x is None:
        return (1,)
    tiles = math.ceil(setting.step.extents[nest.x] / tile.x0)
    cuts = {math.ceil(tiles / cut) for cut in (*_BLOCK_CUTS, *(tiles // d for d in (1, 2, 4, 8))) if 0 < cut <= tiles}
    return tuple(sorted(cuts, reverse=True))


def trips_of(setting: Setting, nest: Nest, tile: Tile) -> dict[str, int]:
    """Loop -> trip count, the last tiles of ranks that do not divide included."""
    extents = setting.step.extents
    trips = {part: extents.get(part, 1) for part in nest.order}
    for one in setting.cascade.splits:
        below = math.prod(tile.y0 if part == nest.y else nest.sizes[part] for part in one.parts[1:])
        trips[one.parts[0]] = math.ceil(extents[one.rank] / below)
        trips |= {part: nest.sizes[part] for part in one.parts[1:] if part in nest.order}
    if nest.x:
        trips[nest.split[nest.x][1]] = tile.x1
        trips[nest.split[nest.x][0]] = math.ceil(extents[nest.x] / (tile.x0 * tile.x1))
    if nest.y in nest.split and nest.y:
        trips[nest.split[nest.y][0]] = math.ceil(extents[nest.y] / tile.y0)
    for rank in (rank for rank in nest.split if rank not in (nest.x, nest.y)):
        trips[nest.split[rank][0]] = math.ceil(extents[rank] / nest.sizes[nest.split[rank][1]])
    return {part: trip for part, trip in trips.items() if part in nest.order}


def inner_parts(setting: Setting, nest: Nest, einsum: Einsum) -> dict[str, str]:
    """Rank variable of an Einsum -> its part inside the tile; loops have none."""
    found = nest.inner.get(einsum.name)
    if found is None:
        last = {v: nest.split.get(v.upper(), (v.upper(),))[-1] for v in setting.ranks[einsum.name]}
        found = nest.inner[einsum.name] = {v: part for v, part in last.items() if part not in nest.order}
    return found


def size_in_tile(setting: Setting, nest: Nest, tile: Tile, part: str) -> int:
    """Extent of a part inside a tile."""
    if part == nest.inner_x:
        return tile.x0
    if part == nest.inner_y:
        return tile.y0
    if part in setting.tied:
        return size_in_tile(setting, nest, tile, setting.tied[part])
    return nest.sizes[part] if part in nest.sizes else setting.step.extents[part]
