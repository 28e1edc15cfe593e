"""Quantity fields of specs: the SI value of good text, and what is said about bad values."""

from __future__ import annotations

import pytest

from attnsim.errors import SpecError
from attnsim.specs.load import load_text
from attnsim.specs.quantity import (
    Bits,
    Bytes,
    BytesPerSecond,
    Hertz,
    Joule,
    JoulePerByte,
    Second,
    SquareMetre,
    Watt,
)
from attnsim.specs.spec import FileSpec


class Sheet(FileSpec):
    clock: Hertz = 1.0
    time: Second = 1.0
    capacity: Bytes = 1.0
    word: Bits = 16
    bandwidth: BytesPerSecond = 1.0
    energy: Joule = 1.0
    per_byte: JoulePerByte = 1.0
    area: SquareMetre = 1.0
    power: Watt = 1.0


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("clock", "940 MHz", 940e6),
        ("time", "1.5 us", 1.5e-6),
        ("time", "0 s", 0.0),
        ("capacity", "16 MiB", 2**24),
        ("capacity", "12 bit", 1.5),
        ("word", "16 bit", 16),
        ("word", "2 byte", 16),
        ("bandwidth", "400 GiB/s", 400 * 2**30),
        ("energy", "3.9 pJ", 3.9e-12),
        ("energy", "0 pJ", 0.0),
        ("per_byte", "3.9 pJ/bit", 31.2e-12),
        ("area", "84.2 mm^2", 84.2e-6),
        ("power", "0.35 kW", 350.0),
    ],
)
def test_text_with_a_unit_becomes_a_number_in_si_units(key: str, text: str, value: float) -> None:
    assert getattr(load_text(f"{key}: {text}", Sheet), key) == pytest.approx(value, rel=1e-12)


def test_a_word_is_a_whole_number_of_bits() -> None:
    assert type(load_text("word: 16 bit", Sheet).word) is int


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "bandwidth: 5 mm",
            "bandwidth: 5 mm is a length, expected a bandwidth; write a bandwidth with its unit, for example 400 GiB/s",
        ),
        ("capacity: 3 J", "3 J is an energy, expected an amount of data"),
        ("clock: 940", "940 has no unit; write a frequency with its unit, for example 940 MHz"),
        ("clock: '940'", "940 has no unit; write a frequency with its unit, for example 940 MHz"),
        ("clock: 1e9", "1000000000.0 has no unit"),
        ("clock: true", "expected a frequency"),
        ("clock: [1 Hz]", "expected a frequency"),
        ("clock: null", "expected a frequency"),
        ("clock: 1 GHZ", "1 GHZ has the unknown unit 'GHZ'; did you mean GHz?"),
        ("capacity: 16 GIB", "did you mean GiB or Gib?"),
        ("clock: fast", "fast is not a number with a unit"),
        ("capacity: 0 MiB", "0 MiB must be greater than zero"),
        ("capacity: -1 MiB", "-1 MiB must be greater than zero"),
        ("energy: -1 pJ", "-1 pJ must not be negative"),
        ("word: 3.5 bit", "3.5 bit is not a whole number"),
        ("capacity: 1e999 MiB", "is too large"),
    ],
)
def test_a_bad_quantity_is_refused_with_what_to_write(line: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_text(line, Sheet, "f.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("f.yaml:1: ")
