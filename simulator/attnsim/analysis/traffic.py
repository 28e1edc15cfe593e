"""Traffic to memory as a function of on-chip capacity: the least of a few schedules, never below compulsory.

(TrafficModel, capacity) -> bytes; `attnsim.analysis.schedules` makes the model. The schedules considered:
- *apart*: each Einsum on its own, its operands read and its result written; a product summed over a rank moves at least
  2 * points / sqrt(capacity) words (Hong and Kung, STOC 1981, with the constant of Smith et al., arXiv 1702.02017);
- *fused*: all Einsums together, tile by tile along one rank, streaming along another. Tensors along the tiled rank move
  once, the others once a tile and once for each sweep that reads them; what several sweeps need is kept over the full
  fiber or spilled, whichever moves less and fits.
It says what a buffer can save, not what a given mapping moves. It falls with capacity and reaches compulsory traffic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ApartStage:
    """One Einsum on its own, per batch element: words of operands and result, points of a contraction or 0."""

    words: int
    contracted_points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FusedSchedule:
    """Tiles along `tiled`, streaming along `streamed`, per batch element.

    moved_words: moved once. restreamed_words: moved for each tile. tile_words and fixed_words: what must be live for
    each step along the tiled rank and besides. spills: whether tensors that several sweeps need are spilled.
    """

    tiled: str
    streamed: str
    spills: bool
    extent: int
    moved_words: int
    restreamed_words: int
    tile_words: int
    fixed_words: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficModel:
    """Everything that traffic at a capacity needs; words are per batch element."""

    batch: int
    word_bytes: float
    compulsory_words: int
    apart: tuple[ApartStage, ...]
    fused: tuple[FusedSchedule, ...]


def traffic_bytes(model: TrafficModel, capacity_bytes: float) -> float:
    """Bytes to and from memory with an on-chip buffer of `capacity_bytes`, of the best schedule considered.

    The batch elements run one after the other, so each has the whole buffer.
    """
    words = capacity_bytes / model.word_bytes
    apart = sum(_apart_words(stage, words) for stage in model.apart)
    fused = (_fused_words(schedule, words) for schedule in model.fused)
    return model.batch * max(model.compulsory_words, min([apart, *fused])) * model.word_bytes


def _apart_words(stage: ApartStage, capacity_words: float) -> float:
    if not stage.contracted_points:
        return stage.words
    return max(stage.words, 2 * stage.contracted_points / math.sqrt(max(1.0, capacity_words)))


def _fused_words(schedule: FusedSchedule, capacity_words: float) -> float:
    room = capacity_words - schedule.fixed_words
    if room < schedule.tile_words:
        return math.inf
    steps = math.floor(room / schedule.tile_words) if schedule.tile_words else schedule.extent
    tile = min(schedule.extent, steps)
    return schedule.moved_words + schedule.restreamed_words * math.ceil(schedule.extent / tile)


def capacity_for(model: TrafficModel) -> float | None:
    """Least capacity in bytes with which a fused schedule moves compulsory traffic only; None if none does."""
    whole = [
        (schedule.fixed_words + schedule.tile_words * schedule.extent) * model.word_bytes
        for schedule in model.fused
        if schedule.moved_words + schedule.restreamed_words <= model.compulsory_words
    ]
    return min(whole, default=None)
