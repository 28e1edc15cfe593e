"""Chains of equal tasks, each on a resource that nothing else uses: to their makespan without a graph.

A task that has its resource alone takes its time alone, rounded up to a tick, and the next one starts when it ends
(`attnsim.engine.rates`): so a chain takes as many of these times as it has tasks. The folded simulation of the same
chains comes to the same numbers (tests/conformance/test_chains.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from attnsim.engine.rates import CLOCK_LIMIT_PS, DEMAND_LIMIT, SUBPICOSECONDS_PER_PS, Rates, rates_of
from attnsim.taskgraph import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """`count` tasks of `work` units each, one after the other, on a resource that is only theirs."""

    resource: Resource
    work: int
    count: int


def chain_ticks(chains: Sequence[Chain]) -> dict[str, int] | None:
    """Ticks that each chain keeps its resource busy, by its name; None where only a graph can say.

    That is where the engine's integers or its clock might not reach.
    """
    busy: dict[str, int] = {}
    for chain in chains:
        rates = rates_of(chain.resource)
        ticks = chain.count * _alone_ticks(rates, chain.work)
        beyond = chain.work // rates.unit > DEMAND_LIMIT // rates.alone or ticks >= CLOCK_LIMIT_PS
        if beyond or rates.divider > rates.share or chain.resource.name in busy:
            return None
        busy[chain.resource.name] = ticks
    return busy


def _alone_ticks(rates: Rates, work: int) -> int:
    return -(-rates.demand(work) // SUBPICOSECONDS_PER_PS)
