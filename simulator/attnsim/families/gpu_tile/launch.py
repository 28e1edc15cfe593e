"""What binding gives on a GPU: kernel launches in order, each a grid of CTAs with the data that it moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from attnsim.components.collectives import Collective
from attnsim.families.base import Bound
from attnsim.specs.gpu_tile import GpuTile

Works = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What a launch does, as counts: FLOPs of tensor cores by data type, other operations, bytes by level."""

    tensor_flops: Mapping[str, float] = field(default_factory=dict)
    fp32_ops: float = 0.0
    mufu_ops: float = 0.0
    shared_bytes: float = 0.0
    l2_bytes: float = 0.0
    dram_bytes: float = 0.0
    useful_flops: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One kernel launch. `works_s` are the CTAs of one copy in order of dispatch, in seconds that each takes alone on
    an SM.

    slots: CTAs that an SM holds. share: how many of them it runs at full speed at once. repeats, grouped, exposed: as
    in `attnsim.engine.grid.GridProgram`. l2_bytes_per_s, dram_bytes_per_s: what the launch reaches of the two.
    """

    step: str
    name: str
    works_s: Works
    repeats: int
    slots: int
    share: float
    activity: Activity
    l2_bytes_per_s: float
    dram_bytes_per_s: float
    grouped: bool = False
    exposed: float = 0.0
    before_s: float = 0.0
    einsums: tuple[str, ...] = ()

    @property
    def ctas(self) -> int:
        """CTAs in the grid."""
        return len(self.works_s) * self.repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundWorkload(Bound):
    """A workload on a GPU: its launches in order, and the all-reduces that follow the last launch of some steps."""

    hardware: GpuTile
    launches: tuple[Launch, ...]
    sums: Mapping[str, Collective] = field(default_factory=dict)
