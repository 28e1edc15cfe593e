"""Lengths of requests as distributions: log-normal ones, cut at a largest length, and mixtures of two of them.

A length is the value rounded up, in tokens. What is drawn comes from one number of (0, 1) by the inverse distribution
function, so that the same numbers give the same lengths with every version of numpy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNormal:
    """Log-normal lengths up to `most` tokens. median: of the distribution before it is cut; sigma: of the logarithm."""

    median: float
    sigma: float
    most: int

    def at(self, share: float) -> int:
        """The length, in tokens, that a share of (0, 1) of all lengths does not exceed."""
        inside = _NORMAL.cdf(math.log(self.most / self.median) / self.sigma)
        value = self.median * math.exp(self.sigma * _NORMAL.inv_cdf(max(share * inside, 1e-300)))
        return max(1, min(self.most, math.ceil(value)))

    def by_length(self) -> LogNormal:
        """The same lengths, each as often as before times itself: again log-normal, about a larger median."""
        return LogNormal(median=self.median * math.exp(self.sigma**2), sigma=self.sigma, most=self.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Lengths of a data set of conversations: `long_share` of the inputs are `long_inputs`, the others `inputs`.

    Inputs and outputs are independent.
    """

    inputs: LogNormal
    outputs: LogNormal
    long_inputs: LogNormal | None = None
    long_share: float = 0.0

    def input_at(self, part: float, share: float) -> int:
        """Input length in tokens; `part` of (0, 1) chooses the part of the mixture, `share` the place in it."""
        long = self.long_inputs if part < self.long_share else None
        return (long or self.inputs).at(share)


DATASETS: Mapping[str, Dataset] = {
    "share-gpt": Dataset(
        inputs=LogNormal(median=14.8, sigma=1.0, most=8192),
        long_inputs=LogNormal(median=390.0, sigma=1.0, most=8192),
        long_share=0.093,
        outputs=LogNormal(median=247.0, sigma=0.9, most=1024),
    ),
    "alpaca": Dataset(
        inputs=LogNormal(median=11.0, sigma=0.34, most=64),
        outputs=LogNormal(median=40.0, sigma=1.3, most=256),
    ),
}
"""By name. Means are those that NeuPIMs (ASPLOS 2024, arXiv 2403.00579) gives: 80 and 296 tokens, 12 and 56.

Spreads are fitted to quantiles of the token counts in its artifact (github.com/casys-kaist/NeuPIMs, trace-generator),
each as counted there and as here:

| | p10 | p50 | p90 | p99 |
|---|---|---|---|---|
| ShareGPT, input | 5, 5 | 17, 17 | 118, 114 | 1262, 1319 |
| ShareGPT, output | 58, 76 | 261, 232 | 576, 625 | 961, 955 |
| Alpaca, input | 8, 8 | 11, 11 | 17, 18 | 27, 25 |
| Alpaca, output | 6, 8 | 41, 36 | 122, 139 | 249, 237 |
"""
