"""Cascades written down in a line or two, as the tests of the analysis need them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from attnsim.einsum.ast import Cascade
from attnsim.einsum.build import parse_cascade
from attnsim.einsum.source import CascadeSource


def written(
    ranks: str,
    inputs: str,
    einsums: str,
    *,
    split: str = "",
    iterate: str = "",
    start: str = "",
    same: str = "",
    batch: str = "",
    outputs: str = "",
) -> Cascade:
    """Parse Einsums separated by `;`. Ranks, inputs, states and splits (`M=M1,M0`) are separated by blanks."""
    lines = [line.strip() for line in einsums.split(";")]
    used = " ".join(line.partition("=")[2] for line in lines)
    names = [line.partition("=")[0].partition("[")[0].strip() for line in lines]
    return parse_cascade(
        CascadeSource(
            name="written",
            computes="what it says",
            ranks=tuple((rank, rank.lower()) for rank in ranks.split()),
            batch=tuple(batch.split()),
            inputs=tuple(inputs.split()),
            einsums="\n".join(lines),
            outputs=tuple(outputs.split()) or tuple(dict.fromkeys(name for name in names if name not in used)),
            split=tuple((rank, tuple(parts.split(","))) for rank, parts in (s.split("=") for s in split.split())),
            iterate=tuple(iterate.split()),
            start=tuple((state, 0.0) for state in start.split()),
            same=tuple((first, second) for first, second in (pair.split("=") for pair in same.split())),
        )
    )


@pytest.fixture
def cascade_of() -> Callable[..., Cascade]:
    """The function that parses a cascade written down in a test."""
    return written
