"""Several runs side by side: one row each, relative to the first run of the same model and length."""

from __future__ import annotations

from collections.abc import Sequence

from attnsim.cli.lengths import show_length
from attnsim.cli.tables import percent, render, seconds, table
from attnsim.mapping.infeasible import Infeasible
from attnsim.pipeline import Request, Run
from attnsim.results import JsonObject, result_json
from attnsim.units import in_binary_units, in_units

Results = Sequence[tuple[Request, Run | Infeasible]]
Key = tuple[str | None, int | None]

COLUMNS = ("model", "tokens", "hardware", "mapping", "latency", "speedup", "DRAM", "energy", "of first", "limited by")
LEFT = ("model", "hardware", "mapping", "limited by")
TRUST = "expected error"
THROUGHPUT = "tokens/s"


def compare_table(results: Results) -> str:
    """The results as a table, and below it why some have none."""
    arrays = _arrays(results)
    headings = (*COLUMNS[:6], *(f"{name.removeprefix('array_')} used" for name in arrays), *COLUMNS[6:])
    trusted = any(isinstance(result, Run) and result.trust for _, result in results)
    whole = any(isinstance(result, Run) and result.metrics.tokens_per_s is not None for _, result in results)
    first = _first(results)
    rows = [_row(request, result, first.get(_key(request)), arrays) for request, result in results]
    if trusted:
        headings = (*headings, TRUST)
        rows = [[*row, expected_error(result)] for row, (_, result) in zip(rows, results, strict=True)]
    if whole:
        headings = (*headings, THROUGHPUT)
        rows = [[*row, _throughput(result)] for row, (_, result) in zip(rows, results, strict=True)]
    told = [note for _, result in results if (note := _note(result))]
    return render(table(headings, rows, left=LEFT), *dict.fromkeys(told))


def _throughput(result: Run | Infeasible) -> str:
    if isinstance(result, Infeasible) or result.metrics.tokens_per_s is None:
        return ""
    return f"{result.metrics.tokens_per_s:,.0f}"


def _note(result: Run | Infeasible) -> str:
    """What a row cannot say: why a mapping does not fit, or that requests were simulated with their mean length."""
    if isinstance(result, Infeasible):
        return str(result)
    name = result.plan.hardware.name
    return f"{name}: all requests as if they had the mean of their lengths" if result.plan.workload.averaged else ""


def compare_json(results: Results) -> list[JsonObject]:
    """Each result as `attnsim run --json` prints it, with `speedup` and `energy_ratio` over the first of its group."""
    first = _first(results)
    return [{**result_json(result), **_relative(result, first.get(_key(request)))} for request, result in results]


def _relative(result: Run | Infeasible, first: Run | None) -> JsonObject:
    if isinstance(result, Infeasible) or first is None:
        return {}
    ours, theirs = result.metrics, first.metrics
    return {
        "speedup": theirs.latency_s / ours.latency_s,
        "energy_ratio": _energy_ratio(ours.total_energy_j, theirs.total_energy_j),
    }


def _energy_ratio(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours is not None and theirs else None


def _row(request: Request, result: Run | Infeasible, first: Run | None, arrays: Sequence[str]) -> list[str]:
    tokens = show_length(request.seq_len) if request.seq_len is not None else request.trace or ""
    if isinstance(result, Infeasible):
        return [request.model or "", tokens, request.hardware or "", request.mapping or "", "does not fit"]
    metrics, plan = result.metrics, result.plan
    relative = _relative(result, first)
    mapping = request.mapping or next(iter(plan.mappings.values())).name
    return [
        request.model or plan.workload.label,
        tokens,
        plan.hardware.name,
        mapping,
        seconds(metrics.latency_s),
        f"{relative['speedup']:.2f}x" if relative else "",
        *(percent(metrics.utilization[name]) if name in metrics.utilization else "" for name in arrays),
        in_binary_units(metrics.bytes["dram"]) if "dram" in metrics.bytes else "",
        in_units(metrics.total_energy_j, "J") if metrics.total_energy_j is not None else "not known",
        f"{ratio:.3f}" if (ratio := relative.get("energy_ratio")) is not None else "",
        f"{metrics.limiter} {percent(metrics.bottleneck[metrics.limiter])}",
    ]


def expected_error(result: Run | Infeasible) -> str:
    """The largest mean error that was measured for a step's mapping, or that nothing was measured for one of them."""
    if isinstance(result, Infeasible) or not result.trust:
        return ""
    errors = [one.mape for one in result.trust]
    known = [error for error in errors if error is not None]
    return percent(max(known)) if len(known) == len(errors) else "not measured"


def _arrays(results: Results) -> tuple[str, ...]:
    """Names of the arrays of all hardware in the results; memories are left to their own column."""
    runs = [result for _, result in results if isinstance(result, Run)]
    return tuple(dict.fromkeys(name for run in runs for name in run.metrics.utilization if name.startswith("array")))


def _first(results: Results) -> dict[Key, Run]:
    """The first run of each model and length."""
    found: dict[Key, Run] = {}
    for request, result in results:
        if isinstance(result, Run):
            found.setdefault(_key(request), result)
    return found


def _key(request: Request) -> Key:
    return request.model, request.seq_len
