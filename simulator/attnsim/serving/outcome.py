"""What serving amounts to: throughput, latencies, batch, memory, utilization, energy and cost, from what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from attnsim.metrics import Trust
from attnsim.serving.costs import Spent
from attnsim.serving.device import Device
from attnsim.serving.pools import pools_of, price_of
from attnsim.serving.records import Records
from attnsim.serving.server import Server
from attnsim.serving.simulate import Served
from attnsim.serving.slo import Slo
from attnsim.specs.system import Pool
from attnsim.taskgraph import PS_PER_S

Floats = npt.NDArray[np.float64]
STEADY = (0.2, 0.8)
"""The steady part of a run: from when the first share of its requests has ended until the second has."""
PERCENTILES = (50, 90, 99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Mean, percentiles and largest of a measure, in its unit; nan where nothing was measured."""

    mean: float
    percentiles: tuple[float, ...]
    largest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How a service-level objective was kept: share of the requests that keep all limits, tokens a second of these,
    and for each limit the share that keeps it and the best request's value in seconds."""

    slo: Slo
    share: float
    tokens_per_s: float
    shares: Mapping[str, float]
    best_s: Mapping[str, float]


class Outcome:
    """The numbers of a run; times in seconds from the first arrival."""

    def __init__(self, served: Served, slo: Slo | None = None) -> None:
        self.served = served
        records, load = served.records, served.load
        self.arrival = _seconds(load.arrival_ps)
        self.admitted = _seconds(records.admitted_ps)
        self.first = _seconds(records.first_ps)
        self.done = _seconds(records.done_ps)
        self.prompt, self.generated = np.array(load.prompt), np.array(load.generated)
        self.ended = np.array(records.done_ps) >= 0
        self.slo = slo

    @cached_property
    def duration_s(self) -> float:
        """From the first arrival to the last iteration, or the last token of a separate prefill."""
        ends = [int(server.history.end_ps[-1]) for server in self.served.servers if server.history.end_ps]
        return max([*ends, *self.served.records.done_ps, 0]) / PS_PER_S

    @cached_property
    def tokens(self) -> float:
        """Tokens that were generated, those of requests that did not end included."""
        return float(sum(per.sum() for per in self._made)) + len(self._from_prefill)

    @cached_property
    def _made(self) -> list[Floats]:
        """Tokens of each iteration of each server."""
        return [_tokens_made(self.served, server) for server in self.served.servers]

    @cached_property
    def _from_prefill(self) -> Floats:
        """When the first tokens that a separate prefill makes are there, in seconds; empty without one."""
        there = np.array(self.served.records.first_ps) >= 0
        return self.first[there & (self.served.prefill is not None)]

    @property
    def tokens_per_s(self) -> float:
        """Generated tokens a second, over the whole run."""
        return self.tokens / self.duration_s if self.duration_s else 0.0

    @cached_property
    def window_s(self) -> tuple[float, float]:
        """The steady part of the run."""
        ends = np.sort(self.done[self.ended])
        if len(ends) < 10:
            return 0.0, self.duration_s
        return float(ends[int(STEADY[0] * len(ends))]), float(ends[int(STEADY[1] * len(ends))])

    @cached_property
    def steady_tokens_per_s(self) -> float:
        """Generated tokens a second in the steady part."""
        since, until = self.window_s
        if until <= since:
            return self.tokens_per_s
        inside = float(((self._from_prefill > since) & (self._from_prefill <= until)).sum())
        for server, made in zip(self.served.servers, self._made, strict=True):
            end = np.array(server.history.end_ps) / PS_PER_S
            inside += float(made[(end > since) & (end <= until)].sum())
        return inside / (until - since)

    def batch(self, since: float = 0.0, until: float = float("inf")) -> float:
        """Decoding requests in the mean over time, idle times too, of all servers together."""
        total, length = 0.0, min(until, self.duration_s) - since
        for server in self.served.servers:
            end = np.array(server.history.end_ps) / PS_PER_S
            period = np.array(server.history.period_ps) / PS_PER_S
            inside = (end > since) & (end <= until)
            total += float((np.array(server.history.decode) * period)[inside].sum())
        return total / length if length > 0 else 0.0

    @cached_property
    def largest_batch(self) -> int:
        """Most requests that decoded at once on a server."""
        return max((max(server.history.decode, default=0) for server in self.served.servers), default=0)

    @cached_property
    def ttft(self) -> Floats:
        """Seconds from arrival to the first token, of requests that ended."""
        return (self.first - self.arrival)[self.ended]

    @cached_property
    def queueing(self) -> Floats:
        """Seconds from arrival until a request has its pages, of requests that ended."""
        return (self.admitted - self.arrival)[self.ended]

    @cached_property
    def latency(self) -> Floats:
        """Seconds from arrival to the last token, of requests that ended."""
        return (self.done - self.arrival)[self.ended]

    @cached_property
    def tpot(self) -> Floats:
        """Mean seconds between tokens of a request, of requests that ended with more than one."""
        several = self.generated[self.ended] > 1
        spans = (self.done - self.first)[self.ended][several]
        return np.asarray(spans / (self.generated[self.ended][several] - 1), np.float64)

    @cached_property
    def longest_gap(self) -> Floats:
        """Longest seconds between two tokens of each request; nan for those that did not end."""
        found = np.full(len(self.ended), np.nan)
        for server in self.served.servers:
            _fill_gaps(self.served.records, server, self.ended, found)
        stalls = self._stalls[self.ended[self._stalls[:, 0]]]
        np.maximum.at(found, stalls[:, 0], stalls[:, 1] / PS_PER_S)
        return np.asarray(np.fmax(found, np.where(self.ended, self._second_gap, np.nan)), np.float64)

    @cached_property
    def tbt(self) -> Distribution:
        """Seconds between two tokens, over all tokens but the first of each request."""
        parts = [_gaps(server) for server in self.served.servers]
        alone = [self._second_gap[np.isfinite(self._second_gap)], self._stalls[:, 1] / PS_PER_S]
        values = np.concatenate([*(gap for gap, _ in parts), *alone])
        return weighted(values, np.concatenate([*(weight for _, weight in parts), *map(np.ones_like, alone)]))

    @cached_property
    def _stalls(self) -> npt.NDArray[np.int64]:
        """(request, ps) between two tokens of requests that were preempted in between."""
        return np.array(self.served.records.stalls, np.int64).reshape(-1, 2)

    @cached_property
    def _second_gap(self) -> Floats:
        """Seconds from the first token to the second where the first did not come from decoding; nan elsewhere."""
        found = np.full(len(self.ended), np.nan)
        if self.served.system.prefill.mode == "removed":
            return found
        records = self.served.records
        for server in self.served.servers:
            mine = _of_server(records, server, np.array(records.first_iteration) >= 0)
            end = np.array(server.history.end_ps, np.float64)[np.array(records.first_iteration)[mine]] / PS_PER_S
            found[mine] = end - self.first[mine]
        return found

    @cached_property
    def kept(self) -> Kept | None:
        """How the objective was kept; None without one."""
        if self.slo is None:
            return None
        gaps = self.longest_gap[self.ended]
        spans = self.done - self.first
        means = np.where(self.generated > 1, spans / np.maximum(self.generated - 1, 1), 0.0)[self.ended]
        measured = {"ttft": self.ttft, "tbt": gaps, "tpot": means, "latency": self.latency}
        keeps = {name: measured[name] <= limit for name, limit in self.slo.limits_s}
        every = np.logical_and.reduce(list(keeps.values())) if len(gaps) else np.zeros(0, np.bool_)
        good = float(self.generated[self.ended][every].sum())
        total = max(len(self.ended), 1)
        return Kept(
            slo=self.slo,
            share=float(every.sum()) / total,
            tokens_per_s=good / self.duration_s if self.duration_s else 0.0,
            shares={name: float(kept.sum()) / total for name, kept in keeps.items()},
            best_s={name: float(measured[name].min()) if len(gaps) else float("nan") for name in keeps},
        )

    @cached_property
    def _spent(self) -> Spent:
        """What all iterations amount to."""
        return self.served.costs.spent()

    @cached_property
    def utilization(self) -> dict[str, float]:
        """Share of the run in which each kind of resource was busy, in the mean over equal ones."""
        time_ps = self.duration_s * PS_PER_S
        if not time_ps:
            return {}
        spent = self._spent.busy_ps
        servers = len(self.served.servers)
        shares = {name: busy / (time_ps * servers) for name, busy in spent.items() if busy}
        if self.served.prefill is not None:
            copies = self.served.prefill.machine.system.layers.replicas
            shares["prefill"] = self.served.prefill.busy_ps / (time_ps * copies)
        return shares

    @cached_property
    def price_usd_per_hour(self) -> float | None:
        """Price of all devices; None where one has none."""
        return price_of(self._pools())

    def _pools(self) -> list[tuple[Pool, Device]]:
        """Each pool with the device that stands for it."""
        served = self.served
        return pools_of(served.machine, served.prefill.machine if served.prefill else None)

    @cached_property
    def usd(self) -> float | None:
        """Price of the whole run."""
        price = self.price_usd_per_hour
        return None if price is None else price * self.duration_s / 3600

    @cached_property
    def energy_j(self) -> float | None:
        """Energy of all devices: counts above idle and idle power all the time, or the pools' power where that is not
        known; None where neither is. The network is not in it."""
        total = 0.0
        dynamic = self._dynamic_j()
        for pool, device in self._pools():
            rate_w = device.static_w if dynamic is not None else pool.power_w
            if rate_w is None:
                return None
            total += pool.devices * rate_w * self.duration_s
        return total + (dynamic or 0.0)

    def _dynamic_j(self) -> float | None:
        parts = [self._spent.joule]
        if self.served.prefill is not None:
            parts.append(self.served.prefill.costs.spent().joule)
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None

    @property
    def trust(self) -> tuple[tuple[str, Trust], ...]:
        """(hardware, what is known of the error of a mapping of its steps), each mapping on it once."""
        found: dict[tuple[str, str], Trust] = {}
        for _, device in self._pools():
            for one in device.trust.values():
                found.setdefault((one.mapping, device.plan.hardware.name), one)
        return tuple((hardware, one) for (_, hardware), one in found.items())


def _seconds(times_ps: Sequence[int]) -> Floats:
    return np.array(times_ps, np.float64) / PS_PER_S


def _tokens_made(served: Served, server: Server) -> Floats:
    """Tokens of each iteration: of those that decode, and the first ones, which prompts give."""
    made = np.array(server.history.decode, np.float64)
    if served.system.prefill.mode in ("chunked", "whole") and len(made):
        first_ps = np.array(served.records.first_ps, np.int64)
        mine = _of_server(served.records, server, first_ps >= 0)
        np.add.at(made, np.searchsorted(np.array(server.history.end_ps, np.int64), first_ps[mine]), 1.0)
    return made


def _of_server(records: Records, server: Server, among: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Numbers of the requests of a server among those marked."""
    return np.flatnonzero((np.array(records.server) == server.number) & among)


def _gaps(server: Server) -> tuple[Floats, Floats]:
    """(seconds since the decoding iteration before, how many tokens waited for it) of each iteration that decodes."""
    history = server.history
    decode = np.array(history.decode, np.int64)
    decodes = np.flatnonzero(decode)
    end = np.array(history.end_ps, np.float64)[decodes] / PS_PER_S
    begin = end - np.array(history.period_ps, np.float64)[decodes] / PS_PER_S
    gap = np.maximum(np.diff(end, prepend=begin[:1] if len(begin) else 0.0), 0.0)
    return gap, (decode - np.array(history.fresh, np.int64))[decodes].astype(np.float64)


def _fill_gaps(records: Records, server: Server, ended: npt.NDArray[np.bool_], found: Floats) -> None:
    """The longest gap between decoding iterations of each request that ended on a server; 0 where there is none."""
    mine = _of_server(records, server, ended)
    found[mine] = 0.0
    decode = np.array(server.history.decode, np.int64) > 0
    first, last = np.array(records.first_iteration)[mine], np.array(records.last_iteration)[mine]
    some = (first >= 0) & (last > first)
    if not some.any():
        return
    gap, _ = _gaps(server)
    passed = np.cumsum(decode)
    edges = np.stack([passed[first[some]], passed[last[some]]], axis=1).ravel()
    found[mine[some]] = np.maximum.reduceat(np.concatenate([gap, [0.0]]), edges)[::2]


def distribution(values: Floats) -> Distribution:
    """Of single values."""
    return weighted(values, np.ones(len(values)))


def weighted(values: Floats, weights: Floats) -> Distribution:
    """Of values that each stand for so many; a percentile is the smallest value that so many do not exceed."""
    kept = weights > 0
    values, weights = values[kept], weights[kept]
    if not len(values):
        nan = float("nan")
        return Distribution(mean=nan, percentiles=(nan,) * len(PERCENTILES), largest=nan)
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    places = np.searchsorted(reached, [share / 100 * reached[-1] for share in PERCENTILES])
    found = values[order][np.minimum(places, len(values) - 1)]
    mean = float((values * weights).sum() / weights.sum())
    return Distribution(mean=mean, percentiles=tuple(found.tolist()), largest=float(values.max()))
