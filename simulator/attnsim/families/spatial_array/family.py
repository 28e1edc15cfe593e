"""The spatial-array family behind the common contract of families."""

from __future__ import annotations

from collections.abc import Mapping

from attnsim.einsum.ast import Cascade
from attnsim.engine.phases import ProgramPhase
from attnsim.families.base import Assumptions, Bound
from attnsim.families.spatial_array.account import account
from attnsim.families.spatial_array.auto import default_mapping
from attnsim.families.spatial_array.bind import bind
from attnsim.families.spatial_array.bound import BoundWorkload
from attnsim.families.spatial_array.lower import lower
from attnsim.families.spatial_array.resources import LATENCY
from attnsim.mapping.infeasible import Infeasible
from attnsim.metrics import Accounting
from attnsim.specs.hardware import Hardware
from attnsim.specs.mapping import Mapping as MappingSpec
from attnsim.workload import Workload


class SpatialArrayFamily:
    """Bind, lower and account for spatial arrays; without state."""

    delays = frozenset({LATENCY})

    def bind(
        self, workload: Workload, hardware: Hardware, mappings: Mapping[str, MappingSpec], assumptions: Assumptions
    ) -> BoundWorkload | Infeasible:
        """Bind a workload; `mappings` is keyed by step name."""
        return bind(workload, hardware, mappings, fill_drain=assumptions.fill_drain)

    def lower(self, bound: Bound) -> tuple[ProgramPhase, ...]:
        """Programs of the phases in order."""
        assert isinstance(bound, BoundWorkload)
        return lower(bound)

    def account(self, bound: Bound, assumptions: Assumptions) -> Accounting:
        """Exact counts of a bound workload."""
        assert isinstance(bound, BoundWorkload)
        return account(bound, assumptions)

    def default_mapping(
        self, cascade: Cascade, hardware: Hardware, extents: Mapping[str, int], *, resident: bool
    ) -> MappingSpec:
        """One Einsum after another, each on the array that computes it best; fused where a rank is iterative."""
        return default_mapping(cascade, hardware, extents, resident=resident)
