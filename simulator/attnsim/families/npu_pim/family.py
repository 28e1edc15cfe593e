"""The family of NPUs with PIM behind the common contract of families."""

from __future__ import annotations

from collections.abc import Mapping

from attnsim.engine.phases import ProgramPhase
from attnsim.families.base import Assumptions, Bound, own_mappings
from attnsim.families.npu_pim.account import account
from attnsim.families.npu_pim.bind import bind
from attnsim.families.npu_pim.bound import BoundWorkload
from attnsim.families.npu_pim.lower import lower
from attnsim.families.npu_pim.resources import LATENCY
from attnsim.mapping.infeasible import Infeasible
from attnsim.metrics import Accounting, Trust
from attnsim.specs.hardware import Hardware
from attnsim.specs.mapping import Mapping as MappingSpec
from attnsim.specs.mapping import load_mapping
from attnsim.specs.npu_pim import NpuPim
from attnsim.specs.npu_schedule import Schedule
from attnsim.workload import Step, Workload

ALONE, BLOCKED, BESIDE = "npu_only", "blocked", "concurrent"


class NpuPimFamily:
    """Bind, lower and account for NPUs with PIM; without state."""

    delays = frozenset({LATENCY})
    takes_requests = True

    def bind(
        self, workload: Workload, hardware: Hardware, mappings: Mapping[str, MappingSpec], _assumptions: Assumptions
    ) -> BoundWorkload | Infeasible:
        """Bind a workload; `mappings` is keyed by step name."""
        assert isinstance(hardware, NpuPim)
        remedy = f"name {ALONE}, {BESIDE} or another mapping of NPUs with PIM, or leave --mapping out"
        own = own_mappings(mappings, Schedule, f"{hardware.name} is an NPU with PIM", remedy)
        return bind(workload, hardware, own)

    def lower(self, bound: Bound) -> tuple[ProgramPhase, ...]:
        """Programs of the phases in order."""
        assert isinstance(bound, BoundWorkload)
        return lower(bound)

    def account(self, bound: Bound, _assumptions: Assumptions) -> Accounting:
        """Exact counts of a bound workload."""
        assert isinstance(bound, BoundWorkload)
        return account(bound)

    def trust(
        self, hardware: Hardware, mappings: Mapping[str, MappingSpec], _assumptions: Assumptions
    ) -> tuple[Trust, ...]:
        """That no such device was measured, and with what else its runs were compared."""
        assert isinstance(hardware, NpuPim)
        other = f"; compared with a simulator of it: attnsim validate {hardware.compared}" if hardware.compared else ""
        return tuple(
            Trust(step=step, mapping=mapping.name, mape=None, median=None, rows=0, note=f"not measured{other}")
            for step, mapping in mappings.items()
        )

    def default_mapping(self, _step: Step, hardware: Hardware) -> MappingSpec:
        """The device's own, else attention in the banks with all row buffers that they have, or on an NPU alone."""
        assert isinstance(hardware, NpuPim)
        if hardware.default_mapping is not None:
            return load_mapping(hardware.default_mapping)
        if hardware.pim is None:
            return load_mapping(ALONE)
        return load_mapping(BESIDE if hardware.pim.row_buffers > 1 else BLOCKED)
