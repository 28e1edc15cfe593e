"""Ranges as specs write them: `low..high` with either end open, or a single number."""

from __future__ import annotations

import math
import re

_RANGE = re.compile(r"(\d*)\.\.(\d*)|(\d+)")


def is_range(text: str) -> bool:
    """Whether a text is a range."""
    return _RANGE.fullmatch(text) is not None


def in_range(value: int, text: str) -> bool:
    """Whether a number lies in a range, both ends included."""
    match = _RANGE.fullmatch(text)
    if match is None:
        return False
    low, high, single = match.groups()
    if single is not None:
        return value == int(single)
    return (not low or value >= int(low)) and (not high or value <= int(high))


def bounds(text: str) -> tuple[float, float]:
    """The two ends of a range, both included; an open end is infinite."""
    match = _RANGE.fullmatch(text)
    assert match is not None, text
    low, high, single = match.groups()
    if single is not None:
        return float(single), float(single)
    return (float(low) if low else -math.inf), (float(high) if high else math.inf)
