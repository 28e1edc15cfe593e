"""Laws that serving obeys whatever the requests, the memory and the settings; iterations take made-up times."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from attnsim.serving.outcome import Outcome
from attnsim.serving.results import request_table, serving_json
from attnsim.serving.simulate import Served

Serve = Callable[..., Served]
Setting = dict[str, Any]
some = settings(max_examples=60)

asked = st.lists(
    st.tuples(st.integers(0, 20_000), st.integers(1, 40), st.integers(1, 12)), min_size=1, max_size=25
).map(lambda rows: [(at - min(rows)[0], prompt, generated) for at, prompt, generated in sorted(rows)])
in_turn = st.builds(
    lambda mode, tokens: {"mode": mode, "tokens": tokens}, st.sampled_from(["chunked", "whole"]), st.integers(1, 64)
)
elsewhere = st.sampled_from(
    [{"mode": "removed"}, {"mode": "separate", "pool": "prompts", "network": "roce_400g_bypass"}]
)
prefills = st.one_of(elsewhere, in_turn)
kvs = st.sampled_from([{}, {"admission": "whole"}, {"preemption": "swap", "host_link": "64 GB/s"}])
arrivals = st.sampled_from([{}, {"saturated": True}, {"concurrency": 1}, {"concurrency": 4}])
told = st.fixed_dictionaries(
    {
        "pages": st.integers(1, 30),
        "page": st.integers(1, 8),
        "parts": st.sampled_from([1, 3]),
        "replicas": st.integers(1, 3),
        "prefill": prefills,
        "kv": kvs,
        "schedule": st.one_of(st.just({}), st.builds(lambda most: {"max_batch": most}, st.integers(1, 6))),
        "copies": st.integers(1, 2),
        "swap_ps_per_token": st.sampled_from([0.0, 2.5]),
        "arrival": arrivals,
    }
)


def serve(serve_stub: Serve, requests: list[tuple[int, int, int]], told: Setting) -> Served:
    """Times that depend on all of a shape, and are never zero."""
    arrival = told["arrival"]
    rest = {name: value for name, value in told.items() if name != "arrival"}

    def period(decode: int, tokens: int, prefill: int, seen: int) -> int:
        assert decode >= 0
        assert (decode > 0) == (tokens > 0)
        assert (prefill > 0) == (seen > 0)
        assert decode + prefill > 0
        return 500 + 10 * decode + tokens + 20 * prefill + seen

    return serve_stub(requests, period, **rest, **arrival)


@given(requests=asked, told=told)
@some
def test_every_request_ends_once_or_is_rejected(
    serve_stub: Serve, requests: list[tuple[int, int, int]], told: Setting
) -> None:
    served = serve(serve_stub, requests, told)
    records = served.records
    room = told["pages"]
    too_long = [n for n, (_, prompt, made) in enumerate(requests) if -(-(prompt + made) // told["page"]) > room]
    assert sorted(records.rejected) == too_long
    assert [n for n, done in enumerate(records.done_ps) if done < 0] == too_long
    assert all(not server.busy for server in served.servers)


@given(requests=asked, told=told)
@some
def test_pages_are_conserved_and_never_overdrawn(
    serve_stub: Serve, requests: list[tuple[int, int, int]], told: Setting
) -> None:
    for server in serve(serve_stub, requests, told).servers:
        assert all(0 <= taken <= told["pages"] for taken in server.history.pages)
        assert (server.free, server.outstanding, server.in_flight) == (told["pages"], 0, 0)


@given(requests=asked, told=told)
@some
def test_exactly_the_tokens_that_are_asked_for_are_made(
    serve_stub: Serve, requests: list[tuple[int, int, int]], told: Setting
) -> None:
    served = serve(serve_stub, requests, told)
    kept = [n for n in range(len(requests)) if n not in served.records.rejected]
    outcome = Outcome(served)
    assert outcome.tokens == sum(requests[n][2] for n in kept)
    prompts = sum(sum(server.history.prefill) for server in served.servers)
    if served.system.prefill.mode in ("removed", "separate"):
        assert prompts == 0
    elif not any(served.records.preempted):
        assert prompts == sum(requests[n][1] for n in kept)


@given(requests=asked, told=told)
@some
def test_times_of_a_request_are_in_order(
    serve_stub: Serve, requests: list[tuple[int, int, int]], told: Setting
) -> None:
    served = serve(serve_stub, requests, told)
    records, load = served.records, served.load
    for n in range(len(requests)):
        if n not in records.rejected:
            assert load.arrival_ps[n] <= records.admitted_ps[n]
            assert load.arrival_ps[n] < records.first_ps[n] <= records.done_ps[n]
            assert (records.first_ps[n] < records.done_ps[n]) == (requests[n][2] > 1)
    outcome = Outcome(served)
    assert max(records.done_ps) <= round(outcome.duration_s * 1e12)


@given(requests=asked, told=told)
@some
def test_time_goes_on_and_servers_keep_their_limits(
    serve_stub: Serve, requests: list[tuple[int, int, int]], told: Setting
) -> None:
    served = serve(serve_stub, requests, told)
    most = served.system.schedule.max_batch or len(requests)
    for server in served.servers:
        history = server.history
        assert all(one < other for one, other in pairwise(history.end_ps))
        begins = [end - took for end, took in zip(history.end_ps, history.period_ps, strict=True)]
        assert all(end <= begin for end, begin in zip(history.end_ps, begins[1:], strict=False))
        assert max(history.decode, default=0) <= most
        assert all(fresh >= 0 for fresh in history.fresh)
    if served.system.kv.admission == "whole":
        assert sum(served.records.preempted) == 0


@given(requests=asked, told=told)
@some
def test_gaps_between_tokens_add_up(serve_stub: Serve, requests: list[tuple[int, int, int]], told: Setting) -> None:
    outcome = Outcome(serve(serve_stub, requests, told))
    several = outcome.ended & (outcome.generated > 1)
    if several.any():
        spans = (outcome.done - outcome.first)[several]
        count = int((outcome.generated[several] - 1).sum())
        assert abs(outcome.tbt.mean * count / spans.sum() - 1) < 1e-9
        assert (outcome.longest_gap[several] <= spans * (1 + 1e-9)).all()


@given(requests=asked, told=told)
@settings(max_examples=20)
def test_the_same_input_gives_the_same_bytes(
    serve_stub: Serve, requests: list[tuple[int, int, int]], told: Setting
) -> None:
    one, other = (serve(serve_stub, requests, told) for _ in range(2))
    assert asdict(one.records) == asdict(other.records)
    texts = [json.dumps(serving_json(Outcome(served)), allow_nan=False) for served in (one, other)]
    assert texts[0] == texts[1]
    assert request_table(Outcome(one)).equals(request_table(Outcome(other)))


@given(requests=asked, told=told, at=st.integers(1, 40))
@some
def test_an_interrupt_at_any_iteration_leaves_what_was_done_as_it_is(
    serve_stub: Serve, requests: list[tuple[int, int, int]], told: Setting, at: int
) -> None:
    whole = serve(serve_stub, requests, told)
    calls = []

    def period(decode: int, tokens: int, prefill: int, seen: int) -> int:
        calls.append(None)
        if len(calls) == at:
            raise KeyboardInterrupt
        return 500 + 10 * decode + tokens + 20 * prefill + seen

    rest = {name: value for name, value in told.items() if name != "arrival"}
    cut = serve_stub(requests, period, **rest, **told["arrival"])
    assert cut.interrupted == (len(calls) == at)
    for server, other in zip(cut.servers, whole.servers, strict=True):
        assert other.history.end_ps[: len(server.history.end_ps)] == server.history.end_ps
    assert all(done in (-1, later) for done, later in zip(cut.records.done_ps, whole.records.done_ps, strict=True))
    json.dumps(serving_json(Outcome(cut)), allow_nan=False)
    assert request_table(Outcome(cut)).height == len(requests)
