"""The forms of trace files with arrival times: what their columns are called, and in which unit the times are.

Times become whole nanoseconds, which is exact for what public traces hold; numbers become whole numbers of tokens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from attnsim.specs.trace import MOST_TOKENS

Clock = Literal["date", "s", "ms"]
NS_PER: dict[Clock, int] = {"s": 10**9, "ms": 10**6}
LATEST_S = 9e9
"""Latest time that is read, in seconds; what lies between the first and the last has to be shorter."""

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Names of the three columns of a form, and how its times are written: a date with a time of day, or a number."""

    time: str
    prompt: str
    generated: str
    clock: Clock

    @property
    def columns(self) -> tuple[str, str, str]:
        """Time, prompt tokens, generated tokens."""
        return self.time, self.prompt, self.generated


FORMS = (
    Form(time="arrival_s", prompt="prompt_tokens", generated="generated_tokens", clock="s"),
    Form(time="TIMESTAMP", prompt="ContextTokens", generated="GeneratedTokens", clock="date"),
    Form(time="arrived_at", prompt="num_prefill_tokens", generated="num_decode_tokens", clock="s"),
    Form(time="timestamp", prompt="input_length", generated="output_length", clock="ms"),
)
"""Own names; Azure LLM inference traces; Vidur (arXiv 2405.05465), as its Splitwise traces; Mooncake (Kimi)."""


def form_of(names: Sequence[str]) -> Form | None:
    """The first form all of whose columns are among the names."""
    return next((form for form in FORMS if set(form.columns) <= set(names)), None)


def no_form(names: Sequence[str]) -> tuple[str, str]:
    """What is wrong with the names of columns that are of no form, and what to do."""
    nearest = max(FORMS, key=lambda form: len(set(form.columns) & set(names)))
    missing = [repr(name) for name in nearest.columns if name not in names]
    what = f"there is no column {missing[0]}" if len(missing) == 1 else f"there are no columns {', '.join(missing)}"
    return what, f"known: {' or '.join(','.join(form.columns) for form in FORMS)}"


_DATE = re.compile(r"\s*((?:19|20)\d\d-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,9})?)(?:\+00(?::?00)?|Z)?\s*")
REMEDY: dict[Clock, str] = {
    "date": "write a date and time of day in UTC, as 2023-11-16 18:15:46.6805900",
    "s": "write seconds, at least 0",
    "ms": "write milliseconds, at least 0",
}
TOKENS_REMEDY = "write a whole number from 1 to 2^40"


def nanoseconds(values: Sequence[object], clock: Clock) -> Counts:
    """Times as a file has them, text or numbers, as whole nanoseconds; ValueError if one of them is no time.

    Dates count from 1970, numbers from their own zero and are not negative.
    """
    if clock == "date":
        matched = [_DATE.fullmatch(value) if isinstance(value, str) else None for value in values]
        texts = [found[1] for found in matched if found]
        if len(texts) < len(values):
            raise ValueError
        return np.array(texts, dtype="datetime64[ns]").astype(np.int64)
    times = numbers(values)
    if not (times >= 0).all() or not (times <= LATEST_S * NS_PER["s"] / NS_PER[clock]).all():
        raise ValueError
    whole = np.floor(times)
    rest = np.rint((times - whole) * NS_PER[clock])
    return whole.astype(np.int64) * NS_PER[clock] + rest.astype(np.int64)


def tokens(values: Sequence[object]) -> Counts:
    """Counts of tokens as a file has them, text or numbers; ValueError unless all are whole and in range."""
    counts = numbers(values)
    if not ((counts >= 1) & (counts <= MOST_TOKENS) & (counts == np.floor(counts))).all():
        raise ValueError
    return counts.astype(np.int64)


def numbers(values: Sequence[object]) -> npt.NDArray[np.float64]:
    """Text or numbers as numbers; ValueError for anything else, but not for NaN."""
    if not set(map(type, values)) <= {int, float, str}:
        raise ValueError
    try:
        return np.array(values, dtype=np.float64) if values else np.empty(0)
    except OverflowError:
        raise ValueError from None
