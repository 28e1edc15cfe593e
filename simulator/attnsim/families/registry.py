"""The hardware families, one literal table: family name in a hardware spec -> its implementation."""

from __future__ import annotations

from attnsim.families.base import Family
from attnsim.families.gpu_tile.family import GpuTileFamily
from attnsim.families.npu_pim.family import NpuPimFamily
from attnsim.families.spatial_array.family import SpatialArrayFamily

FAMILIES: dict[str, Family] = {
    "spatial_array": SpatialArrayFamily(),
    "gpu_tile": GpuTileFamily(),
    "npu_pim": NpuPimFamily(),
}
