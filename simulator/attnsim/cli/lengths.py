"""Lengths, extents and amounts of data on the command line, `16K`, `M0=256`, `16 MiB`, as numbers.

K is 1024 and M is 1024 K, as papers count tokens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from attnsim.errors import AttnSimError, Problem

_LENGTH = re.compile(r"([0-9]{1,15})([KkMm]?)")
_EXTENT = re.compile(r"\s*([A-Z][A-Z0-9]*)\s*=\s*(\S+)\s*")
_FACTORS = {"": 1, "k": 1024, "m": 1024**2}
LONGEST = 2**40


def parse_lengths(text: str, option: str = "--seq-len") -> tuple[int, ...]:
    """Read lengths separated by commas; AttnSimError lists each one that is not a length of at least one token."""
    words = [word.strip() for word in text.split(",")]
    wrong = [problem for word in words if (problem := _problem(word, option))]
    if wrong:
        raise AttnSimError(*wrong)
    return tuple(_value(word) for word in words)


def parse_length(text: str, option: str = "--seq-len") -> int:
    """Read one length; AttnSimError if it is not one."""
    if "," in text:
        what = f"{text!r} is several lengths"
        raise AttnSimError(Problem(path=option, what=what, remedy="give one here; `attnsim compare` takes several"))
    return parse_lengths(text, option)[0]


def parse_extents(texts: Sequence[str] | None) -> dict[str, int]:
    """Read `M0=256` or `P=16K`; AttnSimError lists each text that is no extent."""
    matches = {text: _EXTENT.fullmatch(text) for text in texts or ()}
    remedy = "write the rank in capitals and a number, for example M0=256"
    wrong = [
        Problem(path="--extent", what=f"{t!r} is not an extent", remedy=remedy) for t, m in matches.items() if not m
    ]
    if wrong:
        raise AttnSimError(*wrong)
    return {match[1]: parse_length(match[2], f"--extent {match[1]}") for match in matches.values() if match}


def parse_data(text: str, option: str) -> float:
    """Read an amount of data such as `16 MiB` in bytes; AttnSimError if it is none or not above zero."""
    from attnsim.units import DATA, UnitError, parse_quantity

    remedy = "write a number with its unit, such as 16 bit or 16 MiB"
    try:
        quantity = parse_quantity(text)
    except UnitError as error:
        raise AttnSimError(Problem(path=option, what=f"{text!r} {error}", remedy=remedy)) from None
    if quantity.dimension != DATA or quantity.value <= 0:
        raise AttnSimError(Problem(path=option, what=f"{text!r} is no amount of data", remedy=remedy))
    return quantity.value


def show_length(length: int) -> str:
    """A length as people write it: 16384 is `16K`, 1000 is `1000`."""
    for letter, factor in (("M", 1024**2), ("K", 1024)):
        if length % factor == 0:
            return f"{length // factor}{letter}"
    return str(length)


def _value(word: str) -> int:
    match = _LENGTH.fullmatch(word)
    return int(match[1]) * _FACTORS[match[2].lower()] if match else 0


def _problem(word: str, option: str) -> Problem | None:
    if not _LENGTH.fullmatch(word):
        return Problem(path=option, what=f"{word!r} is not a length", remedy="write a number such as 16384, 16K or 1M")
    if not 1 <= _value(word) <= LONGEST:
        return Problem(path=option, what=f"{word} is out of range", remedy="lengths go from 1 to 2^40")
    return None
