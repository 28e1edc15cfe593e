"""The GPU family behind the common contract of families."""

from __future__ import annotations

from collections.abc import Mapping

from attnsim.components.collectives import waits_for
from attnsim.engine.phases import ProgramPhase
from attnsim.families.base import Assumptions, Bound, own_mappings
from attnsim.families.gpu_tile.account import account
from attnsim.families.gpu_tile.bind import bind
from attnsim.families.gpu_tile.constants import kernel_trust
from attnsim.families.gpu_tile.launch import BoundWorkload
from attnsim.families.gpu_tile.lower import lower
from attnsim.families.gpu_tile.summing import LINK
from attnsim.families.gpu_tile.unfused import LIBRARY
from attnsim.mapping.infeasible import Infeasible
from attnsim.metrics import Accounting, Trust
from attnsim.specs.gpu_tile import GpuTile
from attnsim.specs.hardware import Hardware
from attnsim.specs.kernel import Kernel
from attnsim.specs.mapping import Mapping as MappingSpec
from attnsim.specs.mapping import load_mapping
from attnsim.workload import Step, Workload

UNFUSED = "pytorch"


class GpuTileFamily:
    """Bind, lower and account for GPUs; without state."""

    delays: frozenset[str] = frozenset({"launch", waits_for(LINK)})
    takes_requests = False

    def bind(
        self, workload: Workload, hardware: Hardware, mappings: Mapping[str, MappingSpec], assumptions: Assumptions
    ) -> BoundWorkload | Infeasible:
        """Bind a workload; `mappings` is keyed by step name."""
        assert isinstance(hardware, GpuTile)
        return bind(workload, hardware, _kernels(mappings, hardware), assumptions.calibration, cold=assumptions.cold)

    def lower(self, bound: Bound) -> tuple[ProgramPhase, ...]:
        """A phase for each launch and each all-reduce."""
        assert isinstance(bound, BoundWorkload)
        return lower(bound)

    def account(self, bound: Bound, _assumptions: Assumptions) -> Accounting:
        """Exact counts of a bound workload."""
        assert isinstance(bound, BoundWorkload)
        return account(bound)

    def trust(
        self, hardware: Hardware, mappings: Mapping[str, MappingSpec], assumptions: Assumptions
    ) -> tuple[Trust, ...]:
        """The error of each step's kernel on held-out rows of this GPU."""
        assert isinstance(hardware, GpuTile)
        kernels = _kernels(mappings, hardware)
        return tuple(kernel_trust(step, kernels[step], hardware, assumptions.calibration) for step in kernels)

    def default_mapping(self, step: Step, _hardware: Hardware) -> MappingSpec:
        """A matrix product by the vendor's library, anything else by one kernel for each Einsum."""
        return load_mapping(LIBRARY if step.cascade.name == "gemm" else UNFUSED)


def _kernels(mappings: Mapping[str, MappingSpec], hardware: GpuTile) -> dict[str, Kernel]:
    """The mappings as kernels; MappingError names those that are written for another family."""
    remedy = "name a kernel of GPUs, or leave --mapping out"
    return own_mappings(mappings, Kernel, f"{hardware.name} is a GPU", remedy)
