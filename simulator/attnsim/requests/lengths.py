"""Lengths of requests as distributions: log-normal ones, cut at a largest length, and mixtures of them.

A length is the value rounded up, in tokens. What is drawn comes from one number of (0, 1) by the inverse distribution
function, so that the same numbers give the same lengths with every version of numpy.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from attnsim.specs.trace import LengthPart

_NORMAL = NormalDist()
_LEAST = 1e-300

Shares = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNormal:
    """Log-normal lengths up to `most` tokens. median: of the distribution before it is cut; sigma: of the logarithm."""

    median: float
    sigma: float
    most: int

    def at(self, share: float) -> int:
        """The length, in tokens, that a share of (0, 1) of all lengths does not exceed."""
        return self.at_each((share,))[0]

    def at_each(self, shares: Iterable[float]) -> list[int]:
        """The lengths at many shares, in tokens, in their order."""
        inside = _NORMAL.cdf(math.log(self.most / self.median) / self.sigma)
        places = (_NORMAL.inv_cdf(max(share * inside, _LEAST)) for share in shares)
        values = (self.median * math.exp(self.sigma * place) for place in places)
        return [max(1, min(self.most, math.ceil(value))) for value in values]

    def mean_tokens(self) -> float:
        """Mean length: that of the cut log-normal distribution, and half a token for rounding up."""
        cut = math.log(self.most / self.median) / self.sigma
        whole = self.median * math.exp(self.sigma**2 / 2)
        return whole * _NORMAL.cdf(cut - self.sigma) / _NORMAL.cdf(cut) + 0.5

    def by_length(self) -> LogNormal:
        """The same lengths, each as often as before times itself: again log-normal, about a larger median."""
        return LogNormal(median=self.median * math.exp(self.sigma**2), sigma=self.sigma, most=self.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Lengths of several parts. shares: how many of all lengths are of each part, in sum 1."""

    parts: tuple[LogNormal, ...]
    shares: tuple[float, ...]

    def at(self, part: float, share: float) -> int:
        """A length in tokens; `part` of [0, 1) chooses the part of the mixture, `share` of (0, 1) the place in it."""
        return self.parts[bisect_right(limits(self.shares), part)].at(share)

    def at_each(self, part: Shares, share: Shares) -> Counts:
        """The lengths at many places, in tokens; `part` and `share` are of one shape [n], as the result."""
        chosen = np.searchsorted(limits(self.shares), part, side="right")
        lengths = np.empty(len(share), np.int64)
        for place, own in enumerate(self.parts):
            lengths[chosen == place] = own.at_each(share[chosen == place].tolist())
        return lengths

    def mean_tokens(self) -> float:
        """Mean length of all parts."""
        return math.fsum(
            share * part.mean_tokens() for share, part in zip(self.shares, self.parts, strict=True)
        ) / math.fsum(self.shares)

    def by_length(self) -> Mixture:
        """The same lengths, each as often as before times itself."""
        weights = [share * part.mean_tokens() for share, part in zip(self.shares, self.parts, strict=True)]
        shares = tuple(weight / math.fsum(weights) for weight in weights)
        return Mixture(parts=tuple(part.by_length() for part in self.parts), shares=shares)


def mixture(parts: Sequence[LengthPart]) -> Mixture:
    """The distribution that the parts of a trace spec describe."""
    lengths = tuple(LogNormal(median=part.median, sigma=part.sigma, most=part.most) for part in parts)
    return Mixture(parts=lengths, shares=tuple(part.share for part in parts))


def limits(shares: Sequence[float]) -> tuple[float, ...]:
    """Where in [0, 1) one part of a mixture ends and the next one begins; the last part has all that is left."""
    return tuple(accumulate(shares[:-1]))
