"""Energies and areas of memories that grow with their capacity."""

from __future__ import annotations

import pytest

from attnsim.pipeline import Request, Run, simulate
from attnsim.specs.hardware import load_hardware
from attnsim.specs.overrides import parse_override
from attnsim.specs.spatial_array import Memory, SpatialArray

BUFFER = "memories.global_buffer"


def buffer_of(*overrides: str) -> Memory:
    hardware = load_hardware("fusemax", [parse_override(text) for text in overrides])
    assert isinstance(hardware, SpatialArray)
    return hardware.memories["global_buffer"]


def test_the_values_of_the_file_hold_at_its_capacity() -> None:
    own = buffer_of()
    assert (own.read_j, own.write_j, own.area_m2) == pytest.approx((12512.7e-12, 15751.4e-12, 84.2012e-6), rel=1e-15)


def test_another_capacity_has_other_energies_and_another_area() -> None:
    small, large = buffer_of(f"{BUFFER}.capacity=256 KiB"), buffer_of(f"{BUFFER}.capacity=16 MiB")
    share = 1 / 64
    assert small.read_j == large.read_j * share**0.931
    assert small.write_j == large.write_j * share**0.931
    assert large.area_m2 is not None
    assert small.area_m2 == large.area_m2 * share**0.883


def test_the_area_comes_near_the_published_one_of_256_kib() -> None:
    published = load_hardware("fusemax_256")
    assert isinstance(published, SpatialArray)
    own, known = buffer_of(f"{BUFFER}.capacity=256 KiB").area_m2, published.memories["global_buffer"].area_m2
    assert own is not None
    assert known is not None
    assert abs(own / known - 1) < 0.005


def test_a_single_value_holds_at_any_capacity() -> None:
    fixed = buffer_of(f"{BUFFER}.capacity=1 MiB", f"{BUFFER}.area=5 mm^2")
    assert fixed.area_m2 == pytest.approx(5e-6, rel=1e-15)


def test_a_run_counts_the_energy_and_the_area_of_its_own_buffer() -> None:
    small, large = (area_and_energy(f"hardware.{BUFFER}.capacity={size}") for size in ("4 MiB", "16 MiB"))
    assert small[0] < large[0]
    assert small[1] < large[1]


def area_and_energy(override: str) -> tuple[float, float]:
    run = simulate(Request(hardware="fusemax", model="bert", seq_len=4096, mapping="binding", overrides=(override,)))
    assert isinstance(run, Run)
    area = run.metrics.area_m2["global_buffer"]
    assert area is not None
    return area, run.metrics.energy_j["global_buffer"]
