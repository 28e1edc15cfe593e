"""Steady iterations of systems as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from attnsim.cli.tables import grid, percent, render, seconds, share_list, table
from attnsim.serving.steady import Iteration, Network, utilized
from attnsim.units import in_units

GB = 1e9


def iteration_table(iteration: Iteration) -> str:
    """One iteration in detail."""
    system, machine = iteration.system, iteration.machine
    title = f"{machine.model.name} on {system.name}: {system.title or system.name}"
    told = f"one token for each of {iteration.batch} requests of {iteration.keys} tokens"
    return render(title, told, "", grid(_rows(iteration)))


def _rows(iteration: Iteration) -> list[tuple[str, str]]:
    memory, price = iteration.memory, iteration.price_usd_per_hour
    joule = iteration.energy_per_token_j
    rows = [
        ("between tokens", seconds(iteration.seconds)),
        ("throughput", f"{iteration.tokens_per_s:,.5g} tokens/s"),
        ("layers", f"{seconds(iteration.layers.seconds)}, {_reached(iteration, attention=False)}"),
        ("attention", f"{seconds(iteration.attention.seconds)}, {_reached(iteration, attention=True)}"),
        ("utilization", share_list(iteration.utilization)),
        ("keys and values", f"{iteration.fits:.4g} such requests fit, {memory.kv_bytes / GB:.4g} GB"),
    ]
    if iteration.network is not None:
        rows += _network(iteration.network)
    if price is not None:
        rows.append(
            ("cost", f"${price:.2f} an hour, ${price / 3600 / iteration.tokens_per_s * 1e6:.4g} a million tokens")
        )
    rows.append(("energy", f"{in_units(joule, 'J')} a token" if joule is not None else "not known"))
    return rows


def _reached(iteration: Iteration, *, attention: bool) -> str:
    reached = utilized(iteration.attention if attention else iteration.layers)
    return f"at {percent(reached.compute)} of the peak arithmetic and {percent(reached.memory)} of the memory bandwidth"


def _network(network: Network) -> list[tuple[str, str]]:
    needs = f"{_rate(network.formula)} a port by the closed form, {_rate(network.chain)} with one sub-batch"
    return [
        ("network needed", f"{needs}, {_rate(network.schedule)} as the system schedules it"),
        ("network offered", f"{_rate(network.offered)} a port; {network.sent_bytes / GB:.4g} GB an iteration"),
    ]


def _rate(bytes_per_s: float | None) -> str:
    return f"{bytes_per_s / GB:.3g} GB/s" if bytes_per_s is not None else "none suffices"


def iterations_table(iterations: Sequence[Iteration]) -> str:
    """Iterations side by side, each against the first of its length and batch."""
    rows = []
    for iteration in iterations:
        first = next(
            other
            for other in iterations
            if (other.batch, other.keys, other.machine.model)
            == (iteration.batch, iteration.keys, iteration.machine.model)
        )
        price, network, joule = iteration.price_usd_per_hour, iteration.network, iteration.energy_per_token_j
        rows.append(
            [
                iteration.system.name,
                iteration.machine.model.name,
                str(iteration.batch),
                str(iteration.keys),
                seconds(iteration.seconds),
                f"{iteration.tokens_per_s:,.5g}",
                f"{iteration.tokens_per_s / first.tokens_per_s:.3g}x",
                f"{iteration.fits:.4g}",
                percent(iteration.utilization.get("layers", 0.0)),
                percent(iteration.utilization["attention"]) if "attention" in iteration.utilization else "",
                _rate(network.schedule) if network else "",
                _rate(network.offered) if network else "",
                f"{price / 3600 / iteration.tokens_per_s * 1e6:.4g}" if price is not None else "",
                in_units(joule, "J") if joule is not None else "",
            ]
        )
    headings = (
        "system", "model", "batch", "tokens", "tbt", "tokens/s", "gain", "fit", "layers", "attention",
        "network needed", "offered", "$/M tokens", "energy/token",
    )  # fmt: skip
    return render(table(headings, rows, left=("system", "model")))
