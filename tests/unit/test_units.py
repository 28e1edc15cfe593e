"""Quantities with units: what is read, what is refused, and agreement of the unit table with pint."""

from __future__ import annotations

import warnings

import pint
import pytest

from attnsim import units
from attnsim.units import UNITS, Dimension, UnitError, in_binary_units, in_units, parse_quantity

READABLE = [
    ("940 MHz", 940e6, units.FREQUENCY),
    ("940MHz", 940e6, units.FREQUENCY),
    ("1.5e-3 s", 1.5e-3, units.TIME),
    ("400 GiB/s", 400 * 2**30, units.BANDWIDTH),
    ("400 GB/s", 400e9, units.BANDWIDTH),
    ("25 Gbit/s", 25e9 / 8, units.BANDWIDTH),
    ("16 bit", 2.0, units.DATA),
    ("3.9 pJ/bit", 3.9e-12 * 8, units.ENERGY_PER_DATA),
    ("84.2 mm^2", 84.2e-6, units.AREA),
    ("84.2 mm2", 84.2e-6, units.AREA),
    ("84.2 mm²", 84.2e-6, units.AREA),
    ("84.2 mm**2", 84.2e-6, units.AREA),
    ("3 kg*m^2/s^2", 3.0, units.ENERGY),
    ("2 1/s", 2.0, units.FREQUENCY),
    ("-3 s", -3.0, units.TIME),
    ("7", 7.0, units.NUMBER),
    ("1 hp", 745.6998715822702, units.POWER),  # mechanical horsepower: 550 foot pounds per second
]


@pytest.mark.parametrize(("text", "value", "dimension"), READABLE)
def test_a_quantity_is_read_in_si_units(text: str, value: float, dimension: Dimension) -> None:
    quantity = parse_quantity(text)
    assert quantity.value == pytest.approx(value, rel=1e-12)
    assert quantity.dimension == dimension


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a number with a unit"),
        ("MHz", "not a number with a unit"),
        ("12 parsnips", "unknown unit 'parsnips'"),
        ("16 mib", "unknown unit 'mib'"),
        ("20 degC", "no part of a spec is measured in"),
        ("3 radian", "no part of a spec is measured in"),
        ("3 m^2^2", "no unit that can be read"),
        ("3 m @ s", "no unit that can be read"),
        ("1e400 s", "too large"),
        ("9" * 100 + " s", "not a number with a unit"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(UnitError, match=reason):
        parse_quantity(text)


def test_a_gigabyte_is_not_a_gibibyte() -> None:
    assert parse_quantity("1 GiB").value / parse_quantity("1 GB").value == 2**30 / 1e9


def test_the_unit_table_agrees_with_pint() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        registry: pint.UnitRegistry[float] = pint.UnitRegistry()
    # pint reads B as byte, b and kb as barn, and counts data in bits without a dimension.
    spelled = {symbol: symbol.removesuffix("b") + "bit" if symbol.endswith("b") else symbol for symbol in UNITS}
    disagreeing = []
    for symbol, (factor, dimension) in UNITS.items():
        base = registry.Quantity(1.0, spelled[symbol])
        theirs = base.to("byte").magnitude if dimension == units.DATA else base.to_base_units().magnitude
        scale = 1e-3 if dimension == units.MASS and base.to_base_units().units == registry.gram else 1.0
        if theirs * scale != pytest.approx(factor, rel=1e-12):
            disagreeing.append((symbol, factor, theirs))
    assert disagreeing == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (in_units(9.4e8, "Hz"), "940 MHz"),
        (in_units(0.0, "J"), "0 J"),
        (in_units(1.5e-7, "s"), "150 ns"),
        (in_units(3e-20, "J"), "3e-05 fJ"),
        (in_units(-2.5e4, "W"), "-25 kW"),
        (in_binary_units(2**24), "16 MiB"),
        (in_binary_units(400 * 2**30, "B/s"), "400 GiB/s"),
        (in_binary_units(0), "0 B"),
    ],
)
def test_values_are_written_for_people_with_a_fitting_prefix(text: str, expected: str) -> None:
    assert text == expected


def test_a_dimension_without_a_name_is_called_by_its_exponents() -> None:
    assert units.dimension_name((-1, 0, 2, 0, 0)) == "a quantity in m^-1 s^2"
