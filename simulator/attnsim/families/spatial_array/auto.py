"""A default mapping for any cascade: what the model assumes when the user names no mapping.

Without iterative ranks every Einsum is a phase of its own, tiled over the array that computes it fastest, with its
operands resident as far as they fit. A cascade with iterative ranks is one fused phase in the order of FuseMax's
Mapping 1: blocks of the parallel rank outside, the iterative rank, tiles of the parallel rank inside. It is a
starting point, not an optimum.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from attnsim.components.operations import hardware_operations, missing_operations
from attnsim.einsum.ast import Cascade, Einsum
from attnsim.errors import MappingError
from attnsim.families.spatial_array.legality import lacking_problems
from attnsim.specs.loop_nest import LoopNest, Phase
from attnsim.specs.mapping_file import Target
from attnsim.specs.spatial_array import Array, SpatialArray

_REDUCED_TILE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    """What every phase has in common; `sizes` by rank part, those of the cascade's own splits included."""

    cascade: Cascade
    hardware: SpatialArray
    sizes: Mapping[str, int]
    arrays: Mapping[str, str]
    resident: bool

    @property
    def inner_parts(self) -> dict[str, int]:
        """Sizes of the inner parts of ranks that the cascade splits."""
        return {part: self.sizes[part] for split in self.cascade.splits for part in split.parts[1:]}


def default_mapping(
    cascade: Cascade, hardware: SpatialArray, extents: Mapping[str, int], *, resident: bool = True
) -> LoopNest:
    """A mapping with `remainder: pad` for a cascade at given extents; `resident=False` keeps nothing in the buffer.

    Raises MappingError that lists every operation which no array has.
    """
    sizes = _sizes(cascade, extents, hardware)
    setting = _Setting(
        cascade=cascade,
        hardware=hardware,
        sizes=sizes,
        arrays=_arrays(cascade, hardware, _tile_sizes(cascade, hardware, sizes)),
        resident=resident and len(hardware.memories) > 1,
    )
    if cascade.iterations:
        phases = [_fused_phase(setting)]
    else:
        phases = [_einsum_phase(einsum, setting) for einsum in cascade.einsums]
    return LoopNest(
        name="auto",
        title="default mapping",
        target=Target(cascade=cascade.name, hardware=hardware.name),
        remainder="pad",
        phases=phases,
    )


def _sizes(cascade: Cascade, extents: Mapping[str, int], hardware: SpatialArray) -> dict[str, int]:
    """Extents by part; the inner parts of ranks that the cascade splits get the rows of the largest array."""
    sizes = dict(extents)
    rows = _largest(hardware).shape[0]
    for split in cascade.splits:
        outer, *inner = split.parts
        for part in inner:
            sizes.setdefault(part, _even(sizes[split.rank], rows))
        sizes[outer] = math.ceil(sizes[split.rank] / math.prod(sizes[part] for part in inner))
    for rank, other in (*cascade.same, *((b, a) for a, b in cascade.same)):
        if rank not in sizes and other in sizes:
            sizes[rank] = sizes[other]
    return sizes


def _tile_sizes(cascade: Cascade, hardware: SpatialArray, sizes: Mapping[str, int]) -> dict[str, int]:
    """Sizes with which the arrays are compared: whole ranks, or those of a tile when all Einsums share one."""
    if not cascade.iterations:
        return dict(sizes)
    iterative = [iteration.rank.upper() for iteration in cascade.iterations]
    x = _parallel_rank(cascade, sizes, iterative)
    tile = {x: _even(sizes[x], _largest(hardware).shape[-1])} if x else {}
    return {**sizes, **dict.fromkeys(iterative, 1), **tile}


def _largest(hardware: SpatialArray) -> Array:
    return max(hardware.arrays.values(), key=lambda array: array.pe_count)


def _even(extent: int, width: int) -> int:
    """Tile of at most `width` that cuts an extent into the fewest, equally large tiles."""
    return math.ceil(extent / math.ceil(extent / width))


def _arrays(cascade: Cascade, hardware: SpatialArray, sizes: Mapping[str, int]) -> dict[str, str]:
    """The array that computes each Einsum in the fewest cycles, the smaller one on a tie."""
    chosen: dict[str, str] = {}
    lacking: dict[tuple[str, str], list[str]] = {}
    for einsum in cascade.einsums:
        missing = {name: missing_operations(einsum, a, cascade.operators) for name, a in hardware.arrays.items()}
        able = [name for name in hardware.arrays if not missing[name]]
        if able:
            chosen[einsum.name] = min(able, key=lambda name: _cost(cascade, einsum, hardware.arrays[name], sizes))
            continue
        nearest = min(missing, key=lambda name: len(missing[name]))
        for operation in missing[nearest]:
            lacking.setdefault((nearest, operation), []).append(einsum.name)
    if lacking:
        raise MappingError(*lacking_problems(lacking, cascade, hardware))
    return chosen


def _cost(cascade: Cascade, einsum: Einsum, array: Array, sizes: Mapping[str, int]) -> tuple[float, int]:
    """Cycles of an Einsum alone on an array, and the array's PEs."""
    return _cycles(einsum, array, hardware_operations(einsum, array, cascade.operators), sizes), array.pe_count


def _cycles(einsum: Einsum, array: Array, operations: Sequence[str], sizes: Mapping[str, int]) -> float:
    extents = sorted((sizes[v.upper()] for v in einsum.iteration_ranks), reverse=True)
    laid = extents[: len(array.shape)]
    rounds = min(_rounds(order, array) for order in permutations(laid))
    return (sum(array.ops[name].cycles for name in operations) or 1) * rounds * math.prod(extents[len(laid) :])


def _rounds(extents: Sequence[int], array: Array) -> int:
    """How often an array is filled by ranks of these extents over its sides, in order."""
    return math.prod(math.ceil(extent / width) for extent, width in zip(extents, array.shape, strict=False))


def _laid(einsum: Einsum, array: Array, sizes: Mapping[str, int]) -> list[str]:
    """Ranks laid over the array: the largest ones, output ranks first, over the sides that they fill best."""
    outputs = set(einsum.output.variables)
    ranked = sorted(einsum.iteration_ranks, key=lambda v: (v not in outputs, -sizes[v.upper()]))
    chosen = [v.upper() for v in ranked if sizes[v.upper()] > 1][: len(array.shape)]
    orders = permutations(chosen)
    return list(min(orders, key=lambda order: _rounds([sizes[rank] for rank in order], array)))


def _parts(rank: str, numbers: Iterable[int]) -> list[str]:
    joint = "_" if rank[-1].isdigit() else ""
    return [f"{rank}{joint}{number}" for number in numbers]


def _einsum_phase(einsum: Einsum, setting: _Setting) -> Phase:
    """One Einsum, tiled over its array: loops [shared ranks, X2, ranks of Y, Y1, ranks of X, X1, reduced ranks].

    X and Y are the ranks laid over the array, X the smaller one, so that the larger operand is read again least.
    """
    sizes, batch = setting.sizes, list(setting.cascade.batch)
    name = setting.arrays[einsum.name]
    array = setting.hardware.arrays[name]
    laid = _laid(einsum, array, sizes)
    x = min(laid, key=lambda rank: sizes[rank], default=None)
    y = next((rank for rank in laid if rank != x), None)
    split: dict[str, list[str]] = {}
    tile: dict[str, int | str] = dict(setting.inner_parts)
    for rank, width in zip(laid, array.shape, strict=False):
        split[rank] = _parts(rank, (2, 1, 0) if rank == x else (1, 0))
        tile[split[rank][-1]] = _even(sizes[rank], width)
    if x:
        tile[split[x][1]] = "fit" if setting.resident else 1
    rest = [v.upper() for v in einsum.iteration_ranks if v.upper() not in (*laid, *batch)]
    shared, of_y, of_x = _outer_ranks(einsum, rest, x)
    reduced = [rank for rank in rest if rank not in (*shared, *of_y, *of_x) and sizes[rank] > _REDUCED_TILE]
    for rank in reduced:
        split[rank] = _parts(rank, (1, 0))
        tile[split[rank][1]] = _even(sizes[rank], _REDUCED_TILE)
    order = [*batch, *shared, *([split[x][0]] if x else []), *of_y, *([split[y][0]] if y else []), *of_x]
    order += [*([split[x][1]] if x else []), *(split[rank][0] for rank in reduced)]
    return Phase(
        name=einsum.name,
        split=split,
        tile=tile,
        order=order,
        place={name: [einsum.name]},
        spatial={einsum.name: [split[rank][-1] for rank in laid]},
        keep=_keep(_resident_inputs(einsum, split, x, y), setting),
    )


def _outer_ranks(einsum: Einsum, rest: Sequence[str], x: str | None) -> tuple[list[str], list[str], list[str]]:
    """Output ranks that are not laid out: those that all operands share, those without X, those in operands with X."""
    operands = [{v.upper() for v in access.variables} for access in einsum.inputs]
    outputs = [rank for rank in rest if rank in {v.upper() for v in einsum.output.variables}]
    shared = [rank for rank in outputs if all(rank in ranks for ranks in operands)]
    of_x = [r for r in outputs if r not in shared and any(x in ranks and r in ranks for ranks in operands)]
    return shared, [rank for rank in outputs if rank not in (*shared, *of_x)], of_x


def _keep(kept: Mapping[str, str], setting: _Setting) -> dict[str, dict[str, str]]:
    """Blocks are kept in the outermost memory on the chip; the memories inside it are passed by."""
    on_chip = list(setting.hardware.memories)[:-1]
    return {on_chip[-1]: dict(kept)} if kept and setting.resident else {}


def _resident_inputs(
    einsum: Einsum, split: Mapping[str, Sequence[str]], x: str | None, y: str | None
) -> dict[str, str]:
    """Operands that only one of the laid ranks indexes stay resident: with x below X2, with y below Y1."""
    keep: dict[str, str] = {}
    for access in einsum.inputs:
        ranks = {v.upper() for v in access.variables}
        if x in ranks and y in ranks:
            continue
        if x is not None and x in ranks:
            keep[access.tensor] = split[x][0]
        elif y is not None and y in ranks:
            keep[access.tensor] = split[y][0]
    return keep


def _fused_phase(setting: _Setting) -> Phase:
    """All Einsums in one nest: [batch, X2, iterative ranks, X1] with X the widest rank of the states."""
    cascade, sizes = setting.cascade, setting.sizes
    iterative = _nested([iteration.rank.upper() for iteration in cascade.iterations], cascade)
    x = _parallel_rank(cascade, sizes, iterative)
    split: dict[str, list[str]] = {}
    tile: dict[str, int | str] = dict(setting.inner_parts)
    order = [*cascade.batch, *iterative]
    kept: dict[str, str] = {}
    if x is not None:
        split[x] = _parts(x, (2, 1, 0))
        tile[split[x][1]] = "fit" if setting.resident else 1
        tile[split[x][2]] = _even(sizes[x], _largest(setting.hardware).shape[-1])
        order = [*cascade.batch, split[x][0], *iterative, split[x][1]]
        kept = _resident_states(cascade, x, split[x][0], iterative[0])
    place: dict[str, list[str]] = {}
    for einsum in cascade.einsums:
        place.setdefault(setting.arrays[einsum.name], []).append(einsum.name)
    return Phase(
        name=cascade.name, split=split, tile=tile, order=order, place=place, keep=_keep(kept, setting), in_flight=8
    )


def _nested(iterative: Sequence[str], cascade: Cascade) -> list[str]:
    """Iterative ranks from outer to inner: parts of one rank in the order of their split."""
    parts = [part for split in cascade.splits for part in split.parts]
    return sorted(iterative, key=lambda rank: parts.index(rank) if rank in parts else -1)


def _parallel_rank(cascade: Cascade, sizes: Mapping[str, int], iterative: Sequence[str]) -> str | None:
    """The widest rank of the states that is not iterative; else the widest of all; None when there is none."""
    states = {name for name, _ in cascade.start}
    used = dict.fromkeys(v.upper() for e in cascade.einsums for v in e.iteration_ranks)
    state_ranks = {v.upper() for e in cascade.einsums if e.name in states for v in e.output.variables}
    inner = {part for split in cascade.splits for part in split.parts[1:]}
    taken = {*iterative, *inner, *cascade.batch}
    free = [rank for rank in used if rank not in taken]
    parallel = [rank for rank in free if rank in state_ranks] or free
    return max(parallel, key=lambda rank: sizes[rank], default=None)


def _resident_states(cascade: Cascade, x: str, outer: str, iterative: str) -> dict[str, str]:
    """States and inputs of the parallel rank stay below X2; inputs of the iterative rank below its loop."""
    states = {name for name, _ in cascade.start}
    split_of = {part: split.rank for split in cascade.splits for part in split.parts}
    walked = split_of.get(iterative, iterative)
    keep = dict.fromkeys(sorted(states), outer)
    for tensor in cascade.inputs:
        if x in tensor.ranks:
            keep[tensor.name] = outer
        elif walked in tensor.ranks:
            keep[tensor.name] = iterative
    return keep
