"""Specs put together from single overrides are the specs read with all of them."""

from __future__ import annotations

import pytest

from attnsim.specs.hardware import load_hardware
from attnsim.specs.merge import changed, merged
from attnsim.specs.overrides import parse_override

OVERRIDES = {
    "fusemax": (
        "arrays.array_2d.shape=[64, 32]",
        "arrays.array_2d.shape.1=16",
        "memories.global_buffer.capacity=3 MiB",
        "memories.dram.bandwidth=123 GB/s",
        "clock=1.1 GHz",
        "notes=other",
        "arrays.array_2d.shape=[8, 8]",
    ),
    "h100_sxm": ("sms=64", "l2.capacity=20 MiB", "tensor.mma.bf16=512", "clock=1.1 GHz", "price_usd_per_hour=3.5"),
    "attacc": ("memory.channels=16", "clock=1.1 GHz", "memory.timing.rcd=12 ns"),
}


@pytest.mark.parametrize(("name", "texts"), OVERRIDES.items())
def test_values_from_single_overrides_make_the_hardware_of_all(name: str, texts: tuple[str, ...]) -> None:
    overrides = [parse_override(text) for text in texts]
    base = load_hardware(name)
    before = base.model_dump()
    changes = [(one.path, load_hardware(name, [one])) for one in overrides]
    assert merged(base, changes) == load_hardware(name, overrides)
    assert base.model_dump() == before


def test_a_path_through_another_kind_of_value_is_refused() -> None:
    base = load_hardware("fusemax")
    override = parse_override("arrays.array_2d.shape=[64, 32]")
    assert merged(base, [(("clock", "unit"), load_hardware("fusemax", [override]))]) is None
    assert merged(base, [(("nothing",), load_hardware("fusemax", [override]))]) is None


MORE = {
    "fusemax": (
        "memories.global_buffer.area=3 mm^2",
        "memories.global_buffer.area.exponent=0.5",
        "memories.global_buffer.bandwidth=3 TB/s",
        "arrays.array_2d.ops.exp.cycles=3",
        "arrays.array_2d.units.mac={energy: 3 pJ}",
    ),
    "h100_sxm": ("dram.bandwidth=3 TB/s", "exp_per_cycle=32", "die_area=500 mm^2"),
    "neupims": ("memory.channels=16", "memory.capacity=16 GiB"),
}


@pytest.mark.parametrize("name", [*OVERRIDES, "neupims"])
def test_a_field_that_is_read_alone_is_that_of_the_whole_file(name: str) -> None:
    base = load_hardware(name)
    for text in (*OVERRIDES.get(name, ()), *MORE.get(name, ())):
        override = parse_override(text)
        assert changed(base, override) == load_hardware(name, [override]), text


@pytest.mark.parametrize(
    "text",
    [
        "clock=3",
        "clok=1 GHz",
        "arrays.array_3d.shape=[3]",
        "arrays.array_2d.shape.7=3",
        "arrays.array_2d.shape=[0]",
        "memories.global_buffer.area.exponent=9",
        "memories.global_buffer.read={value: 3 pJ}",
        "clock.unit=3",
    ],
)
def test_a_wrong_value_is_left_to_whoever_reads_the_whole_file(text: str) -> None:
    assert changed(load_hardware("fusemax"), parse_override(text)) is None
