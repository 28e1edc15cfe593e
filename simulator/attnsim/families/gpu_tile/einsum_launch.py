"""Einsums as kernels of their own, as PyTorch runs them without fusion: products as GEMMs, everything else as a stream.

Einsums x extents -> Launch. Products go to the library of the vendor. Any other Einsum, or a few that a framework has
one kernel for, reads what it takes from outside and writes what others need once, with its operations spread over all
SMs. A framework without masks in its products computes what a mask leaves out too, and goes over the result once more.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from attnsim.analysis.ops import EinsumOps
from attnsim.einsum.ast import Cascade, Einsum
from attnsim.families.gpu_tile.fused import pipe_operations
from attnsim.families.gpu_tile.launch import Activity, Launch
from attnsim.specs.gpu_tile import GpuTile

_THREADS = 256
_ELEMENTS_PER_THREAD = 4
_RESIDENT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRates:
    """What a streaming kernel reaches: shares of DRAM, L2 and vector rate; seconds before it starts."""

    dram: float
    l2: float
    vector: float
    before_s: float


def grouped(cascade: Cascade, together: Sequence[Sequence[str]]) -> Iterator[tuple[Einsum, ...]]:
    """Einsums in the order of the text, those of a group in `together` as one where all of them follow one another."""
    left = list(cascade.einsums)
    while left:
        names = [einsum.name for einsum in left]
        size = next((len(group) for group in together if names[: len(group)] == list(group)), 1)
        yield tuple(left[:size])
        left = left[size:]


def without_masks(cascade: Cascade) -> Cascade:
    """The cascade as it is computed by kernels that know no masks: at every point."""
    return replace(cascade, einsums=tuple(replace(einsum, conditions=()) for einsum in cascade.einsums))


def operations_of(done: Sequence[EinsumOps]) -> Mapping[str, int]:
    """Operations by class of a few Einsums together."""
    total: Counter[str] = Counter()
    for one in done:
        total.update(one.operations)
    return total


def stream_launch(
    name: str, operations: Mapping[str, int], *, step: str, moved_bytes: float, gpu: GpuTile, rates: StreamRates
) -> Launch:
    """A kernel that moves each byte from outside and each that others need once; what fits the L2 stays there."""
    fp32, mufu = _pipe_totals(operations)
    points = max(operations.values(), default=0)
    ctas = max(1, math.ceil(points / (_THREADS * _ELEMENTS_PER_THREAD)))
    cycles = (fp32 / gpu.fp32_per_cycle + mufu / gpu.exp_per_cycle) / rates.vector
    return Launch(
        step=step,
        name=name,
        works_s=np.full(1, cycles / ctas / gpu.clock_hz),
        repeats=ctas,
        slots=_RESIDENT,
        share=1.0,
        activity=Activity(
            fp32_ops=fp32,
            mufu_ops=mufu,
            l2_bytes=moved_bytes,
            dram_bytes=moved_bytes if moved_bytes > gpu.l2.capacity_bytes else 0.0,
        ),
        l2_bytes_per_s=rates.l2 * gpu.l2.bandwidth_bytes_per_s,
        dram_bytes_per_s=rates.dram * gpu.dram.bandwidth_bytes_per_s,
        before_s=rates.before_s,
    )


def _pipe_totals(operations: Mapping[str, int]) -> tuple[float, float]:
    """FP32 and MUFU instructions of operations by class; a product that feeds a sum is one FP32 instruction."""
    pipes = [(pipe_operations(kind), count) for kind, count in operations.items()]
    return (
        float(sum(fp32 * count for (_, fp32), count in pipes)),
        float(sum(mufu * count for (mufu, _), count in pipes)),
    )


def moved_words(
    cascade: Cascade, einsums: Sequence[Einsum], done: Sequence[EinsumOps], extents: Mapping[str, int]
) -> int:
    """Words that a few Einsums in one kernel read from outside, each operand once, and write for others."""
    batch = math.prod(extents[rank] for rank in cascade.batch)
    made = {einsum.name for einsum in einsums}
    operands = {access.tensor: access for einsum in einsums for access in einsum.inputs if access.tensor not in made}
    read = [math.prod(extents[v.upper()] for v in dict.fromkeys(a.variables)) for a in operands.values()]
    others = [einsum for einsum in cascade.einsums if einsum.name not in made]
    needed = {access.tensor for einsum in others for access in einsum.inputs} | set(cascade.outputs)
    written = [one.output_words for one in done if one.name in needed or len(done) == 1]
    return batch * sum(read) + sum(written)
