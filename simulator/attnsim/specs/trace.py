"""Trace specs: what `workloads/traces/<name>.yaml` may say: distributions of request lengths and of arrival gaps.

Lengths are mixtures of log-normal distributions, each cut at a largest length; gaps are mixtures of gamma
distributions. Prompts, generated tokens and gaps are independent of each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist

from pydantic import Field, PositiveInt

from attnsim.errors import Problem
from attnsim.specs.library import find
from attnsim.specs.load import load_spec
from attnsim.specs.overrides import Override
from attnsim.specs.quantity import Second
from attnsim.specs.spec import FileSpec, Source, Spec, Text, problem_at

MOST_TOKENS = 2**40
MOST_REQUESTS = 10_000_000
LEAST_GAP_S, MOST_GAP_S = 1e-6, 1e5
"""Mean gaps that are drawn; single ones may be 0."""
LEAST_INSIDE = 1e-3
"""Least share of a log-normal distribution that has to lie below its cut."""
ROUNDING = 1e-6
"""How far from 1 the shares of a mixture may add up."""


class LengthPart(Spec):
    """A `share` of all lengths: log-normal, in tokens, up to `most`.

    median: before the distribution is cut; sigma: standard deviation of the natural logarithm.
    """

    share: float = Field(default=1.0, gt=0.0, le=1.0)
    median: float = Field(gt=0.0, le=MOST_TOKENS)
    sigma: float = Field(gt=0.0, le=5.0)
    most: int = Field(ge=1, le=MOST_TOKENS)
    source: Source | None = None


class GapPart(Spec):
    """A `share` of the gaps between arrivals: gamma distributed, about a mean.

    cv: coefficient of variation, the standard deviation over the mean; 1 is a Poisson process, 0 equal gaps, more than
    1 bursts.
    """

    share: float = Field(default=1.0, gt=0.0, le=1.0)
    mean: Second
    cv: float = Field(default=1.0, ge=0.0, le=100.0)
    source: Source | None = None


class Published(Spec):
    """Mean tokens of a request as a source gives them."""

    mean_prompt: float = Field(gt=0.0)
    mean_generated: float = Field(gt=0.0)
    source: Source


class Trace(FileSpec):
    """Requests of a service as distributions.

    requests: how many are drawn unless a run says otherwise. published: what the means are held against.
    longest_context: contexts of decode batches are cut there; nothing is cut if it is left out.
    """

    name: Text
    title: str = ""
    source: Source = Field(examples=["paper, year, section"], description="where the numbers come from")
    notes: str = ""
    requests: int = Field(ge=1, le=MOST_REQUESTS)
    published: Published | None = None
    prompt: list[LengthPart] = Field(min_length=1)
    generated: list[LengthPart] = Field(min_length=1)
    gaps: list[GapPart] = Field(min_length=1)
    longest_context: PositiveInt | None = None

    @property
    def mean_gap_s(self) -> float:
        """Mean seconds between two arrivals."""
        return math.fsum(part.share * part.mean for part in self.gaps)


def load_trace(name: str, overrides: Sequence[Override] = ()) -> Trace:
    """Read a trace spec by name or path, after `overrides`; raises SpecError or UnknownNameError."""
    return load_spec(find("trace", name), Trace, overrides, trace_problems)


@cache
def shipped_trace(name: str) -> Trace:
    """A shipped trace spec by name, read once."""
    return load_trace(name)


def trace_problems(trace: Trace) -> list[Problem]:
    """Contradictions inside a trace: shares that are not 1 together, lengths cut away, gaps out of range."""
    sums = {
        "prompt": math.fsum(part.share for part in trace.prompt),
        "generated": math.fsum(part.share for part in trace.generated),
        "gaps": math.fsum(part.share for part in trace.gaps),
    }
    problems = [
        problem_at(trace, key, f"the shares add up to {total:.6g}", "write shares that add up to 1")
        for key, total in sums.items()
        if abs(total - 1.0) > ROUNDING
    ]
    problems += [
        problem_at(trace, f"{key}.{place}.most", what, "write a larger most, or a smaller median")
        for key, parts in (("prompt", trace.prompt), ("generated", trace.generated))
        for place, part in enumerate(parts)
        if (what := _cut_away(part))
    ]
    if not LEAST_GAP_S <= trace.mean_gap_s <= MOST_GAP_S:
        what = f"a request comes every {trace.mean_gap_s:g} s"
        problems.append(problem_at(trace, "gaps", what, "write means that give a gap from 1 us to 100000 s"))
    return problems


def _cut_away(part: LengthPart) -> str:
    """What is wrong with a part of which hardly anything is left; nothing if enough is."""
    inside = NormalDist().cdf(math.log(part.most / part.median) / part.sigma)
    if inside >= LEAST_INSIDE:
        return ""
    return f"only a share of {inside:.1g} of the lengths about {part.median:g} lies below {part.most}"
