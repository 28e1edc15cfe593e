"""Requests with arrival times: when each one comes, the tokens of its prompt, and how many it generates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from attnsim.errors import AttnSimError, Problem

PS_PER_S = 10**12
LEAST_RATE_PER_S = 1e-9
LONGEST_S = 9_000_000
"""Most seconds from the first arrival to the last: more picoseconds do not fit into 64 bit."""

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArrivalTrace:
    """Requests in the order in which they arrive; all arrays are of one shape [n], n at least 1, and read-only.

    name: of the trace or its file. arrival_ps: picoseconds from the first arrival, which is 0; never smaller than the
    one before. prompt, generated: tokens, each at least 1.
    """

    name: str
    arrival_ps: Counts
    prompt: Counts
    generated: Counts

    def __post_init__(self) -> None:
        """Make the arrays read-only; asserts what the class promises."""
        for values in (self.arrival_ps, self.prompt, self.generated):
            assert values.dtype == np.int64
            assert values.shape == self.arrival_ps.shape
            values.flags.writeable = False
        assert len(self) > 0
        assert self.arrival_ps[0] == 0

    def __len__(self) -> int:
        """Number of requests."""
        return len(self.arrival_ps)

    @property
    def mean_prompt(self) -> float:
        """Arithmetic mean of prompt tokens."""
        return float(self.prompt.mean())

    @property
    def mean_generated(self) -> float:
        """Arithmetic mean of generated tokens."""
        return float(self.generated.mean())

    @property
    def duration_ps(self) -> int:
        """Picoseconds from the first arrival to the last."""
        return int(self.arrival_ps[-1])

    @property
    def mean_rate_per_s(self) -> float:
        """Requests a second: one over the mean gap between arrivals; infinite if all come at once."""
        return (len(self) - 1) * PS_PER_S / self.duration_ps if self.duration_ps else float("inf")

    def first(self, requests: int) -> ArrivalTrace:
        """The first `requests` of them; AttnSimError if there are not so many, or for less than 1."""
        if 1 <= requests <= len(self):
            return self._with(self.arrival_ps[:requests], requests)
        what = f"{self.name} has {len(self)} requests, and {requests} are asked for"
        raise AttnSimError(Problem(path="--requests", what=what, remedy=f"give a number from 1 to {len(self)}"))

    def scaled(self, rate: float) -> ArrivalTrace:
        """The same requests at a mean rate of `rate` requests a second, every gap longer or shorter by one factor.

        Raises AttnSimError for a rate that is no positive number or too low, and for requests that all come at once.
        A single request stays as it is.
        """
        require_rate(rate)
        if len(self) == 1:
            return self
        if not self.duration_ps:
            what = f"all requests of {self.name} arrive at once, which no rate changes"
            raise AttnSimError(Problem(path="--rate", what=what, remedy="leave the rate out"))
        factor = self.mean_rate_per_s / rate
        require_span(self.duration_ps * factor, len(self))
        return self._with(np.rint(self.arrival_ps * factor).astype(np.int64), len(self))

    def _with(self, arrival_ps: Counts, requests: int) -> ArrivalTrace:
        prompt, generated = self.prompt[:requests], self.generated[:requests]
        return ArrivalTrace(name=self.name, arrival_ps=arrival_ps, prompt=prompt, generated=generated)


def require_rate(rate: float) -> None:
    """Raise AttnSimError unless a rate, in requests a second, is a number from 1e-9 to 1e12."""
    if not LEAST_RATE_PER_S <= rate <= PS_PER_S:
        what = f"{rate:g} is not a number from {LEAST_RATE_PER_S:g} to {PS_PER_S:g}"
        raise AttnSimError(Problem(path="--rate", what=what, remedy="give requests a second, for example 5.5"))


def require_span(last_ps: float, requests: int) -> None:
    """Raise AttnSimError if the last of so many requests arrives later than picoseconds are counted."""
    if not last_ps <= LONGEST_S * PS_PER_S:
        what = f"{requests} requests at this rate arrive over more than {LONGEST_S} s"
        raise AttnSimError(Problem(path="--rate", what=what, remedy="give a higher rate, or fewer requests"))
