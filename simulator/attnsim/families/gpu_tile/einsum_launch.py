"""One Einsum as one kernel, as PyTorch runs it without fusion: products as GEMMs, everything else as a stream.

Einsum x extents -> Launch. A product is a batch of matrix products: ranks of its first operand alone are rows, of the
second alone columns, of both batch. Any other Einsum reads its operands and writes its result once, with its operations
spread over all SMs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from attnsim.analysis.ops import EinsumOps
from attnsim.components.operations import point_operations
from attnsim.einsum.ast import Cascade, Einsum
from attnsim.families.gpu_tile.fused import pipe_operations
from attnsim.families.gpu_tile.launch import Activity, Launch
from attnsim.specs.gpu_tile import GpuTile

_THREADS = 256
_ELEMENTS_PER_THREAD = 4
_RESIDENT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class GemmShape:
    """A batch of matrix products Z[m,n] = sum of A[m,k] B[k,n]."""

    batch: int
    m: int
    n: int
    k: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRates:
    """What a streaming kernel reaches: shares of DRAM, L2 and vector rate; seconds before it starts."""

    dram: float
    l2: float
    vector: float
    before_s: float


def product_shape(cascade: Cascade, einsum: Einsum, extents: Mapping[str, int]) -> GemmShape | None:
    """The matrix products that an Einsum is; None when it is no product of two tensors that feeds a sum."""
    if point_operations(einsum)[:1] != ("mac",) or len(einsum.inputs) != 2:
        return None
    first, second = (set(access.variables) for access in einsum.inputs)
    written, summed = set(einsum.output.variables), set(einsum.reduced_ranks)

    def size(variables: set[str]) -> int:
        return math.prod(extents[v.upper()] for v in variables)

    return GemmShape(
        batch=math.prod(extents[rank] for rank in cascade.batch) * size((first & second) - summed),
        m=size((first - second) & written),
        n=size((second - first) & written),
        k=size(summed),
    )


def stream_launch(
    einsum: Einsum, done: EinsumOps, *, step: str, moved_bytes: float, gpu: GpuTile, rates: StreamRates
) -> Launch:
    """A kernel that moves each byte of its operands and its result once; what fits the L2 stays there."""
    fp32, mufu = _pipe_totals(done.operations)
    ctas = max(1, math.ceil(done.points / (_THREADS * _ELEMENTS_PER_THREAD)))
    cycles = (fp32 / gpu.fp32_per_cycle + mufu / gpu.exp_per_cycle) / rates.vector
    return Launch(
        step=step,
        name=einsum.name,
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
        einsums=(einsum.name,),
    )


def _pipe_totals(operations: Mapping[str, int]) -> tuple[float, float]:
    """FP32 and MUFU instructions of operations by class; a product that feeds a sum is one FP32 instruction."""
    pipes = [(pipe_operations(kind), count) for kind, count in operations.items()]
    return (
        float(sum(fp32 * count for (_, fp32), count in pipes)),
        float(sum(mufu * count for (mufu, _), count in pipes)),
    )


def moved_words(cascade: Cascade, einsum: Einsum, done: EinsumOps, extents: Mapping[str, int]) -> int:
    """Words that an Einsum reads, each operand once, and writes."""
    batch = math.prod(extents[rank] for rank in cascade.batch)
    operands = {access.tensor: access for access in einsum.inputs}
    read = [math.prod(extents[v.upper()] for v in dict.fromkeys(a.variables)) for a in operands.values()]
    return batch * sum(read) + done.output_words
