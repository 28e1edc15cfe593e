"""One request of a decode batch, and what a batch of them amounts to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeRequest:
    """One sequence of a batch.

    keys: how many its next query sees, its own included. channel: memory channel that holds its keys and values, from
    0; None if the hardware chooses.
    """

    keys: int
    channel: int | None = None


def mean_keys(requests: Sequence[DecodeRequest]) -> float:
    """Arithmetic mean of the keys of a batch that is not empty."""
    return sum(request.keys for request in requests) / len(requests)


def largest_keys(requests: Sequence[DecodeRequest]) -> int:
    """Most keys of a request of a batch that is not empty."""
    return max(request.keys for request in requests)
