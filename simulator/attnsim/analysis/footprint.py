"""Live footprints: which tensors have to be kept over a whole fiber because two sweeps over a rank need them.

(Passes, tensors) -> Crossing for each tensor and rank. Einsums of one sweep over a rank can be fused: what they hand
each other needs room for a tile of the rank only. A tensor touched in one sweep and again in a later one has to be kept
over the full fiber, be spilled, or, for an input, be read again (FuseMax, MICRO 2024, section III: the pass bound).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from attnsim.analysis.passes import Passes
from attnsim.analysis.presence import Domains, Presence, longest_fiber
from attnsim.analysis.ranks import leaf_ranks
from attnsim.analysis.sizes import Sizes
from attnsim.analysis.tensors import TensorSize
from attnsim.einsum.ast import Cascade


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """A tensor that several sweeps over `rank` touch: `sweeps` lists them; one full fiber of it has `fiber_words`."""

    tensor: str
    rank: str
    is_input: bool
    sweeps: tuple[int, ...]
    fiber_words: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """The least that is live between the sweeps over a rank, for each setting of the other ranks."""

    rank: str
    sweeps: int
    crossings: tuple[Crossing, ...]
    live_words: int


def footprints(
    cascade: Cascade, sizes: Sizes, present: Domains, passes: Mapping[str, Passes], tensors: Mapping[str, TensorSize]
) -> dict[str, Footprint]:
    """Footprint of each rank that takes more than one sweep."""
    found = {}
    for rank, counted in passes.items():
        sweeps = late_sweeps(counted, tensors)
        crossings = _crossings(cascade, sizes, present, rank, sweeps, tensors)
        if crossings:
            last = max(sweeps.values())
            live = max(_held_after(crossings, boundary) for boundary in range(1, last))
            found[rank] = Footprint(rank=rank, sweeps=last, crossings=crossings, live_words=live)
    return found


def late_sweeps(counted: Passes, tensors: Mapping[str, TensorSize]) -> dict[str, int]:
    """Sweep by Einsum, with each Einsum moved into the first sweep that needs its result along the rank."""
    sweeps = dict(counted.sweep)
    for name in reversed(list(tensors)):
        readers = [sweeps[reader] for reader in tensors[name].readers if reader in sweeps and reader != name]
        if name in sweeps and name in counted.keeps and readers and len(readers) == len(tensors[name].readers):
            sweeps[name] = max(sweeps[name], min(readers))
    return sweeps


def _crossings(
    cascade: Cascade,
    sizes: Sizes,
    present: Domains,
    rank: str,
    sweeps: Mapping[str, int],
    tensors: Mapping[str, TensorSize],
) -> tuple[Crossing, ...]:
    leaves = leaf_ranks(cascade, rank)
    carrying = (tensor for tensor in tensors.values() if set(leaves) <= set(tensor.ranks))
    found = (
        Crossing(
            tensor=tensor.name,
            rank=rank,
            is_input=tensor.maker is None,
            sweeps=touched,
            fiber_words=longest_fiber(sizes, present.tensors.get(tensor.name, Presence()), rank),
        )
        for tensor in carrying
        if len(touched := _touched(tensor, sweeps)) > 1
    )
    return tuple(found)


def _touched(tensor: TensorSize, sweeps: Mapping[str, int]) -> tuple[int, ...]:
    users = [*tensor.readers, *([tensor.maker] if tensor.maker else [])]
    return tuple(sorted({sweeps[user] for user in users if user in sweeps}))


def _held_after(crossings: tuple[Crossing, ...], boundary: int) -> int:
    """Words of the fibers that are live between two sweeps; inputs count, they would otherwise be read again."""
    return sum(c.fiber_words for c in crossings if c.sweeps[0] <= boundary < c.sweeps[-1])
