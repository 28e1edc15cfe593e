"""What every hardware family offers: bind, lower, account. One literal table in `registry.py` lists the families."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from attnsim.engine.phases import ProgramPhase
from attnsim.mapping.infeasible import Infeasible
from attnsim.metrics import Accounting, Trust
from attnsim.specs.hardware import Hardware
from attnsim.specs.mapping import Mapping as MappingSpec
from attnsim.workload import Step, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """Switches. fill_drain: `ideal` or `modeled`. register_files: energy of `artifact` (one PE) or `full`.

    calibration: path of a file with the constants of a kernel, instead of the shipped ones.
    """

    fill_drain: str = "ideal"
    register_files: str = "full"
    calibration: str | None = None


class Bound:
    """What a family's `bind` gives and only that family can read."""

    __slots__ = ()


class Family(Protocol):
    """The contract of a hardware family. `delays` names engine resources that stand for latency, not for hardware."""

    delays: frozenset[str]

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
