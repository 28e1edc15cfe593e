"""What stays in the buffer in a phase: for each tensor the loop below which its block is kept, or none.

Bytes and traffic of each choice come from the model itself (`families.spatial_array.residency`); choices of all
tensors are merged, and those that another one beats in bytes, seconds of every memory and joules are dropped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import product
from operator import le

from attnsim.einsum.ast import Access, Einsum
from attnsim.explore.mapper_blocks import Block, Sizes, block_of, block_words
from attnsim.explore.mapper_compute import Placement, Work
from attnsim.explore.mapper_moves import Costs, Move, costs_of, moves_of
from attnsim.explore.mapper_nests import Nest, Tile, size_in_tile, trips_of
from attnsim.explore.mapper_setting import Setting
from attnsim.families.spatial_array.capacity import accesses_by_tensor
from attnsim.families.spatial_array.residency import (
    Tensors,
    Use,
    nest_uses,
    nests_of,
    tensor_roles,
)
from attnsim.families.spatial_array.space import Loop, Space, build_space
from attnsim.families.spatial_array.stages import Stage, build_stages
from attnsim.families.spatial_array.sweeps import pass_numbers
from attnsim.specs.loop_nest import LoopNest, Phase
from attnsim.specs.mapping_file import Target

STAGED_TILES = 2
_REGISTER_SHARE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A block of a tensor kept below `loop` (None: it passes through): bytes, and (seconds by memory ..., joules)."""

    tensor: str
    loop: str | None
    held_bytes: float
    costs: Costs


@dataclass(frozen=True, slots=True, kw_only=True)
class Residency:
    """What stays: tensor -> loop. held_bytes: in the buffer; move_s: seconds of the busiest memory; energy_j: of all
    memories; memory_s: seconds by memory. in_place: values that replace each other in one block."""

    keep: Mapping[str, str]
    held_bytes: float
    move_s: float
    energy_j: float
    memory_s: Mapping[str, float]
    in_place: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demanded:
    """What a nest demands whatever its sizes: the loop below which each value has to stay (None: it cannot), chains of
    values that replace each other in one block, the uses of all tensors, and what moves of them by loop."""

    stay: Mapping[str, str] | None
    in_place: tuple[tuple[str, ...], ...]
    uses: tuple[Use, ...]
    moves: dict[tuple[str, str | None], tuple[Move, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A nest as the model sees it, at any sizes: when each Einsum runs, roles of tensors, values that live on.

    phase, stages: of some placement and sizes; their arrays and cycles mean nothing here. memo: what is demanded, by
    the loops that run more than once; again: values of which a tile is read again after a reduction over it, by the
    parts longer than 1; blocks: of tensors below loops.
    """

    nest: Nest
    phase: Phase
    space: Space
    works: Mapping[str, Work]
    stages: tuple[Stage, ...]
    roles: Tensors
    accesses: Mapping[str, Access]
    memo: dict[frozenset[str], Demanded] = field(default_factory=dict)
    again: dict[frozenset[str], tuple[str, ...]] = field(default_factory=dict)
    blocks: dict[tuple[str, str | None], Block] = field(default_factory=dict)


def form_of(setting: Setting, nest: Nest, *, bare: bool = False) -> Form:
    """The form of a nest; sizes of tiles do not matter. bare: without what stages do, for `compulsory` alone."""
    tile = Tile(x0=1, y0=1)
    phase, einsums = _bare_phase(setting, nest, tile), setting.einsums(nest.segment)
    space, _ = build_space(setting.cascade, einsums, setting.step.extents, phase, setting.hardware, pad=True)
    if bare:
        stages = tuple(_idle_stage(einsum) for einsum in einsums)
    else:
        stages = build_stages(setting.cascade, space, phase, setting.assumed, setting.hardware)
    return Form(
        nest=nest,
        phase=phase,
        space=space,
        works={stage.einsum.name: Work(each=stage.each, late=stage.late) for stage in stages},
        stages=stages,
        roles=tensor_roles(setting.cascade, stages),
        accesses=accesses_by_tensor(stages),
    )


def _idle_stage(einsum: Einsum) -> Stage:
    """A stage of which only the Einsum means anything: to build a stage takes most of the time of a form."""
    nothing = Fraction(0)
    return Stage(
        einsum=einsum,
        array="",
        cycles=nothing,
        occupancy=nothing,
        each=frozenset(),
        late=False,
        points=0,
        actions={},
        results=0,
    )


def sizes_of(setting: Setting, form: Form, tile: Tile) -> dict[str, int]:
    """Trips of all loops, and extents of the parts inside the tile."""
    sizes = {part: size_in_tile(setting, form.nest, tile, part) for part in form.space.tile}
    return sizes | trips_of(setting, form.nest, tile)


def space_of(setting: Setting, form: Form, tile: Tile) -> Space:
    """The model's iteration space of a nest with these sizes, without going through a mapping."""
    return _space_with(form, sizes_of(setting, form, tile))


def _space_with(form: Form, sizes: Sizes) -> Space:
    space = form.space
    return replace(
        space,
        loops=tuple(Loop(part=part, trip=sizes[part]) for part in form.nest.order),
        tile={part: sizes[part] for part in space.tile},
        symbols={**space.symbols, **{name: size for name, size in sizes.items() if name in space.symbols}},
    )


def tile_sizes_of(nest: Nest, tile: Tile) -> dict[str, int]:
    """`tile` of a phase: every part that has a size."""
    sizes = dict(nest.sizes)
    if nest.x:
        sizes |= {nest.split[nest.x][1]: tile.x1, nest.split[nest.x][2]: tile.x0}
    return sizes | ({nest.inner_y: tile.y0} if nest.inner_y else {})


def _bare_phase(setting: Setting, nest: Nest, tile: Tile) -> Phase:
    """A phase of these loops; what it leaves out is said, because looking up defaults takes most of the time."""
    place: dict[str, list[str]] = {}
    for einsum in setting.einsums(nest.segment):
        place.setdefault(next(iter(setting.able[einsum.name])), []).append(einsum.name)
    return Phase.model_construct(
        name="trial",
        split={rank: list(parts) for rank, parts in nest.split.items()},
        tile=dict(tile_sizes_of(nest, tile)),
        order=list(nest.order),
        place=place,
        einsums=[],
        spatial={},
        keep={},
        nests=[],
        overlap=[],
        buffers={},
        in_place=[],
        stage={},
        overflow="reject",
        capacity={},
        in_flight=2,
        beside=False,
    )


def stays(setting: Setting, form: Form, tile: Tile, placement: Placement | None, capacity_bytes: float) -> bool:
    """Whether the values that have to stay fit the buffer, with a tile of everything that passes through; without a
    placement those that stay on any arrays."""
    sizes = sizes_of(setting, form, tile)
    held = _held(setting, form, sizes, tile, placement)
    if held is None:
        return False
    behind = _behind(demanded_of(form, sizes))
    left = capacity_bytes - sum(
        _held_bytes(setting, form, sizes, name, loop) for name, loop in held.items() if name not in behind
    )
    if left < 0 or not form.nest.order:
        return left >= 0
    passing = [name for name in form.roles.inputs | form.roles.outputs if name not in held]
    return sum(_held_bytes(setting, form, sizes, name, form.nest.order[-1]) for name in passing) <= left


def residency_of(
    setting: Setting, form: Form, tile: Tile, placement: Placement, capacity_bytes: float
) -> Residency | str:
    """The blocks that move least, then hold the least; else what is too small for what has to stay."""
    sizes = sizes_of(setting, form, tile)
    space = _space_with(form, sizes)
    crowded = _crowded(setting, form, space, placement)
    if crowded:
        return crowded
    held = _held(setting, form, sizes, tile, placement)
    if held is None:
        return setting.memory
    demanded = demanded_of(form, sizes)
    behind = _behind(demanded)
    tensors = [name for name in form.accesses if name in held or name in form.roles.inputs | form.roles.outputs]
    width = len(setting.hardware.memories) + 1
    merged: list[tuple[float, Costs, tuple[Choice, ...]]] = [(0.0, (0.0,) * width, ())]
    distinct = distinct_loops(form, sizes)
    for tensor in tensors:
        loops: Sequence[str | None] = [held[tensor]] if tensor in held else distinct
        choices = [
            Choice(
                tensor=tensor,
                loop=loop,
                held_bytes=_held_bytes(setting, form, sizes, tensor, loop),
                costs=costs_of(
                    moves_below(setting, form, demanded, sizes, tensor, loop), sizes, form.space.symbols, width
                ),
            )
            for loop in loops
        ]
        choices = [replace(choice, held_bytes=0.0) for choice in choices] if tensor in behind else choices
        merged = _merge(merged, _unbeaten(choices), capacity_bytes)
    if not merged:
        return setting.memory
    best = min(merged, key=lambda one: (max(one[1][:-1]), one[1][-1], one[0]))
    return Residency(
        keep={choice.tensor: choice.loop for choice in best[2] if choice.loop is not None},
        held_bytes=best[0],
        move_s=max(best[1][:-1]),
        energy_j=best[1][-1],
        memory_s=dict(zip(setting.hardware.memories, best[1], strict=False)),
        in_place=demanded.in_place,
    )


def _crowded(setting: Setting, form: Form, space: Space, placement: Placement) -> str:
    """The registers that cannot hold the sums that a tile leaves in the PEs until the next one; nothing if all can."""
    for stage in form.stages:
        name = placement.options[stage.einsum.name].array
        array = setting.hardware.arrays[name]
        words = math.prod(space.tile_size(v) for v in stage.einsum.output.variables)
        if words * _REGISTER_SHARE > array.registers.depth * array.pe_count and _stays_in_array(stage, space):
            return f"registers of {name}"
    return ""


def _stays_in_array(stage: Stage, space: Space) -> bool:
    """Whether the innermost loop that runs more than once, of those that an Einsum walks, adds to the same sum."""
    walked = [loop.part for loop in space.loops if loop.trip > 1 and loop.part in stage.each]
    state = stage.einsum.name in space.states
    return bool(walked) and not state and walked[-1] not in space.loops_of(stage.einsum.output.variables)


def _held(setting: Setting, form: Form, sizes: Sizes, tile: Tile, placement: Placement | None) -> dict[str, str] | None:
    """Tensor -> loop for everything that has to stay; None if something cannot."""
    stay = demanded_of(form, sizes).stay
    if stay is None or placement is None:
        return None if stay is None else dict(stay)
    return {**stay, **_waiting(setting, form, tile, placement, stay)}


def demanded_of(form: Form, sizes: Sizes) -> Demanded:
    """What has to stay, and what moves; which loops run more than once decides it."""
    key = frozenset(part for part in form.nest.order if sizes[part] > 1)
    if key not in form.memo:
        space = _space_with(form, sizes)
        groups = nests_of(form.stages, space, form.phase)
        numbers = pass_numbers(form.stages, space)
        stay = _across_passes(form, space, numbers)
        form.memo[key] = Demanded(
            stay=stay,
            in_place=_chains(form, numbers, stay or {}),
            uses=tuple(use for group in groups for use in nest_uses(group, space, numbers)),
        )
    return form.memo[key]


def _chains(form: Form, numbers: Mapping[str, tuple[int, ...]], stay: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """Values that stay at the same loop, each made point by point of the one before after all others have read it."""
    chains: list[tuple[str, ...]] = []
    for stage in form.stages:
        name, indices = stage.einsum.name, stage.einsum.output.indices
        olds = [
            access.tensor
            for access in stage.einsum.inputs
            if access.indices == indices and access.tensor in stay and stay[access.tensor] == stay.get(name)
        ]
        free = [old for old in olds if _is_over(old, stage, form, numbers)]
        if free:
            whole = next((chain for chain in chains if chain[-1] == free[0]), (free[0],))
            chains = [chain for chain in chains if chain != whole] + [(*whole, name)]
    return tuple(chains)


def _is_over(old: str, writer: Stage, form: Form, numbers: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether nobody but the writer reads a value once the writer has begun, and it does not leave the phase."""
    readers = [s.einsum.name for s in form.stages if any(a.tensor == old for a in s.einsum.inputs)]
    name = writer.einsum.name
    earlier = all(
        any(a < b for a, b in zip(numbers[reader], numbers[name], strict=True)) for reader in readers if reader != name
    )
    return earlier and old in form.roles.internal


def _behind(demanded: Demanded) -> frozenset[str]:
    """Values that take no room of their own."""
    return frozenset(name for chain in demanded.in_place for name in chain[1:])


def _across_passes(form: Form, space: Space, numbers: Mapping[str, tuple[int, ...]]) -> dict[str, str] | None:
    """Values that a later pass over a loop reads stay below the loop before it, running states below the loop before
    that of their rank; None if a value would have to stay for the whole phase."""
    order = [loop.part for loop in space.loops]
    depth: dict[str, int] = {}
    reads = [(s, a) for s in form.stages for a in s.einsum.inputs if a.tensor in form.roles.internal]
    for (position, part), (stage, access) in product(enumerate(order), reads):
        varies = part in space.loops_of(access.variables) - space.batch
        if varies and numbers[stage.einsum.name][position] > numbers[access.tensor][position]:
            depth[access.tensor] = min(depth.get(access.tensor, position), position)
    running = [p for v in space.iterative for p in space.parts.get(v, ()) if p in order]
    if running:
        first = min(order.index(part) for part in running)
        depth |= {name: min(depth.get(name, first), first) for name in space.states if name in form.works and first}
    if any(position == 0 for position in depth.values()):
        return None
    return {name: order[position - 1] for name, position in depth.items()}


def _waiting(
    setting: Setting, form: Form, tile: Tile, placement: Placement, forced: Mapping[str, str]
) -> dict[str, str]:
    """Values of which a tile waits for a sum or a maximum over it and which the registers of their array cannot hold
    meanwhile: the tile stays in the buffer."""
    found = {}
    for name in waiting_values(form, setting, tile):
        array = setting.hardware.arrays[placement.options[name].array]
        words = math.prod(
            size_in_tile(setting, form.nest, tile, part)
            for v in setting.cascade.einsum(name).output.variables
            for part in [form.nest.split.get(v.upper(), (v.upper(),))[-1]]
            if part not in form.nest.order
        )
        if name not in forced and words * _REGISTER_SHARE > array.registers.depth * array.pe_count:
            found[name] = form.nest.order[-1]
    return found


def waiting_values(form: Form, setting: Setting, tile: Tile) -> tuple[str, ...]:
    """Tensors that an Einsum of the phase reads together with something reduced from the same tile of them."""
    long = frozenset(part for part in form.space.tile if size_in_tile(setting, form.nest, tile, part) > 1)
    if long not in form.again:
        einsums = {stage.einsum.name: stage.einsum for stage in form.stages}
        form.again[long] = tuple(name for name in einsums if _is_read_again(name, einsums, form, long))
    return form.again[long]


def _is_read_again(name: str, einsums: Mapping[str, Einsum], form: Form, long: frozenset[str]) -> bool:
    inner = {v for v in einsums[name].output.variables if form.space.parts[v][-1] in long}
    readers = [e for e in einsums.values() if any(access.tensor == name for access in e.inputs)]
    after: set[str] = {e.name for e in readers if inner - set(e.output.variables)}
    for _ in einsums:
        after |= {e.name for e in einsums.values() if after & {a.tensor for a in e.inputs}}
    return any(after & {a.tensor for a in e.inputs if a.tensor != name} for e in readers)


def moves_below(
    setting: Setting, form: Form, demanded: Demanded, sizes: Sizes, tensor: str, loop: str | None
) -> tuple[Move, ...]:
    """What moves of a tensor whose block is kept below a loop, or which passes through; the loops that run more than
    once decide it."""
    key = (tensor, loop)
    if key not in demanded.moves:
        uses = [use for use in demanded.uses if use.access.tensor == tensor]
        space, access = _space_with(form, sizes), form.accesses[tensor]
        demanded.moves[key] = moves_of(uses, space, form.roles, access, loop, setting.memory, setting.hardware)
    return demanded.moves[key]


def distinct_loops(form: Form, sizes: Sizes) -> list[str | None]:
    """Loops below which a block may be kept, and None; below a loop of one iteration lies the same block as below the
    loop around it."""
    order = form.nest.order
    return [None, *order[:1], *(loop for loop in order[1:] if sizes[loop] > 1)]


def block_below(form: Form, tensor: str, loop: str | None) -> Block:
    """The block of a tensor below a loop, of one tile inside no loop."""
    block = form.blocks.get((tensor, loop))
    if block is None:
        block = form.blocks[tensor, loop] = block_of(form.space, form.accesses[tensor], form.nest.order, loop)
    return block


def _held_bytes(setting: Setting, form: Form, sizes: Sizes, tensor: str, loop: str | None) -> int:
    """Bytes of a block, or of the tiles in which a tensor passes through."""
    block = block_below(form, tensor, loop)
    copies = 1 if loop is not None else STAGED_TILES
    return copies * round(block_words(block, sizes, form.space.symbols) * setting.hardware.word_bits / 8)


def _unbeaten(choices: Sequence[Choice]) -> list[Choice]:
    """Choices that no other one beats in bytes and costs."""
    kept: list[Choice] = []
    for one in sorted(choices, key=lambda choice: (choice.held_bytes, choice.costs)):
        if not any(_no_worse(other.costs, one.costs) for other in kept):
            kept.append(one)
    return kept


def _merge(
    merged: Sequence[tuple[float, Costs, tuple[Choice, ...]]], choices: Sequence[Choice], capacity_bytes: float
) -> list[tuple[float, Costs, tuple[Choice, ...]]]:
    grown = [
        (size + choice.held_bytes, tuple(a + b for a, b in zip(costs, choice.costs, strict=True)), (*taken, choice))
        for size, costs, taken in merged
        for choice in choices
        if size + choice.held_bytes <= capacity_bytes
    ]
    kept: list[tuple[float, Costs, tuple[Choice, ...]]] = []
    for one in sorted(grown, key=lambda way: way[:2]):
        if not any(other[0] <= one[0] and _no_worse(other[1], one[1]) for other in kept):
            kept.append(one)
    return kept


def _no_worse(first: Costs, second: Costs) -> bool:
    return all(map(le, first, second))


def phase_of(
    setting: Setting,
    form: Form,
    tile: Tile,
    placement: Placement,
    residency: Residency,
    *,
    name: str,
    beside: bool,
    in_flight: int,
) -> Phase:
    """The phase as a mapping file says it."""
    place: dict[str, list[str]] = {}
    for einsum in setting.einsums(form.nest.segment):
        place.setdefault(placement.options[einsum.name].array, []).append(einsum.name)
    names = [name for array in setting.hardware.arrays for name in place.get(array, ())]
    return Phase(
        name=name,
        split={rank: list(parts) for rank, parts in form.nest.split.items()},
        tile=dict(tile_sizes_of(form.nest, tile)),
        order=list(form.nest.order),
        place={array: place[array] for array in setting.hardware.arrays if array in place},
        spatial={name: list(placement.options[name].laid) for name in names},
        keep={setting.memory: dict(residency.keep)} if residency.keep else {},
        in_place=[list(chain) for chain in residency.in_place],
        stage={setting.memory: STAGED_TILES},
        in_flight=in_flight,
        beside=beside,
    )


def mapping_of(
    setting: Setting, phases: Sequence[Phase], target: Target, *, name: str, title: str, source: str
) -> LoopNest:
    """A mapping of these phases under the assumptions of the search."""
    assumed = setting.assumed
    return LoopNest(
        name=name,
        title=title,
        source=source,
        target=target,
        compound_ops=assumed.compound_ops,
        fill_drain=assumed.fill_drain,
        register_file_energy=assumed.register_file_energy,
        remainder="pad",
        phases=list(phases),
    )
