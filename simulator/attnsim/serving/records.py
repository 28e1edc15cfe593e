"""What goes into serving and what is written down of it: requests, what became of each, and iterations in order."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Requests by number: when each arrives and can start (ps), its prompt and how many tokens it generates."""

    arrival_ps: list[int]
    ready_ps: list[int]
    prompt: list[int]
    generated: list[int]

    def __len__(self) -> int:
        return len(self.prompt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What became of each request: -1 for what has not happened.

    first_ps: when its first token was there. first_iteration, last_iteration: the first one in which it decoded, and
    that of its last token, as numbers in the history of `server`. stalls: (request, ps) from the last token before it
    was preempted to the next one.
    """

    admitted_ps: list[int]
    first_ps: list[int]
    done_ps: list[int]
    preempted: list[int]
    server: list[int]
    first_iteration: list[int]
    last_iteration: list[int]
    rejected: list[int] = field(default_factory=list)
    stalls: list[tuple[int, int]] = field(default_factory=list)


def blank_records(count: int) -> Records:
    """Records of so many requests that have not come yet."""
    never = [-1] * count
    return Records(
        admitted_ps=never[:],
        first_ps=never[:],
        done_ps=never[:],
        preempted=[0] * count,
        server=never[:],
        first_iteration=never[:],
        last_iteration=never[:],
    )


def _column() -> array[int]:
    return array("q")


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Iterations in order: when each ended and how long it took (ps), how many decoded, for how many of them it was
    the first iteration, or the first one again, tokens of prompts, pages taken at its end."""

    end_ps: array[int] = field(default_factory=_column)
    period_ps: array[int] = field(default_factory=_column)
    decode: array[int] = field(default_factory=_column)
    fresh: array[int] = field(default_factory=_column)
    prefill: array[int] = field(default_factory=_column)
    pages: array[int] = field(default_factory=_column)

    def add(self, end_ps: int, period_ps: int, decode: int, prefill: int, fresh: int) -> None:
        """Write an iteration down; its pages follow once it has ended."""
        self.end_ps.append(end_ps)
        self.period_ps.append(period_ps)
        self.decode.append(decode)
        self.prefill.append(prefill)
        self.fresh.append(fresh)

    def leave_out_torn(self) -> None:
        """Leave out an iteration that an interrupt kept from being written down whole."""
        columns = (self.end_ps, self.period_ps, self.decode, self.prefill, self.fresh)
        whole = min(len(column) for column in columns)
        for column in columns:
            del column[whole:]
