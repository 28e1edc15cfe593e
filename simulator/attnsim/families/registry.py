"""The hardware families, one literal table: family name in a hardware spec -> its implementation.

A family is imported when it is first asked for: that of GPUs brings numba, which takes a quarter of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from attnsim.families.base import Family


def _spatial_array() -> Family:
    from attnsim.families.spatial_array.family import SpatialArrayFamily

    return SpatialArrayFamily()


def _gpu_tile() -> Family:
    from attnsim.families.gpu_tile.family import GpuTileFamily

    return GpuTileFamily()


def _npu_pim() -> Family:
    from attnsim.families.npu_pim.family import NpuPimFamily

    return NpuPimFamily()


class _Families(Mapping[str, Family]):
    """A read-only dict whose values are made at their first use."""

    def __init__(self, makers: Mapping[str, Callable[[], Family]]) -> None:
        self._makers, self._made = makers, dict[str, Family]()

    def __getitem__(self, name: str) -> Family:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


FAMILIES: Mapping[str, Family] = _Families(
    {"spatial_array": _spatial_array, "gpu_tile": _gpu_tile, "npu_pim": _npu_pim},
)
