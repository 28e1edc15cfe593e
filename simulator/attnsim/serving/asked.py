"""What can be asked of a system: requests served over time, or one iteration that goes on and on."""

from __future__ import annotations

from dataclasses import dataclass

SLOWDOWN = 0.2
"""By how much messages may lengthen an iteration, as Lamina (arXiv 2405.01814) assumes in its figure 4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeRequest:
    """What to serve: names of shipped specs or paths of the user's own.

    requests, seed, rate: of the trace, see `load_arrivals`. concurrency: closed loop of so many requests, instead of
    the times of the trace; saturated: all come at once. overrides: `path=value` texts for the system and the model.
    """

    system: str
    model: str
    trace: str
    requests: int | None = None
    seed: int = 0
    rate: float | None = None
    concurrency: int | None = None
    saturated: bool = False
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IterationRequest:
    """What to iterate: `batch` requests on the whole system, each with `keys` tokens, the new one included.

    slowdown: what messages may add to an iteration, for the network that it needs.
    """

    system: str
    model: str
    batch: int
    keys: int
    slowdown: float = SLOWDOWN
    overrides: tuple[str, ...] = ()
