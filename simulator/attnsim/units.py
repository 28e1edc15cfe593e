"""Quantities written with their units, `400 GiB/s`, as SI numbers, and SI numbers as text for people.

From text such as `12512.7 pJ` to a value in SI base units (bytes for data) with its dimension. The units that
hardware is described in stand in one literal table; any other unit name is looked up in pint, which costs half a
second to start and is therefore left alone until somebody writes `12 hp`. Symbols and prefixes after the SI brochure,
9th edition; binary prefixes after IEC 80000-13, so GB is 1e9 bytes and GiB is 2**30.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pint

Dimension = tuple[int, int, int, int, int]
"""Exponents of length, mass, time, current and data (bytes)."""

NUMBER: Dimension = (0, 0, 0, 0, 0)
LENGTH: Dimension = (1, 0, 0, 0, 0)
AREA: Dimension = (2, 0, 0, 0, 0)
MASS: Dimension = (0, 1, 0, 0, 0)
TIME: Dimension = (0, 0, 1, 0, 0)
FREQUENCY: Dimension = (0, 0, -1, 0, 0)
ENERGY: Dimension = (2, 1, -2, 0, 0)
POWER: Dimension = (2, 1, -3, 0, 0)
VOLTAGE: Dimension = (2, 1, -3, -1, 0)
CURRENT: Dimension = (0, 0, 0, 1, 0)
DATA: Dimension = (0, 0, 0, 0, 1)
BANDWIDTH: Dimension = (0, 0, -1, 0, 1)
ENERGY_PER_DATA: Dimension = (2, 1, -2, 0, -1)

DIMENSION_NAMES: dict[Dimension, str] = {
    NUMBER: "a pure number",
    LENGTH: "a length",
    AREA: "an area",
    MASS: "a mass",
    TIME: "a time",
    FREQUENCY: "a frequency",
    ENERGY: "an energy",
    POWER: "a power",
    VOLTAGE: "a voltage",
    CURRENT: "a current",
    DATA: "an amount of data",
    BANDWIDTH: "a bandwidth",
    ENERGY_PER_DATA: "an energy per data",
}

_SI_PREFIXES = {
    "f": 1e-15,
    "p": 1e-12,
    "n": 1e-9,
    "u": 1e-6,
    "µ": 1e-6,
    "m": 1e-3,
    "": 1.0,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
}
_DATA_PREFIXES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15} | {
    f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTP", start=1)
}
_PREFIXED: tuple[tuple[dict[str, float], tuple[str, ...], float, Dimension], ...] = (
    (_SI_PREFIXES | {"c": 1e-2}, ("m",), 1.0, LENGTH),
    (_SI_PREFIXES, ("g",), 1e-3, MASS),
    (_SI_PREFIXES, ("s",), 1.0, TIME),
    (_SI_PREFIXES, ("Hz",), 1.0, FREQUENCY),
    (_SI_PREFIXES, ("J",), 1.0, ENERGY),
    (_SI_PREFIXES, ("W",), 1.0, POWER),
    (_SI_PREFIXES, ("V",), 1.0, VOLTAGE),
    (_SI_PREFIXES, ("A",), 1.0, CURRENT),
    (_DATA_PREFIXES, ("B", "byte", "bytes"), 1.0, DATA),
    (_DATA_PREFIXES, ("bit", "bits", "b"), 0.125, DATA),
)
UNITS: dict[str, tuple[float, Dimension]] = {
    prefix + symbol: (factor * scale, dimension)
    for prefixes, symbols, scale, dimension in _PREFIXED
    for symbol in symbols
    for prefix, factor in prefixes.items()
} | {"min": (60.0, TIME), "h": (3600.0, TIME)}

_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*", re.DOTALL)
_FACTOR = re.compile(r"\s*([*/·]?)\s*(1|[A-Za-zµμΩ]+)\s*(?:(?:\^|\*\*)?\s*(-?[1-9])|([²³]))?")
_SUPERSCRIPTS = {"²": 2, "³": 3}
_LONGEST_TEXT = 80


class UnitError(ValueError):
    """A text that is not a number with a known unit; its message is the reason, without place or remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A value in SI base units (bytes for data) and its dimension."""

    value: float
    dimension: Dimension


@lru_cache(maxsize=16384)
def parse_quantity(text: str) -> Quantity:
    """Read a number followed by a unit such as `MHz`, `GiB/s`, `pJ/bit` or `mm^2`; a missing unit gives a pure number.

    Raises UnitError for anything else, an unknown unit and a value that is not finite included.
    """
    match = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST_TEXT else None
    if match is None:
        raise UnitError("is not a number with a unit")
    factor, dimension = parse_unit(match[2])
    value = float(match[1]) * factor
    if not math.isfinite(value):
        raise UnitError("is too large")
    return Quantity(value=value, dimension=dimension)


def parse_unit(text: str) -> tuple[float, Dimension]:
    """Factor to SI and dimension of a product of units, `pJ/bit` or `kg*m^2`; each `/` divides by one unit only."""
    factor, dimension, position = 1.0, NUMBER, 0
    while position < len(text):
        match = _FACTOR.match(text, position)
        if match is None:
            raise UnitError(f"has no unit that can be read in {text!r}")
        power = int(match[3] or 1) * _SUPERSCRIPTS.get(match[4], 1) * (-1 if match[1] == "/" else 1)
        scale, exponents = _unit(match[2])
        factor *= scale**power
        dimension = _product(dimension, exponents, power)
        position = match.end()
    return factor, dimension


def dimension_name(dimension: Dimension) -> str:
    """Name of a dimension with its article, `a bandwidth`; one without a name is called by its exponents."""
    symbols = ("m", "kg", "s", "A", "byte")
    powers = [f"{s}^{e}" if e != 1 else s for s, e in zip(symbols, dimension, strict=True) if e]
    return DIMENSION_NAMES.get(dimension) or f"a quantity in {' '.join(powers)}"


def in_units(value: float, symbol: str) -> str:
    """Write an SI value for people with the decimal prefix that fits, `in_units(9.4e8, "Hz")` is `940 MHz`."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {symbol}"
    prefixes = sorted((factor, prefix) for prefix, factor in _SI_PREFIXES.items() if prefix != "µ")
    fitting = [(factor, prefix) for factor, prefix in prefixes if factor <= abs(value)] or prefixes[:1]
    factor, prefix = fitting[-1]
    return f"{value / factor:.4g} {prefix}{symbol}"


def in_binary_units(value_bytes: float, symbol: str = "B") -> str:
    """Write bytes for people with the binary prefix that fits, `in_binary_units(2**24)` is `16 MiB`."""
    for power, prefix in reversed(list(enumerate(("", "Ki", "Mi", "Gi", "Ti", "Pi")))):
        if abs(value_bytes) >= 1024.0**power:
            return f"{value_bytes / 1024.0**power:.4g} {prefix}{symbol}"
    return f"{value_bytes:.4g} {symbol}"


def _unit(symbol: str) -> tuple[float, Dimension]:
    if symbol == "1":
        return 1.0, NUMBER
    return UNITS.get(symbol) or _pint_unit(symbol)


def _product(left: Dimension, right: Dimension, power: int) -> Dimension:
    a, b, c, d, e = (x + y * power for x, y in zip(left, right, strict=True))
    return a, b, c, d, e


@cache
def _registry() -> pint.UnitRegistry[float]:
    import pint

    return pint.UnitRegistry()


def _pint_unit(symbol: str) -> tuple[float, Dimension]:
    """Look up a unit that the table lacks; scales with an offset (degrees Celsius) and angles are refused."""
    registry = _registry()
    if not registry.parse_unit_name(symbol):
        raise UnitError(f"has the unknown unit {symbol!r}")
    quantity = registry.Quantity(1.0, symbol)
    base = quantity.to_base_units() if quantity._is_multiplicative else quantity
    powers = {name.strip("[]"): power for name, power in quantity.dimensionality.items()}
    names = ("length", "mass", "time", "current")
    if not quantity._is_multiplicative or not powers or set(powers) - set(names):
        raise UnitError(f"has the unit {symbol!r}, which no part of a spec is measured in")
    exponents = [round(float(str(powers.get(name, 0)))) for name in names]
    return float(base.magnitude), (exponents[0], exponents[1], exponents[2], exponents[3], 0)
