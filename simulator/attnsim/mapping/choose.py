"""Resolve a mapping that only chooses: pick the first choice whose ranges hold the extents, and load the mapping it
names.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

from attnsim.errors import MappingError, Problem
from attnsim.specs.loop_nest import Choice, LoopNest, Phase
from attnsim.specs.mapping import Mapping as MappingSpec
from attnsim.specs.npu_schedule import Schedule
from attnsim.specs.same import Same, recalled

Load = Callable[[str], MappingSpec]
_ADAPTED: dict[Hashable, LoopNest] = {}


def resolve(mapping: MappingSpec, extents: Mapping[str, int], load: Load) -> MappingSpec:
    """The mapping with phases that `mapping` stands for at these extents.

    Raises MappingError when no choice covers the extents.
    """
    if isinstance(mapping, Schedule) or not mapping.choose:
        return mapping
    for choice in mapping.choose:
        if all(_holds(rank, bounds, extents) for rank, bounds in choice.when.items()):
            chosen = load(choice.use)
            return _adapted(_loop_nest(chosen, mapping), choice) if isinstance(choice, Choice) else chosen
    ranges = "; ".join(", ".join(f"{rank}: {bounds}" for rank, bounds in c.when.items()) for c in mapping.choose)
    sizes = ", ".join(
        f"{rank}={extents[rank]}" for rank in sorted({r for c in mapping.choose for r in c.when} & set(extents))
    )
    what = f"mapping {mapping.name} has no choice for {sizes}"
    raise MappingError(Problem(path="choose", what=what, remedy=f"it covers {ranges}"))


def _holds(rank: str, bounds: int | str, extents: Mapping[str, int]) -> bool:
    """Whether the extent of `rank` is the number, or within `low..high` with either end open."""
    extent = extents.get(rank)
    if extent is None:
        return False
    low, dots, high = str(bounds).partition("..")
    try:
        first = int(low) if low else 0
        last = int(high) if high else None
    except ValueError:
        what = f"{bounds!r} is no range"
        raise MappingError(
            Problem(path=f"choose.when.{rank}", what=what, remedy="write a number, low..high, ..high or low..")
        ) from None
    if not dots:
        return extent == first
    return first <= extent and (last is None or extent <= last)


def _loop_nest(chosen: MappingSpec, mapping: MappingSpec) -> LoopNest:
    if isinstance(chosen, LoopNest):
        return chosen
    what = f"mapping {mapping.name} chooses {chosen.name}, which is no loop nest"
    raise MappingError(Problem(path="choose", what=what, remedy="choose between mappings of one hardware family"))


def _adapted(mapping: LoopNest, choice: Choice) -> LoopNest:
    """The chosen mapping with the choice's tile sizes and kept tensors put into its phases."""
    if not choice.set and not choice.keep:
        return mapping

    def adapted() -> LoopNest:
        return mapping.model_copy(update={"phases": [_adapted_phase(phase, choice) for phase in mapping.phases]})

    return recalled(_ADAPTED, (Same(mapping), Same(choice)), adapted)


def _adapted_phase(phase: Phase, choice: Choice) -> Phase:
    tile = {**phase.tile, **{part: size for part, size in choice.set.items() if part in phase.tile}}
    keep = {memory: dict(tensors) for memory, tensors in phase.keep.items()}
    for memory, tensors in choice.keep.items():
        keep[memory] = {**keep.get(memory, {}), **{t: loop for t, loop in tensors.items() if loop in phase.order}}
    return phase.model_copy(update={"tile": tile, "keep": keep})
