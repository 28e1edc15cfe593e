"""Arrivals that are drawn: a trace spec and a seed to requests with arrival times.

Six numbers of PCG64 a request: which part of the mixture and the place in it, for prompt, generated tokens and the gap
to the request before. Gaps are gamma distributed by the inverse of its distribution function, on a grid of
microseconds, so that the last bits of that function are not seen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from attnsim.requests.arrival_trace import ArrivalTrace, require_span
from attnsim.requests.lengths import limits, mixture
from attnsim.specs.trace import GapPart, Trace

PS_PER_US = 10**6
COLUMNS = 6

Shares = npt.NDArray[np.float64]


def draw_arrivals(trace: Trace, requests: int, seed: int, rate: float | None = None) -> ArrivalTrace:
    """At least one request of a trace, from PCG64 seeded with `seed`, which is not negative.

    rate: requests a second to be expected, which stretches time; the trace's own if None. Fewer requests of the same
    seed are the beginning of more. AttnSimError if the last one arrives too late.
    """
    drawn = np.random.Generator(np.random.PCG64(seed)).random((requests, COLUMNS)).T
    gaps_us = np.rint(gaps_s(trace.gaps, drawn[4], drawn[5]) * 1e6)
    gaps_us[0] = 0.0
    ps_per_us = PS_PER_US if rate is None else PS_PER_US / (trace.mean_gap_s * rate)
    require_span(float(gaps_us.sum()) * ps_per_us, requests)
    arrival_us = np.cumsum(gaps_us.astype(np.int64))
    return ArrivalTrace(
        name=trace.name,
        arrival_ps=np.rint(arrival_us * ps_per_us).astype(np.int64) if rate is not None else arrival_us * PS_PER_US,
        prompt=mixture(trace.prompt).at_each(drawn[0], drawn[1]),
        generated=mixture(trace.generated).at_each(drawn[2], drawn[3]),
    )


def gaps_s(parts: Sequence[GapPart], part: Shares, share: Shares) -> Shares:
    """Seconds between arrivals: `part` chooses the part of the mixture, `share` the place in it; all of shape [n]."""
    chosen = np.searchsorted(limits([own.share for own in parts]), part, side="right")
    gaps = np.empty(len(share))
    for place, own in enumerate(parts):
        gaps[chosen == place] = _gamma(own, share[chosen == place])
    return gaps


def _gamma(part: GapPart, share: Shares) -> Shares:
    """Seconds that a share of the gaps of one part does not exceed: shape 1/cv^2, scale mean * cv^2."""
    if part.cv == 0.0:
        return np.full(len(share), part.mean)
    if part.cv == 1.0:
        return -part.mean * np.log1p(-share)
    from scipy.special import gammaincinv

    scattered = part.cv**2
    return np.asarray(part.mean * scattered * gammaincinv(1.0 / scattered, share), dtype=np.float64)
