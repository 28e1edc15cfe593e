"""The integer arithmetic of shared resources against exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from attnsim.engine.rates import SUBPICOSECONDS_PER_PS, rates_of
from attnsim.taskgraph import Resource

LINKS = [
    Resource(name="round", kind="shared", capacity=4e11),
    Resource(name="odd", kind="shared", capacity=1.555e12),
    Resource(name="irrational", kind="shared", capacity=math.pi * 1e11),
    Resource(name="slow", kind="shared", capacity=1e3),
    Resource(name="very fast", kind="shared", capacity=7.3e15),
    Resource(name="capped", kind="shared", capacity=1e12, per_flow_cap=3e11),
    Resource(name="never saturated", kind="shared", capacity=1e18, per_flow_cap=1e3),
    Resource(name="cap above capacity", kind="shared", capacity=1e12, per_flow_cap=5e12),
]


@pytest.mark.parametrize("link", LINKS, ids=lambda link: link.name)
def test_ratios_are_those_of_the_floats_to_nine_digits(link: Resource) -> None:
    rates = rates_of(link)
    fastest = min(link.capacity, link.per_flow_cap)
    assert rates.alone / rates.unit == pytest.approx(SUBPICOSECONDS_PER_PS * 1e12 / fastest, rel=1e-9)
    assert rates.share / rates.divider == pytest.approx(min(link.capacity / fastest, 2.0**24), rel=1e-7)


def test_round_bandwidths_are_exact() -> None:
    rates = rates_of(LINKS[0])
    assert Fraction(rates.alone, rates.unit) == Fraction(160)  # 2.5 ps a byte
    assert rates.demand(10**9) == 160 * 10**9


@pytest.mark.parametrize("link", LINKS, ids=lambda link: link.name)
@pytest.mark.parametrize("flows", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("needed", [1, 63, 64, 65, 10**6 + 1, 10**12 + 7])
def test_the_time_until_an_end_is_the_first_picosecond_that_suffices(link: Resource, flows: int, needed: int) -> None:
    rates = rates_of(link)
    picoseconds = rates.until(needed, flows)
    assert rates.advance(picoseconds, flows) >= needed
    assert rates.advance(picoseconds - 1, flows) < needed


@pytest.mark.parametrize("link", LINKS, ids=lambda link: link.name)
def test_products_fit_in_64_bits(link: Resource) -> None:
    rates = rates_of(link)
    most_flows = 1 << 24
    assert rates.alone * rates.unit < 1 << 63
    assert rates.share * SUBPICOSECONDS_PER_PS * rates.divider * most_flows < 1 << 63
