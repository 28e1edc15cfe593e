"""A default mapping for any cascade: what the model assumes when the user names no mapping.

Without iterative ranks every Einsum is a phase of its own, tiled over the array that computes it fastest, with its
operands resident as far as they fit. A cascade with iterative ranks is one fused phase in the order of FuseMax's
Mapping 1: blocks of the parallel rank outside, the iterative rank, tiles of the parallel rank inside. It is a
starting point, not an optimum.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from attnsim.components.operations import hardware_operations
from attnsim.einsum.ast import Cascade, Einsum
from attnsim.errors import AttnSimError
from attnsim.specs.hardware import Array, SpatialArray
from attnsim.specs.mapping import Mapping as MappingSpec
from attnsim.specs.mapping import Phase, Target

_REDUCED_TILE = 256


def default_mapping(
    cascade: Cascade, hardware: SpatialArray, extents: Mapping[str, int], *, resident: bool = True
) -> MappingSpec:
    """A mapping with `remainder: pad` for a cascade at given extents; `resident=False` keeps nothing in the buffer.

    Raises MappingError when no array has an operation that an Einsum needs.
    """
    sizes = _sizes(cascade, extents, hardware)
    if cascade.iterations:
        phases = [_fused_phase(cascade, hardware, sizes, resident=resident)]
    else:
        phases = [_einsum_phase(cascade, e, hardware, sizes, resident=resident) for e in cascade.einsums]
    return MappingSpec(
        name="auto",
        title="default mapping",
        target=Target(cascade=cascade.name, hardware=hardware.name),
        remainder="pad",
        phases=phases,
    )


def _sizes(cascade: Cascade, extents: Mapping[str, int], hardware: SpatialArray) -> dict[str, int]:
    """Extents by part; the inner parts of ranks that the cascade splits get the rows of the largest array."""
    sizes = dict(extents)
    rows = max(hardware.arrays.values(), key=lambda array: array.pe_count).shape[0]
    for split in cascade.splits:
        outer, *inner = split.parts
        for part in inner:
            sizes.setdefault(part, min(rows, sizes[split.rank]))
        sizes[outer] = math.ceil(sizes[split.rank] / math.prod(sizes[part] for part in inner))
    return sizes


def _array_for(einsum: Einsum, hardware: SpatialArray, sizes: Mapping[str, int]) -> str:
    """The array that computes an Einsum in the fewest cycles, the smaller one on a tie."""
    able: list[tuple[float, int, str]] = []
    refusal: AttnSimError | None = None
    for name, array in hardware.arrays.items():
        try:
            operations = hardware_operations(einsum, array, array_name=name, hardware=hardware.name)
        except AttnSimError as error:
            refusal = error
            continue
        able.append((_cycles(einsum, array, operations, sizes), array.pe_count, name))
    if not able:
        assert refusal is not None
        raise refusal
    return min(able)[2]


def _cycles(einsum: Einsum, array: Array, operations: Sequence[str], sizes: Mapping[str, int]) -> float:
    extents = sorted((sizes[v.upper()] for v in einsum.iteration_ranks), reverse=True)
    cycles = sum(array.ops[name].cycles for name in operations)
    for i, extent in enumerate(extents):
        cycles *= math.ceil(extent / array.shape[i]) if i < len(array.shape) else extent
    return cycles


def _laid(einsum: Einsum, array: Array, sizes: Mapping[str, int]) -> list[str]:
    """Rank variables laid over the array: the largest ones, output ranks first."""
    outputs = set(einsum.output.variables)
    ranked = sorted(einsum.iteration_ranks, key=lambda v: (v not in outputs, -sizes[v.upper()]))
    return [v.upper() for v in ranked if sizes[v.upper()] > 1][: len(array.shape)]


def _einsum_phase(
    cascade: Cascade, einsum: Einsum, hardware: SpatialArray, sizes: Mapping[str, int], *, resident: bool
) -> Phase:
    """One Einsum, tiled over its array: [batch, X2, Y1, X1, reduced], X and Y the ranks laid over the array."""
    name = _array_for(einsum, hardware, sizes)
    array = hardware.arrays[name]
    laid = _laid(einsum, array, sizes)
    split: dict[str, list[str]] = {}
    tile: dict[str, int | str] = {}
    order = list(cascade.batch)
    for i, (rank, width) in enumerate(zip(laid, array.shape, strict=False)):
        parts = [f"{rank}{k}" for k in ((2, 1, 0) if i == 0 else (1, 0))]
        split[rank] = parts
        tile[parts[-1]] = min(width, sizes[rank])
        if i == 0:
            tile[parts[1]] = "fit" if resident else 1
    x, y = ([*laid, None, None])[:2]
    order += [split[x][0]] if x else []
    order += [split[y][0]] if y else []
    order += [split[x][1]] if x else []
    for variable in einsum.iteration_ranks:
        rank = variable.upper()
        if rank in laid or rank in cascade.batch or sizes[rank] <= _REDUCED_TILE:
            continue
        split[rank] = [f"{rank}1", f"{rank}0"]
        tile[f"{rank}0"] = _REDUCED_TILE
        order.append(f"{rank}1")
    keep = _resident_inputs(einsum, split, x, y) if resident else {}
    return Phase(
        name=einsum.name,
        split=split,
        tile=tile,
        order=order,
        place={name: [einsum.name]},
        spatial={einsum.name: [split[rank][-1] for rank in laid]},
        keep={next(iter(hardware.memories)): keep} if keep and len(hardware.memories) > 1 else {},
    )


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


def _fused_phase(cascade: Cascade, hardware: SpatialArray, sizes: Mapping[str, int], *, resident: bool) -> Phase:
    """All Einsums in one nest: [batch, X2, iterative ranks, other large ranks, X1] with X the widest parallel rank."""
    array = max(hardware.arrays.values(), key=lambda a: a.pe_count)
    iterative = [iteration.rank.upper() for iteration in cascade.iterations]
    inner = {part for s in cascade.splits for part in s.parts[1:]}
    used = dict.fromkeys(v.upper() for e in cascade.einsums for v in e.iteration_ranks)
    states = {name for name, _ in cascade.start}
    state_ranks = {v.upper() for e in cascade.einsums if e.name in states for v in e.output.variables} - set(iterative)
    free = [r for r in used if r not in iterative and r not in inner and r not in cascade.batch]
    parallel = [r for r in free if r in state_ranks] or free
    x = max(parallel, key=lambda r: sizes[r], default=None)
    split: dict[str, list[str]] = {}
    tile: dict[str, int | str] = {part: sizes[part] for part in inner}
    order = list(cascade.batch)
    if x is not None:
        width = array.shape[-1]
        split[x] = [f"{x}2", f"{x}1", f"{x}0"]
        tile |= {f"{x}0": min(width, sizes[x]), f"{x}1": "fit" if resident else 1}
        order.append(f"{x}2")
    order += iterative
    order += [f"{x}1"] if x is not None else []
    kept = _resident_states(cascade, x, order[len(cascade.batch)], iterative[0]) if resident and x else {}
    place: dict[str, list[str]] = {}
    for einsum in cascade.einsums:
        place.setdefault(_array_for(einsum, hardware, {**sizes, **_tile_sizes(tile)}), []).append(einsum.name)
    return Phase(
        name=cascade.name,
        split=split,
        tile=tile,
        order=order,
        place=place,
        keep={next(iter(hardware.memories)): kept} if kept and len(hardware.memories) > 1 else {},
    )


def _tile_sizes(tile: Mapping[str, int | str]) -> dict[str, int]:
    return {part: size for part, size in tile.items() if isinstance(size, int)}


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
