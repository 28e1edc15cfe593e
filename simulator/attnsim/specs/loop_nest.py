"""Mapping specs for spatial arrays: what `workloads/mappings/spatial_array/<name>.yaml` may say.

A mapping cuts a cascade into phases that run one after the other. A phase tiles ranks, orders the loops over tiles,
places each Einsum on an array, says which block of which tensor stays in which memory, and which Einsums run side by
side.
After the loop-nest mappings of Timeloop and TeAAL (partitioning, loop order, spacetime, bindings).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from pydantic import Field, PositiveInt

from attnsim.errors import Problem
from attnsim.specs.library import suggest
from attnsim.specs.mapping_file import MappingFile
from attnsim.specs.quantity import Bytes
from attnsim.specs.spec import Spec, problem_at

TileSize = PositiveInt | str

_TILE_WORDS = re.compile(r"fit|full|\w+\.(rows|columns|lanes)")


class Phase(Spec):
    """One fused loop nest.

    split: rank -> its parts from outer to inner (ranks that the cascade does not split itself).
    tile: rank part -> size; a number, `array.rows`, `array.columns`, `full` (the whole rank) or `fit` (the largest
    divisor with which everything kept fits its memory).
    order: loops from outermost to innermost, by rank part. place: array -> Einsums in order of execution.
    spatial: Einsum -> ranks laid over (rows, columns); what is left runs in time.
    keep: memory or array -> tensor -> loop; the block of the tensor below that loop stays there while the loop
    body runs.
    nests: Einsums that share one traversal of a tile; each nest reads a kept tensor once.
    overlap: steps of one tile in order; inside a step, lanes separated by `|` run side by side, `drain ARRAY` waits for
    the array to empty. buffers: tensor -> number of blocks held at once (default 1).
    in_place: tensors that share one block. stage: memory -> tiles held for each streamed operand.
    overflow: `spill` sends what does not fit to the next memory out, `reject` makes the mapping infeasible.
    capacity: memory -> how much of it the mapping may use. in_flight: tiles at work at once.
    beside: the phase runs side by side with the one before it, not after it.
    """

    name: str
    einsums: list[str] = Field(default_factory=list)
    split: dict[str, list[str]] = Field(default_factory=dict)
    tile: dict[str, TileSize] = Field(default_factory=dict)
    order: list[str]
    place: dict[str, list[str]]
    spatial: dict[str, list[str]] = Field(default_factory=dict)
    keep: dict[str, dict[str, str]] = Field(default_factory=dict)
    nests: list[list[str]] = Field(default_factory=list)
    overlap: list[str] = Field(default_factory=list)
    buffers: dict[str, PositiveInt] = Field(default_factory=dict)
    in_place: list[list[str]] = Field(default_factory=list)
    stage: dict[str, PositiveInt] = Field(default_factory=dict)
    overflow: Literal["reject", "spill"] = "reject"
    capacity: dict[str, Bytes] = Field(default_factory=dict)
    in_flight: PositiveInt = 2
    beside: bool = False


class Choice(Spec):
    """A mapping to use when the extents lie in the given ranges (`P: ..4096`, `E: 64`).

    set: rank part -> tile size, in every phase that tiles the part. keep: memory -> tensor -> loop, kept in addition by
    every phase that uses the tensor's loop.
    """

    when: dict[str, int | str] = Field(default_factory=dict)
    use: str
    set: dict[str, TileSize] = Field(default_factory=dict)
    keep: dict[str, dict[str, str]] = Field(default_factory=dict)


class LoopNest(MappingFile):
    """A mapping file for spatial arrays: `phases`, or `choose` between other mappings by extent.

    compound_ops: whether the operators of one map expression occupy a PE one after the other or as a pipeline.
    register_file_energy: accesses of the register files of all PEs, or of one PE as FuseMax's artifact counts them.
    remainder: what happens when a tile does not divide an extent. uncounted: functional units whose energy the
    published artifact leaves out (only in artifact accounting).
    """

    family: Literal["spatial_array"] = "spatial_array"
    compound_ops: Literal["sequential", "pipelined"] = "sequential"
    fill_drain: Literal["ideal", "modeled"] = "ideal"
    register_file_energy: Literal["artifact", "full"] = "full"
    remainder: Literal["reject", "pad"] = "reject"
    uncounted: list[str] = Field(default_factory=list)
    phases: list[Phase] = Field(default_factory=list)
    choose: list[Choice] = Field(default_factory=list)


def loop_nest_problems(mapping: LoopNest) -> list[Problem]:
    """Contradictions inside a mapping, before any cascade or hardware is looked at: neither phases nor choices, a tile
    size that is no size, loops that no split names, Einsums that are used but not placed."""
    if bool(mapping.phases) == bool(mapping.choose):
        remedy = "give one of the two: `phases`, or `choose` between other mappings"
        return [
            problem_at(mapping, "", "has both `phases` and `choose`" if mapping.phases else "has no phases", remedy)
        ]
    return [
        problem_at(mapping, f"phases.{position}.{path}", what, remedy)
        for position, phase in enumerate(mapping.phases)
        for path, what, remedy in (*_tile_problems(phase), *_placement_problems(phase))
    ]


def _tile_problems(phase: Phase) -> Iterator[tuple[str, str, str]]:
    for part, size in phase.tile.items():
        if isinstance(size, str) and not _TILE_WORDS.fullmatch(size):
            what = f"{size!r} is not a tile size"
            yield f"tile.{part}", what, "write a number, array.rows, array.columns, array.lanes, `full` or `fit`"


def _placement_problems(phase: Phase) -> Iterator[tuple[str, str, str]]:
    """Einsums that a phase speaks of without placing them; with place, what and remedy."""
    placed = tuple(name for names in phase.place.values() for name in names)
    mentions = [(f"spatial.{name}", name) for name in phase.spatial]
    mentions += [(f"nests.{i}", name) for i, nest in enumerate(phase.nests) for name in nest]
    for i, step in enumerate(phase.overlap):
        words = [word.strip() for word in re.split(r"[|,]", step)]
        mentions += [(f"overlap.{i}", word) for word in words if not word.startswith("drain ")]
        drained = [word.removeprefix("drain ").strip() for word in words if word.startswith("drain ")]
        for array in (name for name in drained if name not in phase.place):
            yield f"overlap.{i}", f"nothing is placed on {array!r}", suggest(array, tuple(phase.place))
    for path, name in mentions:
        if name not in placed:
            yield path, f"{name!r} is not placed on an array in this phase", suggest(name, placed)
