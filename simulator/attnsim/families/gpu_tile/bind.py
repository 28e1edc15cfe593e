"""Bind a workload to a GPU under kernels: Workload x kernels x GPU -> BoundWorkload or Infeasible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attnsim.analysis.ops import count_operations
from attnsim.analysis.presence import domains
from attnsim.analysis.sizes import bind_sizes
from attnsim.errors import MappingError
from attnsim.families.gpu_tile.attention import attention_launches
from attnsim.families.gpu_tile.constants import choose_constants
from attnsim.families.gpu_tile.einsum_launch import StreamRates, moved_words, product_shape, stream_launch
from attnsim.families.gpu_tile.gemm import Reuse, gemm_launch
from attnsim.families.gpu_tile.launch import BoundWorkload, Launch
from attnsim.mapping.infeasible import Infeasible
from attnsim.specs.gpu_tile import DATA_TYPES, GpuTile
from attnsim.specs.kernel import Kernel
from attnsim.specs.mapping import load_mapping
from attnsim.specs.spec import problem_at
from attnsim.workload import Step, Workload

LIBRARY = "gemm_cublas"
# Assumption: what streaming kernels of PyTorch reach; nothing here was fitted.
STREAM_RATES = StreamRates(dram=0.9, l2=0.8, vector=0.5, before_s=2e-6)
_ONE_COPY = Reuse(copies=1.0)


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
    if kernel.attention is not None:
        chosen = choose_constants(kernel, gpu, calibration)
        return attention_launches(step, kernel, gpu, chosen.values)
    if kernel.gemm is not None:
        return (_product(step, kernel, gpu, calibration),)
    return tuple(_einsum_launches(step, kernel, gpu))


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


def _einsum_launches(step: Step, kernel: Kernel, gpu: GpuTile) -> Iterator[Launch]:
    """A launch for each Einsum, in the order of the text; products by the vendor's library."""
    library = load_mapping(LIBRARY)
    assert isinstance(library, Kernel)
    types = library.data_types.model_copy(update={"products": kernel.data_types.products})
    library = library.model_copy(update={"data_types": types})
    constants = choose_constants(library, gpu, None).values
    size = DATA_TYPES[kernel.data_types.products]
    sizes = bind_sizes(step.cascade, step.extents)
    counted = count_operations(step.cascade, sizes, domains(step.cascade, sizes))
    for einsum, done in zip(step.cascade.einsums, counted, strict=True):
        product = product_shape(step.cascade, einsum, sizes.extents)
        if product is not None:
            yield gemm_launch(
                einsum.name, product, step=step.name, kernel=library, gpu=gpu, constants=constants, reuse=_ONE_COPY
            )
            continue
        moved = moved_words(step.cascade, einsum, done, sizes.extents) * size
        yield stream_launch(einsum, done, step=step.name, moved_bytes=moved, gpu=gpu, rates=STREAM_RATES)
