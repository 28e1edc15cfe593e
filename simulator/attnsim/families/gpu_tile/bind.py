"""Bind a workload to a GPU under kernels: Workload x kernels x GPU -> BoundWorkload or Infeasible."""

from __future__ import annotations

from collections.abc import Mapping

from attnsim.analysis.sizes import bind_sizes
from attnsim.components.collectives import Collective
from attnsim.components.products import product_shape
from attnsim.errors import MappingError
from attnsim.families.gpu_tile.attention import attention_launches
from attnsim.families.gpu_tile.constant_vector import with_constants
from attnsim.families.gpu_tile.constants import choose_constants
from attnsim.families.gpu_tile.gemm import Reuse, gemm_launch
from attnsim.families.gpu_tile.launch import BoundWorkload, Launch
from attnsim.families.gpu_tile.summing import summed
from attnsim.families.gpu_tile.unfused import unfused_launches
from attnsim.mapping.infeasible import Infeasible
from attnsim.specs.gpu_tile import GpuTile
from attnsim.specs.kernel import Kernel
from attnsim.specs.spec import problem_at
from attnsim.workload import Step, Workload

WARM, NOT_WARM = "warm", 1e-9


def bind(
    workload: Workload, gpu: GpuTile, kernels: Mapping[str, Kernel], calibration: str | None, *, cold: bool = False
) -> BoundWorkload | Infeasible:
    """Bind every step with the kernel of its cascade; `kernels` is keyed by step name.

    calibration: path of a file of constants for the attention kernel, instead of the shipped one. cold: attention finds
    no keys and values of an earlier run in the L2; weights of products come from DRAM in any case.
    """
    launches: list[Launch] = []
    sums: dict[str, Collective] = {}
    for step in workload.steps:
        found = _step_launches(step, kernels[step.name], gpu, calibration, cold=cold)
        if isinstance(found, Infeasible):
            return found
        launches += found
        added = summed(step, gpu)
        if added is not None:
            sums[step.name] = added
    return BoundWorkload(hardware=gpu, launches=tuple(launches), sums=sums)


def _step_launches(
    step: Step, kernel: Kernel, gpu: GpuTile, calibration: str | None, *, cold: bool
) -> tuple[Launch, ...] | Infeasible:
    if kernel.attention is not None:
        chosen = choose_constants(kernel, gpu, calibration)
        values = with_constants(chosen.values, {WARM: NOT_WARM}) if cold else chosen.values
        return attention_launches(step, kernel, gpu, values)
    if kernel.gemm is not None:
        return (_product(step, kernel, gpu, calibration),)
    return tuple(unfused_launches(step, kernel, gpu))


def _product(step: Step, kernel: Kernel, gpu: GpuTile, calibration: str | None) -> Launch:
    """The single product of a step, with weights that come from DRAM."""
    constants = choose_constants(kernel, gpu, calibration).values
    sizes = bind_sizes(step.cascade, step.extents)
    products = [product_shape(step.cascade, einsum, sizes.extents) for einsum in step.cascade.einsums]
    shape = products[0] if len(products) == 1 else None
    if shape is None:
        what = f"{step.cascade.name} is no single product of two tensors"
        raise MappingError(problem_at(kernel, "for.cascade", what, "use --mapping pytorch, which runs any cascade"))
    name = step.cascade.einsums[0].name
    return gemm_launch(name, shape, step=step.name, kernel=kernel, gpu=gpu, constants=constants, reuse=Reuse())
