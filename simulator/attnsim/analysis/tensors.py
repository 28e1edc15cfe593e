"""The tensors of a cascade with their sizes and who reads them, as footprints and traffic need them.

(Cascade, Sizes, operations) -> TensorSize for each tensor. Words are those of present points, over all batch elements.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from attnsim.analysis.ops import EinsumOps
from attnsim.analysis.ranks import leaf_positions
from attnsim.analysis.sizes import Sizes
from attnsim.einsum.ast import Cascade


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSize:
    """One tensor: leaf ranks, words in all, the Einsum that makes it (None for an input) and those that read it."""

    name: str
    ranks: tuple[str, ...]
    words: int
    maker: str | None
    readers: tuple[str, ...]
    is_output: bool


def tensor_sizes(cascade: Cascade, sizes: Sizes, einsums: tuple[EinsumOps, ...]) -> dict[str, TensorSize]:
    """Inputs in declared order, then what the Einsums write."""
    ranks = leaf_positions(cascade)
    words = {tensor.name: _input_words(sizes, tensor.ranks) for tensor in cascade.inputs}
    words = {name: _shared(count, dict(cascade.sparse).get(name)) for name, count in words.items()}
    words |= {einsum.name: einsum.output_words for einsum in einsums}
    makers = {einsum.name for einsum in cascade.einsums}
    return {
        name: TensorSize(
            name=name,
            ranks=ranks[name],
            words=count,
            maker=name if name in makers else None,
            readers=_readers(cascade, name),
            is_output=name in cascade.outputs,
        )
        for name, count in words.items()
    }


def _input_words(sizes: Sizes, ranks: tuple[str, ...]) -> int:
    return sizes.batch * math.prod(sizes.extents[rank] for rank in ranks)


def _shared(words: int, density: float | None) -> int:
    return words if density is None else round(words * density)


def _readers(cascade: Cascade, name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(e.name for e in cascade.einsums if any(a.tensor == name for a in e.inputs)))


def compulsory_words(tensors: Mapping[str, TensorSize]) -> int:
    """Every input that is read and every output once."""
    inputs = (tensor.words for tensor in tensors.values() if tensor.maker is None and tensor.readers)
    return sum(inputs) + sum(tensor.words for tensor in tensors.values() if tensor.is_output and tensor.maker)
