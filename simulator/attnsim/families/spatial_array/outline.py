"""What binding a phase comes to before any capacity is looked at: outline, and layout at one size of the fitted part.

(Step, phase, mapping, hardware) -> Outline -> Layout. Both are remembered: phases of one cascade and mapping on arrays
of one shape differ in nothing else, whatever the memories, the clock and the energies are.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from attnsim.errors import MappingError
from attnsim.families.spatial_array.capacity import Parts, demand_parts, demands_within, fitted_sizes, sized
from attnsim.families.spatial_array.lanes import Lane, lanes_of
from attnsim.families.spatial_array.legality import placed_einsums
from attnsim.families.spatial_array.liveness import require_passes_possible
from attnsim.families.spatial_array.residency import (
    Tensors,
    Transfer,
    held_blocks,
    nest_uses,
    nests_of,
    tensor_roles,
    transfers_of,
)
from attnsim.families.spatial_array.space import Space, build_space
from attnsim.families.spatial_array.stages import Stage, build_stages
from attnsim.families.spatial_array.sweeps import pass_numbers
from attnsim.specs.loop_nest import LoopNest, Phase
from attnsim.specs.same import Same, recalled
from attnsim.specs.spatial_array import Operation, SpatialArray
from attnsim.workload import Step

Frame = tuple[Hashable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A phase on arrays of known shape: `space` has one iteration of the loop over `fitted` while its size is open."""

    space: Space
    fitted: str | None
    stages: tuple[Stage, ...]
    steps: tuple[tuple[Lane, ...], ...]
    roles: Tensors
    blocks: Mapping[str, Mapping[str, frozenset[str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """An outline with every size: the bytes of each memory's parts, and the transfers before anything spills."""

    space: Space
    parts: Mapping[str, Parts]
    transfers: tuple[Transfer, ...]


_OPERATIONS: dict[Hashable, Hashable] = {}
_OUTLINES: dict[Hashable, Outline | MappingError] = {}
_PARTS: dict[Hashable, Mapping[str, Parts]] = {}
_SIZES: dict[Hashable, int] = {}
_LAYOUTS: dict[Hashable, Layout | MappingError] = {}


def frame_of(hardware: SpatialArray) -> Frame:
    """What outlines, layouts and counts depend on in a hardware: shapes and operations of arrays, order of memories."""
    arrays = tuple((name, tuple(array.shape), _operations(array.ops)) for name, array in hardware.arrays.items())
    return (arrays, tuple(hardware.memories), hardware.word_bits)


def outline_of(step: Step, phase: Phase, mapping: LoopNest, hardware: SpatialArray, frame: Frame) -> Outline:
    """The outline of a phase; raises MappingError for sizes that cannot be."""
    extents = tuple(step.extents.items())
    key = (Same(step.cascade), extents, Same(phase), mapping.compound_ops, mapping.remainder, frame)
    found = recalled(_OUTLINES, key, lambda: _outline(step, phase, mapping, hardware))
    if isinstance(found, MappingError):
        raise MappingError(*found.problems)
    return found


def layout_of(outline: Outline, phase: Phase, hardware: SpatialArray, usable: Mapping[str, int | None]) -> Layout:
    """The layout with the largest fitted part that the memories hold, with 1 if they hold none.

    usable: bytes of each memory. Raises MappingError for values that a later pass reads and nothing keeps.
    """
    size = None if outline.fitted is None else _size(outline, outline.fitted, phase, hardware, usable)
    found = recalled(_LAYOUTS, (Same(outline), size), lambda: _layout(outline, size, phase, hardware))
    if isinstance(found, MappingError):
        raise MappingError(*found.problems)
    return found


def _operations(ops: Mapping[str, Operation]) -> Hashable:
    def listed() -> Hashable:
        return tuple((name, one.cycles, tuple(one.uses.items())) for name, one in ops.items())

    return recalled(_OPERATIONS, Same(ops), listed)


def _outline(step: Step, phase: Phase, mapping: LoopNest, hardware: SpatialArray) -> Outline | MappingError:
    einsums = placed_einsums(step.cascade, phase)
    try:
        pad = mapping.remainder == "pad"
        space, fitted = build_space(step.cascade, einsums, step.extents, phase, hardware, pad=pad)
    except MappingError as error:
        return error
    stages = build_stages(step.cascade, space, phase, mapping, hardware)
    return Outline(
        space=space,
        fitted=fitted,
        stages=stages,
        steps=lanes_of(phase),
        roles=tensor_roles(step.cascade, stages),
        blocks=held_blocks(space, phase),
    )


def _size(outline: Outline, fitted: str, phase: Phase, hardware: SpatialArray, usable: Mapping[str, int | None]) -> int:
    """The largest size with which every memory's demand fits, or 1."""

    def largest() -> int:
        for size in fitted_sizes(outline.space, fitted):
            parts = _parts(outline, sized(outline.space, fitted, size), size, phase, hardware)
            if all(demand.fits for demand in demands_within(parts, usable)):
                return size
        return 1

    return recalled(_SIZES, (Same(outline), *usable.values()), largest)


def _parts(
    outline: Outline, space: Space, size: int | None, phase: Phase, hardware: SpatialArray
) -> Mapping[str, Parts]:
    def made() -> Mapping[str, Parts]:
        return demand_parts(outline.stages, space, phase, outline.roles, outline.blocks, hardware)

    return recalled(_PARTS, (Same(outline), size), made)


def _layout(outline: Outline, size: int | None, phase: Phase, hardware: SpatialArray) -> Layout | MappingError:
    space = outline.space if size is None else sized(outline.space, outline.fitted or "", size)
    stages, roles, blocks = outline.stages, outline.roles, outline.blocks
    try:
        require_passes_possible(stages, space, phase, roles, blocks, hardware)
    except MappingError as error:
        return error
    passes = pass_numbers(stages, space)
    uses = [use for nest in nests_of(stages, space, phase) for use in nest_uses(nest, space, passes)]
    return Layout(
        space=space,
        parts=_parts(outline, space, size, phase, hardware),
        transfers=tuple(transfers_of(uses, space, roles, blocks, hardware)),
    )
