"""A cascade without fusion: a launch for each Einsum, as a framework runs it that knows products and streams.

Step x Kernel x GPU -> Launches in the order of the text. Products go to the vendor's library; it finds its operands in
another layout, so that some tensors are copied first, and it knows no masks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from attnsim.analysis.ops import EinsumOps, count_operations
from attnsim.analysis.presence import domains
from attnsim.analysis.sizes import Sizes, bind_sizes
from attnsim.components.products import product_shape
from attnsim.einsum.ast import Cascade, Einsum
from attnsim.einsum.shapes import tensor_ranks
from attnsim.families.gpu_tile.constants import choose_constants
from attnsim.families.gpu_tile.einsum_launch import (
    StreamRates,
    grouped,
    moved_words,
    operations_of,
    stream_launch,
    without_masks,
)
from attnsim.families.gpu_tile.gemm import Reuse, gemm_launch
from attnsim.families.gpu_tile.launch import Launch
from attnsim.specs.gpu_tile import DATA_TYPES, GpuTile
from attnsim.specs.kernel import EinsumLaunches, Kernel
from attnsim.specs.mapping import load_mapping
from attnsim.workload import Step

LIBRARY = "gemm_cublas"
# Assumption: what streaming kernels reach of L2 and vector units, and how long after the one before they start.
_RATES = StreamRates(dram=0.9, l2=0.8, vector=0.5, before_s=2e-6)
_ONE_COPY = Reuse(copies=1.0)


def unfused_launches(step: Step, kernel: Kernel, gpu: GpuTile) -> Iterator[Launch]:
    """Launches of a step. Raises MappingError if the GPU does not multiply the kernel's data type."""
    (launch,) = kernel.launches
    assert isinstance(launch, EinsumLaunches)
    run = _prepared(step, kernel, launch, gpu)
    copied = set(launch.copied)
    for einsums in grouped(run.cascade, launch.together):
        read = {access.tensor for einsum in einsums for access in einsum.inputs}
        for tensor in sorted(copied & read):
            yield run.copy(tensor)
        copied -= read
        if len(einsums) == 1 and run.is_product(einsums[0]):
            yield from run.product(einsums[0])
        else:
            yield run.stream(einsums)
        for tensor in sorted(copied & {einsum.name for einsum in einsums}):
            yield run.copy(tensor)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unfused:
    """A step as it is computed: its cascade, operations of each Einsum, and its useful FLOPs, without what masks leave
    out; Einsums whose masks are kernels of their own.
    """

    step: str
    cascade: Cascade
    sizes: Sizes
    counted: Mapping[str, EinsumOps]
    useful: Mapping[str, int]
    masked: frozenset[str]
    launch: EinsumLaunches
    library: Kernel
    word_bytes: float
    gpu: GpuTile

    def is_product(self, einsum: Einsum) -> bool:
        return product_shape(self.cascade, einsum, self.sizes.extents) is not None

    def product(self, einsum: Einsum) -> Iterator[Launch]:
        """A product, and the kernel that adds its mask: to all of the result, from a mask that the batch shares."""
        shape = product_shape(self.cascade, einsum, self.sizes.extents)
        assert shape is not None
        constants = choose_constants(self.library, self.gpu, None).values
        made = gemm_launch(
            einsum.name,
            shape,
            step=self.step,
            kernel=self.library,
            gpu=self.gpu,
            constants=constants,
            reuse=_ONE_COPY,
        )
        yield replace(made, activity=replace(made.activity, useful_flops=float(self.useful[einsum.name])))
        if einsum.name in self.masked:
            words = self.counted[einsum.name].output_words
            moved = 2 * words + words // self.sizes.batch
            yield self._moves(f"{einsum.name} mask", {"add": words}, moved, share=self.launch.mask)

    def stream(self, einsums: tuple[Einsum, ...]) -> Launch:
        """Einsums that are no product, in one kernel."""
        done = [self.counted[einsum.name] for einsum in einsums]
        moved = moved_words(self.cascade, einsums, done, self.sizes.extents)
        names = tuple(einsum.name for einsum in einsums)
        made = self._moves("+".join(names), operations_of(done), moved, share=self.launch.stream)
        return replace(made, einsums=names)

    def copy(self, tensor: str) -> Launch:
        """A tensor brought from one layout into another: read and written once."""
        words = self.sizes.batch * math.prod(self.sizes.extents[rank] for rank in tensor_ranks(self.cascade)[tensor])
        return self._moves(f"{tensor} copy", {"copy": words}, 2 * words, share=self.launch.copy_rate)

    def _moves(self, name: str, operations: Mapping[str, int], words: int, *, share: float) -> Launch:
        rates = replace(_RATES, dram=share)
        moved = words * self.word_bytes
        return stream_launch(name, operations, step=self.step, moved_bytes=moved, gpu=self.gpu, rates=rates)


def _prepared(step: Step, kernel: Kernel, launch: EinsumLaunches, gpu: GpuTile) -> _Unfused:
    sizes = bind_sizes(step.cascade, step.extents)
    cascade = without_masks(step.cascade) if launch.dense else step.cascade
    needed = count_operations(step.cascade, sizes, domains(step.cascade, sizes))
    masked = [einsum.name for einsum in step.cascade.einsums if einsum.conditions and launch.dense]
    return _Unfused(
        step=step.name,
        cascade=cascade,
        sizes=sizes,
        counted={one.name: one for one in count_operations(cascade, sizes, domains(cascade, sizes))},
        useful={one.name: one.flops for one in needed},
        masked=frozenset(masked),
        launch=launch,
        library=_library(kernel),
        word_bytes=DATA_TYPES[kernel.data_types.products],
        gpu=gpu,
    )


def _library(kernel: Kernel) -> Kernel:
    """The vendor's products in the kernel's data type."""
    library = load_mapping(LIBRARY)
    assert isinstance(library, Kernel)
    types = library.data_types.model_copy(update={"products": kernel.data_types.products})
    return library.model_copy(update={"data_types": types})
