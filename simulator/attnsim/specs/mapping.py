"""Mapping specs for spatial arrays: what `workloads/mappings/spatial_array/<name>.yaml` may say.

A mapping cuts a cascade into phases that run one after the other. A phase tiles ranks, orders the loops over tiles,
places each Einsum on an array, says which block of which tensor stays in which memory, and which Einsums run side by
side.
After the loop-nest mappings of Timeloop and TeAAL (partitioning, loop order, spacetime, bindings).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import ConfigDict, Field, PositiveInt

from attnsim.specs.library import find
from attnsim.specs.load import load_spec
from attnsim.specs.overrides import Override
from attnsim.specs.quantity import Bytes
from attnsim.specs.spec import FileSpec, Spec, Text

TileSize = PositiveInt | str


class Target(Spec):
    """The cascade that a mapping is written for and the hardware that it runs on when none is named."""

    cascade: str
    hardware: str | None = None


class Phase(Spec):
    """One fused loop nest.

    split: rank -> its parts from outer to inner (ranks that the cascade does not split itself).
    tile: rank part -> size; a number, `array.rows`, `array.columns`, `full` (the whole rank) or `fit` (the largest
    divisor with which everything kept fits its memory).
    order: loops from outermost to innermost, by rank part. place: array -> Einsums in order of execution.
    spatial: Einsum -> ranks laid over (rows, columns); what is left runs in time.
    keep: memory or array -> tensor -> loop; the block of the tensor below that loop stays there while the loop
    body runs.
    through: tensors between two Einsums of this phase that travel through the backing store.
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
    through: list[str] = Field(default_factory=list)
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
    """A mapping to use when the extents lie in the given ranges (`P: ..4096`, `E: 64`), with overrides."""

    when: dict[str, int | str] = Field(default_factory=dict)
    use: str
    set: dict[str, TileSize] = Field(default_factory=dict)


class Mapping(FileSpec):
    """A mapping: either phases, or a list of choices between other mappings by extent.

    companions: cascade -> mapping for the other steps of a layer. compound_ops: whether the operators of one map
    expression occupy a PE one after the other or as a pipeline. remainder: what happens when a tile does not divide an
    extent. uncounted: functional units whose energy the published artifact leaves out (only in artifact accounting).
    """

    model_config = ConfigDict(populate_by_name=True)

    name: Text
    title: str = ""
    source: str = ""
    notes: str = ""
    target: Target = Field(alias="for")
    companions: dict[str, str] = Field(default_factory=dict)
    compound_ops: Literal["sequential", "pipelined"] = "sequential"
    fill_drain: Literal["ideal", "modeled"] = "ideal"
    remainder: Literal["reject", "pad"] = "reject"
    uncounted: list[str] = Field(default_factory=list)
    phases: list[Phase] = Field(default_factory=list)
    choose: list[Choice] = Field(default_factory=list)


def load_mapping(name: str, overrides: Sequence[Override] = ()) -> Mapping:
    """Read a mapping by name or path, after `overrides`; raises SpecError or UnknownNameError."""
    return load_spec(find("mapping", name), Mapping, overrides)
