"""One run of serving as a table for people, and several side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

from attnsim.cli.tables import grid, percent, render, seconds, share_list, table
from attnsim.serving.outcome import Distribution, Outcome, distribution
from attnsim.units import in_units

GB = 1e9


def serve_table(outcome: Outcome) -> str:
    """The numbers of a run under what was served on what."""
    served = outcome.served
    title = f"{served.machine.model.name} on {served.system.name}: {served.system.title or served.system.name}"
    arrival = _arrival(outcome)
    told = f"{len(served.load)} requests of {served.trace.name}, {arrival}"
    return render(title, told, "", grid(_rows(outcome)))


def _arrival(outcome: Outcome) -> str:
    request = outcome.served.request
    if request.saturated:
        return "all at once"
    if request.concurrency:
        return f"{request.concurrency} at a time"
    seconds_long = outcome.served.trace.duration_ps / 1e12
    return f"{len(outcome.served.load) / seconds_long:.3g} a second" if seconds_long else "all at once"


def _rows(outcome: Outcome) -> list[tuple[str, str]]:
    served, records = outcome.served, outcome.served.records
    memory, (since, until) = served.machine.memory, outcome.window_s
    ended = int(outcome.ended.sum())
    speed, steady = _rounded(outcome.tokens_per_s), _rounded(outcome.steady_tokens_per_s)
    batch = f"{outcome.batch():.4g} in the mean, {outcome.batch(since, until):.4g} in the steady part"
    left = len(served.load) - ended - len(records.rejected)
    fate = [f"{ended:,} completed"]
    fate += (
        [f"{len(records.rejected):,} rejected: longer than the memory for keys and values"] if records.rejected else []
    )
    fate += [f"{left:,} unfinished"] if left else []
    fate += [f"{sum(records.preempted):,} preemptions"] if any(records.preempted) else []
    return [
        ("requests", ", ".join(fate)),
        (
            "throughput",
            f"{speed} tokens/s over {seconds(outcome.duration_s)}; {steady} in the steady part",
        ),
        ("first token", spread(distribution(outcome.ttft))),
        ("between tokens", spread(outcome.tbt)),
        ("whole request", spread(distribution(outcome.latency))),
        (
            "batch",
            f"{batch}, {outcome.largest_batch} at most",
        ),
        (
            "keys and values",
            f"{memory.tokens:,} tokens fit, {memory.kv_bytes / GB:.4g} GB at {memory.token_bytes:,} B each",
        ),
        ("utilization", share_list(outcome.utilization)),
        ("cost", cost(outcome)),
        ("energy", energy(outcome)),
        *_slo(outcome),
        ("accuracy", _accuracy(outcome)),
    ]


def _rounded(value: float) -> str:
    """A number with five significant digits and commas."""
    return f"{float(f'{value:.5g}'):,.6g}" if value < 1e5 else f"{float(f'{value:.5g}'):,.0f}"


def spread(found: Distribution) -> str:
    """Mean, percentiles and largest of a time."""
    if math.isnan(found.mean):
        return "nothing was measured"
    middle, most, nearly = (seconds(value) for value in found.percentiles)
    return (
        f"{seconds(found.mean)} in the mean, p50 {middle}, p90 {most}, p99 {nearly}, largest {seconds(found.largest)}"
    )


def cost(outcome: Outcome) -> str:
    """Price of the system and of its tokens."""
    price, usd = outcome.price_usd_per_hour, outcome.usd
    if price is None:
        return "not known: a pool has no price"
    if not usd or not outcome.tokens:
        return f"${price:.2f} an hour"
    return f"${price:.2f} an hour, ${usd / outcome.tokens * 1e6:.4g} a million tokens"


def energy(outcome: Outcome) -> str:
    """Energy of a token, and the mean power."""
    joule = outcome.energy_j
    if joule is None or not outcome.tokens or not outcome.duration_s:
        return "not known: a device does not give its energy"
    return f"{in_units(joule / outcome.tokens, 'J')} a token, {in_units(joule / outcome.duration_s, 'W')}"


def _slo(outcome: Outcome) -> list[tuple[str, str]]:
    kept = outcome.kept
    if kept is None:
        return []
    parts = ", ".join(f"{name} by {percent(share)}" for name, share in kept.shares.items())
    return [
        (
            "objective",
            f"{kept.slo}: kept by {percent(kept.share)} ({parts}); {kept.tokens_per_s:,.4g} tokens/s of these",
        )
    ]


def _accuracy(outcome: Outcome) -> str:
    check = outcome.served.costs.check()
    between = f"between them {percent(check.mean)} off in the mean, {percent(check.largest)} at most"
    parts = [f"{outcome.served.costs.simulated} shapes simulated, {between}"]
    parts += [
        f"{one.mapping} on {name} {percent(one.mape)} on {one.rows} held-out rows"
        for name, one in outcome.trust
        if one.mape is not None
    ]
    return "; ".join(parts)


def systems_table(outcomes: Sequence[Outcome]) -> str:
    """Systems side by side, each against the first."""
    first = outcomes[0]
    rows = []
    for outcome in outcomes:
        price = outcome.price_usd_per_hour
        per_usd = outcome.tokens / outcome.usd if outcome.usd else None
        base = first.tokens / first.usd if first.usd else None
        tbt = outcome.tbt
        rows.append(
            [
                outcome.served.system.name,
                outcome.served.machine.model.name,
                _rounded(outcome.tokens_per_s),
                f"{outcome.tokens_per_s / first.tokens_per_s:.3g}x" if first.tokens_per_s else "",
                _rounded(outcome.steady_tokens_per_s),
                f"{outcome.batch():.4g}",
                str(outcome.largest_batch),
                seconds(float(distribution(outcome.ttft).percentiles[0])) if outcome.ended.any() else "",
                seconds(tbt.mean) if not math.isnan(tbt.mean) else "",
                seconds(tbt.percentiles[2]) if not math.isnan(tbt.mean) else "",
                f"{price:.2f}" if price is not None else "",
                _rounded(per_usd) if per_usd is not None else "",
                f"{per_usd / base:.3g}x" if per_usd and base else "",
                percent(outcome.kept.share) if outcome.kept else "",
            ]
        )
    headings = (
        "system",
        "model",
        "tokens/s",
        "gain",
        "steady",
        "batch",
        "largest",
        "ttft p50",
        "tbt mean",
        "tbt p99",
        "$/h",
        "tokens/$",
        "per $",
        "objective kept",
    )
    request = first.served.request
    title = f"{len(first.served.load)} requests of {request.trace}, {_arrival(first)}"
    return render(title, "", table(headings, rows, left=("system", "model")))
