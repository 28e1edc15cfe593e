"""The spatial-array family behind the common contract of families."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from attnsim.engine.phases import ProgramPhase
from attnsim.families.base import Assumptions, Bound, own_mappings
from attnsim.families.spatial_array.account import account
from attnsim.families.spatial_array.auto import default_mapping
from attnsim.families.spatial_array.bind import bind
from attnsim.families.spatial_array.bound import BoundWorkload
from attnsim.families.spatial_array.lower import lower
from attnsim.families.spatial_array.outline import frame_of
from attnsim.families.spatial_array.resources import LATENCY
from attnsim.mapping.infeasible import Infeasible
from attnsim.metrics import Accounting, Trust
from attnsim.specs.hardware import Hardware
from attnsim.specs.loop_nest import LoopNest
from attnsim.specs.mapping import Mapping as MappingSpec
from attnsim.specs.same import Same, recalled
from attnsim.specs.spatial_array import SpatialArray
from attnsim.workload import Step, Workload


class SpatialArrayFamily:
    """Bind, lower and account for spatial arrays; without state."""

    delays = frozenset({LATENCY})
    takes_requests = False

    def bind(
        self, workload: Workload, hardware: Hardware, mappings: Mapping[str, MappingSpec], assumptions: Assumptions
    ) -> BoundWorkload | Infeasible:
        """Bind a workload; `mappings` is keyed by step name."""
        assert isinstance(hardware, SpatialArray)
        return bind(workload, hardware, _loop_nests(mappings, hardware), fill_drain=assumptions.fill_drain)

    def lower(self, bound: Bound) -> tuple[ProgramPhase, ...]:
        """Programs of the phases in order."""
        assert isinstance(bound, BoundWorkload)
        return lower(bound)

    def account(self, bound: Bound, assumptions: Assumptions) -> Accounting:
        """Exact counts of a bound workload."""
        assert isinstance(bound, BoundWorkload)
        return account(bound, assumptions)

    def trust(
        self, _hardware: Hardware, _mappings: Mapping[str, MappingSpec], _assumptions: Assumptions
    ) -> tuple[Trust, ...]:
        """Nothing: no spatial array was measured."""
        return ()

    def default_mapping(self, step: Step, hardware: Hardware) -> LoopNest:
        """One Einsum after another, each on the array that computes it best; fused where a rank is iterative.

        Operands are resident if that fits, else streamed.
        """
        assert isinstance(hardware, SpatialArray)
        resident = _default_mapping(step, hardware, resident=True)
        trial = self.bind(Workload(label="", steps=(step,)), hardware, {step.name: resident}, Assumptions())
        return resident if not isinstance(trial, Infeasible) else _default_mapping(step, hardware, resident=False)


_DEFAULTS: dict[Hashable, LoopNest] = {}


def _default_mapping(step: Step, hardware: SpatialArray, *, resident: bool) -> LoopNest:
    """`default_mapping`, remembered: it depends on no rate and no capacity."""
    extents = tuple(step.extents.items())
    key = (Same(step.cascade), extents, hardware.name, frame_of(hardware), resident)
    return recalled(_DEFAULTS, key, lambda: default_mapping(step.cascade, hardware, step.extents, resident=resident))


def _loop_nests(mappings: Mapping[str, MappingSpec], hardware: SpatialArray) -> dict[str, LoopNest]:
    """The mappings as loop nests; MappingError names those that are written for another family."""
    remedy = "name a mapping of spatial arrays, or leave --mapping out"
    return own_mappings(mappings, LoopNest, f"{hardware.name} is a spatial array", remedy)
