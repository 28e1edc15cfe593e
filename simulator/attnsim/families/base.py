"""What every hardware family offers: bind, lower, account. One literal table in `registry.py` lists the families."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from attnsim.engine.phases import ProgramPhase
from attnsim.errors import MappingError
from attnsim.mapping.infeasible import Infeasible
from attnsim.metrics import Accounting, Trust
from attnsim.specs.hardware import Hardware
from attnsim.specs.mapping import Mapping as MappingSpec
from attnsim.specs.spec import problem_at
from attnsim.workload import Step, Workload

Own = TypeVar("Own", bound=MappingSpec)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """Switches. fill_drain: `ideal` or `modeled`. register_files: energy of `artifact` (one PE) or `full`.

    calibration: path of a file with the constants of a kernel, instead of the shipped ones. cold: nothing of an earlier
    run is in the caches, as between the layers of a model; kernels are measured in repeated runs, which find some.
    """

    fill_drain: str = "ideal"
    register_files: str = "full"
    calibration: str | None = None
    cold: bool = False


class Bound:
    """What a family's `bind` gives and only that family can read."""

    __slots__ = ()


class Family(Protocol):
    """The contract of a hardware family.

    delays: engine resources that stand for latency, not for hardware. takes_requests: whether `bind` looks at the
    requests of a workload; a family that does not never sees any whose keys differ.
    """

    delays: frozenset[str]
    takes_requests: bool

    def bind(
        self, workload: Workload, hardware: Hardware, mappings: Mapping[str, MappingSpec], assumptions: Assumptions, /
    ) -> Bound | Infeasible:
        """Bind a workload; `mappings` is keyed by step name."""

    def lower(self, bound: Bound, /) -> tuple[ProgramPhase, ...]:
        """Programs of the phases in order."""

    def account(self, bound: Bound, assumptions: Assumptions, /) -> Accounting:
        """Exact counts of a bound workload."""

    def trust(
        self, hardware: Hardware, mappings: Mapping[str, MappingSpec], assumptions: Assumptions, /
    ) -> tuple[Trust, ...]:
        """What is known of the error of each step, by its mapping; nothing where no measurement is."""

    def default_mapping(self, step: Step, hardware: Hardware, /) -> MappingSpec:
        """A mapping for any cascade that the hardware can compute, when the user names none."""


def own_mappings(mappings: Mapping[str, MappingSpec], own: type[Own], what: str, remedy: str) -> dict[str, Own]:
    """The mappings of a family, by step; MappingError names those that are written for another one.

    what: what the hardware is, as the message begins; remedy: what to name instead.
    """
    mine: dict[str, Own] = {step: mapping for step, mapping in mappings.items() if isinstance(mapping, own)}
    strangers = [mapping for step, mapping in mappings.items() if step not in mine]
    if strangers:
        raise MappingError(
            *(
                problem_at(other, "family", f"{what}, and this mapping is written for {other.family}", remedy)
                for other in strangers
            )
        )
    return mine
