"""Markdown for pages: tables, and numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

LEFT = "left"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> str:
    """A table whose first `left` columns are aligned to the left and the others to the right."""
    rule = ["---" if place < left else "---:" for place in range(len(headings))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, rule, *rows))


def percent(fraction: float, digits: int = 3) -> str:
    """A fraction in percent with significant digits, `98.6 %`."""
    return f"{fraction * 100:.{digits}g} %"


def error(value: float) -> str:
    """A relative error with its sign, `-0.21 %`, or 0."""
    return f"{value * 100:+.2g} %" if value else "0"


def short(value: float, digits: int = 4) -> str:
    """A number with significant digits and without exponent, `10.05`, `0.7675`, `21905`."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{places}f}"


def tokens(count: float) -> str:
    """A length as papers write it, `16K`, `1M`, with K = 1024."""
    return f"{count / 2**20:g}M" if count >= 2**20 else f"{count / 1024:g}K"


def spread(lengths: Sequence[float]) -> str:
    """Neighbouring lengths as a range, `1K to 64K`."""
    return tokens(lengths[0]) if len(lengths) == 1 else f"{tokens(lengths[0])} to {tokens(lengths[-1])}"


def sentence(text: str) -> str:
    """A text with a capital letter and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
