"""A batch of decode requests by the name of a shipped trace or the path of a trace file."""

from __future__ import annotations

from pathlib import Path

from attnsim.errors import AttnSimError, Problem, UnknownNameError
from attnsim.requests.request import DecodeRequest
from attnsim.requests.trace_file import MOST_REQUESTS, read_trace
from attnsim.specs.library import names, suggest


def load_requests(trace: str, *, batch: int | None, usual_batch: int, seed: int) -> tuple[DecodeRequest, ...]:
    """The requests of a trace.

    Of a file the first `batch` rows, all if it is None; of a shipped trace `batch` requests drawn with `seed`,
    `usual_batch` if it is None. Raises AttnSimError: an unknown name, a file that is none or has fewer rows, a batch or
    a seed out of range.
    """
    if batch is not None and batch < 1:
        what = f"{batch} is not a positive number"
        raise AttnSimError(Problem(path="--batch", what=what, remedy="give a whole number of at least 1"))
    if is_trace_file(trace):
        return _first(read_trace(Path(trace)), batch, trace)
    if trace not in (known := names("trace")):
        remedy = f"{suggest(trace, known)}; a path contains a slash or ends in .csv"
        raise UnknownNameError(Problem(path="--trace", what=f"there is no trace {trace[:80]!r}", remedy=remedy))
    return _drawn(trace, usual_batch if batch is None else batch, seed)


def is_trace_file(trace: str) -> bool:
    """Whether a trace is meant as a path: it has a slash or ends in `.csv`."""
    return "/" in trace or "\\" in trace or trace.endswith(".csv")


def _first(requests: tuple[DecodeRequest, ...], batch: int | None, file: str) -> tuple[DecodeRequest, ...]:
    if batch is not None and batch > len(requests):
        what = f"the file has {len(requests)} requests, and the batch is {batch}"
        raise AttnSimError(Problem(file=file, what=what, remedy=f"give --batch of at most {len(requests)}, or none"))
    return requests[:batch]


def _drawn(trace: str, batch: int, seed: int) -> tuple[DecodeRequest, ...]:
    from attnsim.requests.steady_state import steady_state_batch

    if seed < 0:
        raise AttnSimError(Problem(path="--seed", what=f"{seed} is negative", remedy="give a number of at least 0"))
    if batch > MOST_REQUESTS:
        remedy = f"give at most {MOST_REQUESTS}"
        raise AttnSimError(Problem(path="--batch", what=f"{batch} requests are too many to draw", remedy=remedy))
    return steady_state_batch(trace, batch, seed)
