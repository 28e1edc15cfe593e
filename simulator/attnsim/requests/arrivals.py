"""Requests with arrival times by the name of a trace, or from a file of one's own.

`load_arrivals("azure-conv")` draws; `load_arrivals("mine.csv")` reads; `load_arrivals("mine.yaml")` draws from a trace
spec of one's own.
"""

from __future__ import annotations

from pathlib import Path

from attnsim.errors import AttnSimError, Problem, UnknownNameError
from attnsim.requests.arrival_file import ENDINGS, read_arrivals
from attnsim.requests.arrival_trace import ArrivalTrace, require_rate
from attnsim.requests.drawn_arrivals import draw_arrivals
from attnsim.specs.library import is_path, names, suggest
from attnsim.specs.trace import MOST_REQUESTS, Trace, load_trace, shipped_trace

SPEC_ENDINGS = (".yaml", ".yml")


def load_arrivals(trace: str, *, requests: int | None = None, seed: int = 0, rate: float | None = None) -> ArrivalTrace:
    """Requests with arrival times.

    trace: the name of a shipped trace spec or the path of one (`.yaml`), whose requests are drawn with `seed`; or the
    path of a file (`.csv`, `.jsonl`, `.parquet`), of which they are read. requests: how many; as many as the spec says,
    or all of the file, if it is None. rate: requests a second; time is stretched to it, a drawn trace by its expected
    rate (so that fewer requests are still the beginning of more), one that is read by its own mean. None: as it is.
    Raises AttnSimError: an unknown name, a file or spec with something wrong, a number out of range.
    """
    problems = [*_numbers(requests, seed), *_rate(rate)]
    if problems:
        raise AttnSimError(*problems)
    if is_arrival_file(trace) and not trace.endswith(SPEC_ENDINGS):
        read = read_arrivals(Path(trace))
        some = read if requests is None else read.first(requests)
        return some if rate is None else some.scaled(rate)
    spec = _spec(trace)
    return draw_arrivals(spec, spec.requests if requests is None else requests, seed, rate)


def is_arrival_file(trace: str) -> bool:
    """Whether a trace is meant as a path: it has a slash, or an ending of a trace file or of a trace spec."""
    return is_path(trace) or trace.endswith(ENDINGS)


def _spec(trace: str) -> Trace:
    if is_path(trace):
        return load_trace(trace)
    known = names("trace")
    if trace not in known:
        remedy = f"{suggest(trace, known)}; a path contains a slash or ends in {', '.join(ENDINGS)}"
        raise UnknownNameError(Problem(path="--trace", what=f"there is no trace {trace[:80]!r}", remedy=remedy))
    return shipped_trace(trace)


def _numbers(requests: int | None, seed: int) -> list[Problem]:
    problems = []
    if requests is not None and not 1 <= requests <= MOST_REQUESTS:
        remedy = f"give a number from 1 to {MOST_REQUESTS}"
        problems.append(Problem(path="--requests", what=f"{requests} is out of range", remedy=remedy))
    if seed < 0:
        problems.append(Problem(path="--seed", what=f"{seed} is negative", remedy="give a number of at least 0"))
    return problems


def _rate(rate: float | None) -> tuple[Problem, ...]:
    try:
        require_rate(1.0 if rate is None else rate)
    except AttnSimError as error:
        return error.problems
    return ()
