"""The schedules whose traffic `attnsim.analysis.traffic` compares: what each moves and what it has to hold.

(Cascade, Sizes, operations, tensors, passes, footprints) -> TrafficModel, for one batch element.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from attnsim.analysis.footprint import Footprint
from attnsim.analysis.ops import EinsumOps, is_multiply_accumulate
from attnsim.analysis.passes import Passes
from attnsim.analysis.ranks import iterative_ranks, leaf_ranks
from attnsim.analysis.sizes import Sizes
from attnsim.analysis.tensors import TensorSize, compulsory_words
from attnsim.analysis.traffic import ApartStage, FusedSchedule, TrafficModel
from attnsim.einsum.ast import Cascade


def traffic_model(
    cascade: Cascade,
    sizes: Sizes,
    einsums: tuple[EinsumOps, ...],
    tensors: Mapping[str, TensorSize],
    passes: Mapping[str, Passes],
    live: Mapping[str, Footprint],
    word_bytes: float,
) -> TrafficModel:
    """Collect the schedules of a cascade."""
    shape = _Shape(cascade=cascade, sizes=sizes, tensors=tensors, passes=passes, live=live)
    return TrafficModel(
        batch=sizes.batch,
        word_bytes=word_bytes,
        compulsory_words=compulsory_words(tensors) // sizes.batch,
        apart=tuple(_apart(cascade, sizes, number, einsums, tensors) for number in range(len(einsums))),
        fused=tuple(_fused(shape)),
    )


def _apart(
    cascade: Cascade,
    sizes: Sizes,
    number: int,
    einsums: tuple[EinsumOps, ...],
    tensors: Mapping[str, TensorSize],
) -> ApartStage:
    einsum = cascade.einsums[number]
    read = {access.tensor for access in einsum.inputs}
    words = sum(tensors[name].words for name in read) + einsums[number].output_words
    contracts = is_multiply_accumulate(einsum) and len(read) > 1
    return ApartStage(
        words=words // sizes.batch, contracted_points=einsums[number].points // sizes.batch if contracts else 0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    cascade: Cascade
    sizes: Sizes
    tensors: Mapping[str, TensorSize]
    passes: Mapping[str, Passes]
    live: Mapping[str, Footprint]


def _fused(shape: _Shape) -> Iterator[FusedSchedule]:
    """Every pair of a rank to tile and a rank to stream along, with what crosses sweeps kept and spilled."""
    split_parts = {part for split in shape.cascade.splits for part in split.parts}
    ranks = [rank for rank in shape.passes if rank not in split_parts]
    tiles = ["", *(rank for rank in ranks if _can_tile(shape, rank))]
    for tiled, streamed in product(tiles, ["", *ranks]):
        if tiled != streamed or not tiled:
            yield _schedule(shape, tiled, streamed, spills=False)
        if tiled != streamed and streamed in shape.live:
            yield _schedule(shape, tiled, streamed, spills=True)


def _can_tile(shape: _Shape, rank: str) -> bool:
    """A rank whose tiles have nothing to do with each other: one pass, no reduction, no iteration along it."""
    leaves = set(leaf_ranks(shape.cascade, rank))
    if shape.passes[rank].count > 1 or rank in shape.live or leaves & iterative_ranks(shape.cascade):
        return False
    sources = shape.tensors.values()
    reading = {reader for source in sources if leaves & set(source.ranks) for reader in source.readers}
    return all(leaves <= set(shape.tensors[name].ranks) for name in reading)


def _schedule(shape: _Shape, tiled: str, streamed: str, *, spills: bool) -> FusedSchedule:
    leaves = set(leaf_ranks(shape.cascade, tiled)) if tiled else set()
    moved = restreamed = per_step = fixed = 0
    for tensor in shape.tensors.values():
        along = bool(leaves) and leaves <= set(tensor.ranks)
        words, visits = tensor.words // shape.sizes.batch, _visits(shape, tensor, streamed, spills)
        live = _live_words(shape, tensor, tiled, streamed, spills)
        if along:
            moved, per_step = moved + words * visits, per_step + live
        else:
            made_once, again = _untiled(tensor, words, visits, bool(tiled))
            moved, restreamed, fixed = moved + made_once, restreamed + again, fixed + live
    return FusedSchedule(
        tiled=tiled,
        streamed=streamed,
        spills=spills,
        extent=shape.sizes.extents[tiled] if tiled else 1,
        moved_words=moved,
        restreamed_words=restreamed,
        tile_words=per_step,
        fixed_words=fixed,
    )


def _untiled(tensor: TensorSize, words: int, visits: int, tiles: bool) -> tuple[int, int]:
    """(words moved once, words moved for each tile) of a tensor without the tiled rank.

    An input is read for each tile. What an Einsum makes is made once, written, and read for each tile.
    """
    if tensor.maker is None:
        return (0, words * visits) if tiles else (words * visits, 0)
    if not tiles:
        return words * visits, 0
    return words * max(1, visits), words * len(tensor.readers[:1])


def _visits(shape: _Shape, tensor: TensorSize, streamed: str, spills: bool) -> int:
    """How often a tensor moves in one go over the streamed rank: inputs and outputs once, spilled ones each sweep."""
    once = bool(tensor.readers) if tensor.maker is None else tensor.is_output
    crossing = _crossing_sweeps(shape, tensor.name, streamed)
    if not spills or not crossing:
        return int(once)
    return crossing


def _crossing_sweeps(shape: _Shape, tensor: str, streamed: str) -> int:
    """Number of sweeps over the streamed rank that touch the tensor, 0 if only one does."""
    footprint = shape.live.get(streamed)
    return next((len(c.sweeps) for c in footprint.crossings if c.tensor == tensor), 0) if footprint else 0


def _live_words(shape: _Shape, tensor: TensorSize, tiled: str, streamed: str, spills: bool) -> int:
    """Words that must be live: all of a tensor but for the tiled rank; along the streamed one, what crosses sweeps."""
    aside = set(leaf_ranks(shape.cascade, tiled)) if tiled else set()
    along = leaf_ranks(shape.cascade, streamed) if streamed else ()
    crosses = _crossing_sweeps(shape, tensor.name, streamed) > 1
    held = math.prod(shape.sizes.extents[rank] for rank in tensor.ranks if rank not in aside and rank not in along)
    if crosses and not spills:
        return held * shape.sizes.extents[streamed]
    parts = along[1:] if crosses else along
    inner = (rank for rank in parts if rank in tensor.ranks and rank != streamed)
    return held * math.prod(shape.sizes.extents[rank] for rank in inner if _crosses(shape, tensor.name, rank))


def _crosses(shape: _Shape, tensor: str, rank: str) -> bool:
    return rank in shape.live and any(c.tensor == tensor for c in shape.live[rank].crossings)
