"""Quantity types for spec fields: text with a unit in the file, a float in SI units in the program.

`clock: 940 MHz` becomes 9.4e8, `capacity: 16 MiB` becomes 16777216.0 bytes, `word: 16 bit` becomes 16 bits. A bare
number, a unit of another dimension, a negative size are refused with what to write instead.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from attnsim import units
from attnsim.specs.spec import invalid
from attnsim.units import Dimension, UnitError, parse_quantity

_JSON_PATTERN = r"^\s*\+?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*[^\s\d].*$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Marks a field as a quantity of one dimension; `example` is shown to whoever wrote something else.

    `zero` allows the value 0; `scale` counts the SI value in other steps (8 for bits of a byte) and `whole` rounds
    it to an integer, refusing fractions.
    """

    dimension: Dimension
    example: str
    zero: bool = False
    scale: float = 1.0
    whole: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate with `read_quantity` in place of the checks of a plain number."""
        return core_schema.no_info_plain_validator_function(lambda value: read_quantity(value, self))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe the text form, which is what an editor sees."""
        name = units.dimension_name(self.dimension)
        return {
            "type": "string",
            "pattern": _JSON_PATTERN,
            "description": f"{name} with its unit, for example {self.example}",
            "examples": [self.example],
        }


def read_quantity(value: object, kind: Measured) -> float | int:
    """SI value of a quantity written as text; raises the error of a spec validator when it is not one of `kind`."""
    wanted = units.dimension_name(kind.dimension)
    remedy = f"write {wanted} with its unit, for example {kind.example}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise invalid(f"{value} has no unit", remedy)
    if not isinstance(value, str):
        raise invalid(f"expected {wanted}", remedy)
    try:
        quantity = parse_quantity(value)
    except UnitError as error:
        raise invalid(f"{_shown(value)} {error}", _similar_unit(value) or remedy) from None
    if quantity.dimension == units.NUMBER != kind.dimension:
        raise invalid(f"{_shown(value)} has no unit", remedy)
    if quantity.dimension != kind.dimension:
        raise invalid(f"{_shown(value)} is {units.dimension_name(quantity.dimension)}, expected {wanted}", remedy)
    return _counted(value, quantity.value, kind)


def _counted(text: str, value: float, kind: Measured) -> float | int:
    if value < 0 or (value == 0 and not kind.zero):
        least = "not be negative" if kind.zero else "be greater than zero"
        raise invalid(f"{_shown(text)} must {least}", f"for example {kind.example}")
    scaled = value * kind.scale
    if not kind.whole:
        return scaled
    if scaled != round(scaled):
        raise invalid(f"{_shown(text)} is not a whole number", f"for example {kind.example}")
    return round(scaled)


def _similar_unit(text: str) -> str:
    symbol = re.search(r"[^\W\d_]+", text)
    if symbol is None or not re.match(r"\s*[-+.\d]", text):
        return ""
    spelled = [unit for unit in units.UNITS if unit.lower() == symbol[0].lower()]
    close = spelled or difflib.get_close_matches(symbol[0], units.UNITS, n=1, cutoff=0.7)
    return f"did you mean {' or '.join(sorted(close))}?" if close else ""


def _shown(text: str) -> str:
    return text if len(text) <= 40 and text.isprintable() and text.strip() else repr(text[:40])


Hertz = Annotated[float, Measured(dimension=units.FREQUENCY, example="940 MHz")]
"""A frequency above zero, in hertz."""
Second = Annotated[float, Measured(dimension=units.TIME, example="1.5 us", zero=True)]
"""A time, zero allowed, in seconds."""
Bytes = Annotated[float, Measured(dimension=units.DATA, example="16 MiB")]
"""An amount of data above zero, in bytes."""
Bits = Annotated[int, Measured(dimension=units.DATA, example="16 bit", scale=8.0, whole=True)]
"""A whole number of bits above zero."""
BytesPerSecond = Annotated[float, Measured(dimension=units.BANDWIDTH, example="400 GiB/s")]
"""A bandwidth above zero, in bytes per second."""
Joule = Annotated[float, Measured(dimension=units.ENERGY, example="3.9 pJ", zero=True)]
"""An energy, zero allowed, in joules."""
JoulePerByte = Annotated[float, Measured(dimension=units.ENERGY_PER_DATA, example="3.9 pJ/bit", zero=True)]
"""An energy per amount of data, zero allowed, in joules per byte."""
SquareMetre = Annotated[float, Measured(dimension=units.AREA, example="84.2 mm^2", zero=True)]
"""An area, zero allowed, in square metres."""
Watt = Annotated[float, Measured(dimension=units.POWER, example="350 W", zero=True)]
"""A power, zero allowed, in watts."""
