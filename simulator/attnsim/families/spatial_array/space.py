"""The iteration space of one phase: rank variables -> loops over tiles and the tile below them.

From a cascade's ranks, the extents, and a mapping's `split`, `tile` and `order`, to loops with trip counts (outermost
first) and tile sizes. After the loop nests of Timeloop and TeAAL: each rank part is either a loop of the nest or part
of the tile.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from attnsim.einsum.ast import Access, Cascade, Einsum, Index
from attnsim.einsum.partition import coefficient_value
from attnsim.errors import MappingError, Problem
from attnsim.specs.loop_nest import Phase
from attnsim.specs.spatial_array import SpatialArray

SHAPE_WORDS = {"rows": 0, "columns": 1, "lanes": 0}
TILE_WORDS = ("full", "fit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """One loop over tiles: the rank part it walks (`P1`) and its trip count."""

    part: str
    trip: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Loops of a phase, outermost first; `parts` by rank variable; `tile` sizes of the parts below the loops.

    states: state tensor -> the iterative rank variables along which it is updated.
    """

    loops: tuple[Loop, ...]
    parts: Mapping[str, tuple[str, ...]]
    tile: Mapping[str, int]
    batch: frozenset[str]
    states: Mapping[str, frozenset[str]]
    iterative: frozenset[str]
    symbols: Mapping[str, int]

    def trip(self, part: str) -> int:
        """Trip count of the loop over `part`; 1 when it is not a loop."""
        return next((loop.trip for loop in self.loops if loop.part == part), 1)

    def position(self, part: str) -> int:
        """Place of the loop over `part` in the nest, 0 outermost."""
        return next(i for i, loop in enumerate(self.loops) if loop.part == part)

    def with_trip(self, part: str, trip: int) -> Space:
        """The same space with another trip count for one loop."""
        loops = tuple(replace(loop, trip=trip) if loop.part == part else loop for loop in self.loops)
        return replace(self, loops=loops)

    def loops_of(self, variables: Iterable[str]) -> frozenset[str]:
        """Loops that walk any of the variables, batch loops included."""
        walked = {part for variable in variables for part in self.parts[variable]}
        names = {loop.part for loop in self.loops}
        return frozenset((walked | self.batch) & names)

    def tile_size(self, variable: str) -> int:
        """Extent of a rank variable inside one tile."""
        return math.prod(self.tile.get(part, 1) for part in self.parts[variable])

    def block_size(self, variable: str, inner: frozenset[str]) -> int:
        """Extent of a rank variable inside a block that covers the loops in `inner` and the tile."""
        return self.tile_size(variable) * math.prod(self.trip(p) for p in self.parts[variable] if p in inner)

    def full_size(self, variable: str) -> int:
        """Extent of a rank variable over the whole phase."""
        return self.block_size(variable, frozenset(loop.part for loop in self.loops))


def tensor_words(space: Space, access: Access, inner: frozenset[str]) -> int:
    """Words of a tensor inside a block that covers the loops in `inner`: the product of its index extents.

    The iterative index of a state tensor takes no room: only the current state is held.
    """
    words = 1
    for index in access.indices:
        if access.tensor in space.states and (set(index.variables) & space.states[access.tensor] or not index.terms):
            continue
        words *= _index_extent(space, index, inner)
    return words * math.prod(space.trip(part) for part in space.batch if part in inner)


def reads_old_state(access: Access, space: Space) -> bool:
    """Whether an access reads a state as the iteration before left it (`RM[m1]` while `RM[m1+1]` is made)."""
    along = space.states.get(access.tensor, frozenset())
    return any(set(index.variables) & along and index.offset <= 0 for index in access.indices)


def _index_extent(space: Space, index: Index, inner: frozenset[str]) -> int:
    """Number of distinct positions of an affine index (contiguous hull, as for a convolution's halo)."""
    span = 0
    for variable, coefficient in index.terms:
        span += abs(coefficient_value(coefficient, space.symbols)) * (space.block_size(variable, inner) - 1)
    return span + 1


def phase_parts(einsums: Iterable[Einsum], phase: Phase) -> dict[str, tuple[str, ...]]:
    """Rank variables of the phase's Einsums -> their parts from outer to inner, a rank that is not split being one."""
    variables = dict.fromkeys(v for einsum in einsums for v in einsum.iteration_ranks)
    return {v: tuple(phase.split.get(v.upper(), (v.upper(),))) for v in variables}


def build_space(
    cascade: Cascade,
    einsums: tuple[Einsum, ...],
    extents: Mapping[str, int],
    phase: Phase,
    hardware: SpatialArray,
    *,
    pad: bool,
) -> tuple[Space, str | None]:
    """The phase's space, and the part whose size is to be fitted (then its loop has trip 1 for the time being).

    Raises MappingError, with paths inside the phase, for parts without size and tiles that do not divide their rank
    (unless `pad`).
    """
    parts = phase_parts(einsums, phase)
    sizes = tile_sizes(cascade, phase, extents, hardware)
    fitted = next((part for part, value in sizes.items() if value == "fit"), None)
    whole = dict(extents)
    problems = _cascade_splits(cascade, sizes, whole, pad=pad)
    if problems:
        raise MappingError(*problems)
    trips: dict[str, int] = {}
    tile: dict[str, int] = {}
    for variable, names in parts.items():
        problems += _size_parts(variable, names, phase, sizes, whole, trips, tile, pad=pad)
    if problems:
        raise MappingError(*problems)
    batch = frozenset(rank for rank in cascade.batch if rank in phase.order)
    trips |= {rank: extents[rank] for rank in batch}
    trips |= {part: 1 for part in phase.order if part not in trips}
    return Space(
        loops=tuple(Loop(part=part, trip=trips[part]) for part in phase.order),
        parts=parts,
        tile=tile,
        batch=batch,
        states=_states(cascade),
        iterative=frozenset(iteration.rank for iteration in cascade.iterations),
        symbols={**{k: int(v) for k, v in cascade.constants if v is not None}, **whole},
    ), fitted


def _states(cascade: Cascade) -> dict[str, frozenset[str]]:
    """State tensors and the rank variables along which each takes its next value (`RM[m1+1,p] = ...` along m1)."""
    started = {name for name, _ in cascade.start}
    return {
        einsum.name: frozenset(v for index in einsum.output.indices if index.offset > 0 for v in index.variables)
        for einsum in cascade.einsums
        if einsum.name in started
    }


def tile_sizes(
    cascade: Cascade, phase: Phase, extents: Mapping[str, int], hardware: SpatialArray
) -> dict[str, int | str]:
    """Tile sizes by rank part: numbers, or the words `full` and `fit`.

    A size that is looked up in the hardware (`array.rows`) is at most the extent of its rank: a shorter rank leaves PEs
    idle. A number is taken as it is.
    """
    owner = {part: rank for rank, names in phase.split.items() for part in names}
    owner |= {part: split.rank for split in cascade.splits for part in split.parts}
    sizes: dict[str, int | str] = {}
    for part, value in phase.tile.items():
        if isinstance(value, int) or value in TILE_WORDS:
            sizes[part] = value
            continue
        name, _, word = value.partition(".")
        width = hardware.arrays[name].shape[SHAPE_WORDS[word]]
        rank = owner.get(part, part)
        sizes[part] = min(width, extents.get(owner.get(rank, rank), width))
    return sizes


def _cascade_splits(
    cascade: Cascade, sizes: Mapping[str, int | str], whole: dict[str, int], *, pad: bool
) -> list[Problem]:
    """Give extents to the parts of ranks that the cascade itself splits, from the mapping's tile sizes."""
    problems: list[Problem] = []
    for split in cascade.splits:
        outer, *inner = split.parts
        known = {part: sizes.get(part, whole.get(part)) for part in inner}
        unset = [part for part, size in known.items() if not isinstance(size, int)]
        if unset:
            remedy = f"add tile: {{{unset[0]}: 256}} to the phase"
            problems.append(
                Problem(path="tile", what=f"no size for {', '.join(unset)} of rank {split.rank}", remedy=remedy)
            )
            continue
        chunk = math.prod(size for size in known.values() if isinstance(size, int))
        problems += _divides(split.rank, whole[split.rank], chunk, inner[-1], pad=pad)
        whole[outer] = math.ceil(whole[split.rank] / chunk)
        whole.update({part: size for part, size in known.items() if isinstance(size, int)})
    for rank, other in cascade.same:
        whole.setdefault(rank, whole[other] if other in whole else whole[rank])
        whole.setdefault(other, whole[rank])
    return problems


def _divides(rank: str, extent: int, chunk: int, part: str, *, pad: bool) -> list[Problem]:
    if pad or extent % chunk == 0:
        return []
    below, above = extent // chunk * chunk, -(-extent // chunk) * chunk
    near = f"{below} or {above}" if below else f"{above}"
    remedy = f"use an extent of {near}, another tile, or `remainder: pad` in the mapping"
    return [
        Problem(
            path=f"tile.{part}",
            what=f"extent {extent} of rank {rank} is not a multiple of its tile {chunk}",
            remedy=remedy,
        )
    ]


def _size_parts(
    variable: str,
    names: tuple[str, ...],
    phase: Phase,
    sizes: Mapping[str, int | str],
    whole: Mapping[str, int],
    trips: dict[str, int],
    tile: dict[str, int],
    *,
    pad: bool,
) -> list[Problem]:
    """Sizes of the parts of one rank variable: given ones, then the outermost unsized part takes what is left."""
    extent = whole[variable.upper()]
    known = {p: sizes[p] for p in names if isinstance(sizes.get(p), int)}
    chunk = math.prod(size for size in known.values() if isinstance(size, int))
    left = math.ceil(extent / chunk)
    whole_part = [p for p in names if sizes.get(p) == "full"]
    unsized = [p for p in names if p not in known and sizes.get(p) != "fit"]
    free = whole_part or unsized
    if len(free) > 1:
        remedy = f"give tile sizes for {', '.join(free[1:])}"
        what = f"{len(free)} parts of {variable.upper()} have no size"
        return [Problem(path="tile", what=what, remedy=remedy)]
    if not free and left > 1 and not any(sizes.get(p) == "fit" for p in names):
        what = f"parts of {variable.upper()} cover {chunk} of {extent}"
        remedy = "split the rank and leave its outermost part without a size"
        return [Problem(path=f"tile.{names[-1]}", what=what, remedy=remedy)]
    sized = [part for part in names if part in known]
    problems = _divides(variable.upper(), extent, chunk, sized[-1], pad=pad) if sized else []
    for part in names:
        size = known.get(part, left if part == (free or [""])[0] else 1)
        assert isinstance(size, int)
        (trips if part in phase.order else tile)[part] = size
    return problems
