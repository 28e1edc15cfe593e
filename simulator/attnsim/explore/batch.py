"""Many designs at once: requests to metrics, each as a single run would give it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from attnsim.errors import AttnSimError
from attnsim.mapping.infeasible import Infeasible
from attnsim.pipeline import Request, simulate
from attnsim.results import run_json
from attnsim.runs import is_null, number_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """Metrics in the order they were asked for, and why there are none; nothing if there are."""

    values: tuple[float | None, ...]
    infeasible: str


def evaluate(requests: Sequence[Request], metrics: Sequence[str]) -> list[Evaluated]:
    """Simulate each request."""
    out = []
    for request in requests:
        try:
            result = simulate(request)
        except AttnSimError as error:
            out.append(Evaluated(values=(None,) * len(metrics), infeasible=error.problems[0].what))
            continue
        if isinstance(result, Infeasible):
            out.append(Evaluated(values=(None,) * len(metrics), infeasible=f"does not fit {result.memory}"))
            continue
        document = run_json(result)
        out.append(
            Evaluated(
                values=tuple(None if is_null(document, m) else number_at(document, m) for m in metrics), infeasible=""
            )
        )
    return out
