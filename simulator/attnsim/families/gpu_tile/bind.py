"""Bind a workload to a GPU under kernels: Workload x kernels x GPU -> BoundWorkload or Infeasible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attnsim.analysis.ops import count_operations
from attnsim.analysis.presence import domains
from attnsim.analysis.sizes import bind_sizes
from attnsim.families.gpu_tile.attention import attention_launches
from attnsim.families.gpu_tile.constants import choose_constants
from attnsim.families.gpu_tile.einsum_launch import StreamRates, moved_words, product_shape, stream_launch
from attnsim.families.gpu_tile.gemm import gemm_launch
from attnsim.families.gpu_tile.launch import BoundWorkload, Launch
from attnsim.mapping.infeasible import Infeasible
from attnsim.specs.gpu_tile import DATA_TYPES, GpuTile
from attnsim.specs.kernel import Kernel
from attnsim.workload import Step, Workload


def bind(
    workload: Workload, gpu: GpuTile, kernels: Mapping[str, Kernel], calibration: str | None
) -> BoundWorkload | Infeasible:
    """Bind every step with the kernel of its cascade; `kernels` is keyed by step name.

    calibration: path of a file of constants for the attention kernel, instead of the shipped one.
    """
    launches: list[Launch] = []
    for step in workload.steps:
        found = _step_launches(step, kernels[step.name], gpu, calibration)
        if isinstance(found, Infeasible):
            return found
        launches += found
    return BoundWorkload(hardware=gpu, launches=tuple(launches))


def _step_launches(
    step: Step, kernel: Kernel, gpu: GpuTile, calibration: str | None
) -> tuple[Launch, ...] | Infeasible:
    if kernel.attention is None:
        return tuple(_einsum_launches(step, gpu))
    chosen = choose_constants(kernel, gpu, calibration)
    return attention_launches(step, kernel, gpu, chosen.values)


def _einsum_launches(step: Step, gpu: GpuTile) -> Iterator[Launch]:
    """A launch for each Einsum, in the order of the text."""
    rates = StreamRates(dram=0.9, l2=0.8, vector=0.5, before_s=2e-6)
    data_type = "bf16"
    sizes = bind_sizes(step.cascade, step.extents)
    counted = count_operations(step.cascade, sizes, domains(step.cascade, sizes))
    for einsum, done in zip(step.cascade.einsums, counted, strict=True):
        product = product_shape(step.cascade, einsum, sizes.extents)
        if product is not None:
            yield gemm_launch(einsum.name, product, step=step.name, data_type=data_type, gpu=gpu, rates=rates)
            continue
        moved = moved_words(step.cascade, einsum, done, sizes.extents) * DATA_TYPES[data_type]
        yield stream_launch(einsum, done, step=step.name, moved_bytes=moved, gpu=gpu, rates=rates)
