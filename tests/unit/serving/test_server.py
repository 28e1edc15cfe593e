"""One server with times that the test chooses: pages, order, preemption, and how prompts are worked on."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from attnsim.serving.outcome import Outcome
from attnsim.serving.records import History
from attnsim.serving.simulate import Served

Serve = Callable[..., Served]
Asked = list[tuple[int, int, int]]

PS = 1000
"""Of every iteration, unless a test says otherwise."""
PREFILLS: dict[str, dict[str, object]] = {
    "removed": {"mode": "removed"},
    "chunked": {"mode": "chunked", "tokens": 16},
    "whole": {"mode": "whole", "tokens": 16},
    "separate": {"mode": "separate", "pool": "prompts", "network": "roce_400g_bypass"},
}
ADMISSIONS: dict[str, dict[str, object]] = {
    "recompute": {},
    "swap": {"preemption": "swap", "host_link": "64 GB/s"},
    "whole": {"admission": "whole"},
}


def crowd(seed: int, count: int = 60) -> Asked:
    """Requests that come close together; some generate a single token."""
    draw = random.Random(seed)
    times = sorted(draw.randrange(30 * PS) for _ in range(count))
    return [(at - times[0], draw.randint(1, 30), draw.choice([1, 1, 2, 3, 9, 20])) for at in times]


def test_a_request_waits_until_its_pages_are_free(serve_stub: Serve) -> None:
    served = serve_stub([(0, 18, 2), (0, 18, 2)], pages=9, page=4)
    assert served.records.admitted_ps == [0, served.records.done_ps[0]]
    assert served.records.done_ps == [2 * PS, 4 * PS]
    beside = serve_stub([(0, 18, 2), (0, 18, 2)], pages=10, page=4)
    assert beside.records.admitted_ps == [0, 0]


def test_a_new_page_is_taken_when_the_last_one_is_full(serve_stub: Serve) -> None:
    # 7 tokens on 2 pages of 4: the second token is the first on page 3, the sixth the first on page 4.
    served = serve_stub([(0, 7, 7)], page=4)
    assert list(served.servers[0].history.pages) == [2, 3, 3, 3, 3, 4, 0]


@pytest.mark.parametrize("kv", ADMISSIONS)
@pytest.mark.parametrize("mode", PREFILLS)
@pytest.mark.parametrize("seed", [1, 2])
def test_pages_are_never_overdrawn_and_all_come_back(serve_stub: Serve, mode: str, kv: str, seed: int) -> None:
    pages = 17
    served = serve_stub(
        crowd(seed), pages=pages, page=4, prefill=PREFILLS[mode], kv=ADMISSIONS[kv], swap_ps_per_token=3.0
    )
    server = served.servers[0]
    assert all(0 <= taken <= pages for taken in server.history.pages)
    assert max(server.history.pages) > pages // 2
    assert (server.free, server.outstanding, server.in_flight, server.busy) == (pages, 0, 0, False)
    assert min(served.records.done_ps) >= 0
    assert (sum(served.records.preempted) > 0) == (kv != "whole")


@pytest.mark.parametrize("kv", ADMISSIONS)
@pytest.mark.parametrize("mode", PREFILLS)
def test_every_request_makes_exactly_its_tokens(serve_stub: Serve, mode: str, kv: str) -> None:
    asked = crowd(3)
    served = serve_stub(asked, pages=17, page=4, prefill=PREFILLS[mode], kv=ADMISSIONS[kv])
    decoded = sum(served.servers[0].history.decode)
    from_prompts = 0 if mode == "removed" else len(asked)
    assert decoded + from_prompts == sum(generated for _, _, generated in asked)
    outcome = Outcome(served)
    assert outcome.tokens == decoded + from_prompts
    assert sum(per.sum() for per in outcome._made) + len(outcome._from_prefill) == outcome.tokens


@pytest.mark.parametrize("mode", PREFILLS)
def test_a_request_on_its_own_decodes_once_for_each_token_that_its_prompt_does_not_give(
    serve_stub: Serve, mode: str
) -> None:
    for generated in range(1, 6):
        records = serve_stub([(0, 10, generated)], prefill=PREFILLS[mode]).records
        decoding = generated - (mode != "removed")
        iterations = (
            records.last_iteration[0] - records.first_iteration[0] + 1 if records.first_iteration[0] >= 0 else 0
        )
        assert iterations == decoding


# Two requests that together need 6 of 4 pages: in iteration 3 both have 8 tokens and want another page, so that the
# younger one goes, and comes back after the older one has ended with iteration 6.
TIGHT = [(0, 7, 6), (0, 7, 6)]


def test_the_youngest_request_is_computed_again_when_pages_run_out(serve_stub: Serve) -> None:
    served = serve_stub(TIGHT, pages=4, page=4, prefill={"mode": "chunked"})
    history, records = served.servers[0].history, served.records
    assert records.preempted == [0, 1]
    assert list(history.decode) == [0, 2, 1, 1, 1, 1, 0, 1, 1, 1, 1]
    assert list(history.prefill) == [14, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0]
    assert records.first_ps == [PS, PS]
    assert records.done_ps == [6 * PS, 11 * PS]


def test_a_preempted_request_comes_back_before_those_that_still_wait(serve_stub: Serve) -> None:
    served = serve_stub([*TIGHT, (2 * PS, 15, 1)], pages=4, page=4, prefill={"mode": "chunked"})
    assert served.records.preempted == [0, 1, 0]
    assert served.records.done_ps == [6 * PS, 11 * PS, 12 * PS]


def test_swapping_moves_the_tokens_out_and_in_again(serve_stub: Serve) -> None:
    swap = ADMISSIONS["swap"]
    served = serve_stub(TIGHT, pages=4, page=4, prefill={"mode": "chunked"}, kv=swap, swap_ps_per_token=2.5)
    history, records = served.servers[0].history, served.records
    assert records.preempted == [0, 1]
    assert list(history.period_ps) == [PS, PS, PS + 20, PS, PS, PS, PS + 20, PS, PS, PS]
    assert list(history.prefill) == [14, *[0] * 9]
    assert records.done_ps == [6 * PS + 20, 10 * PS + 40]


def test_a_request_that_has_pages_for_all_its_life_is_never_preempted(serve_stub: Serve) -> None:
    served = serve_stub(TIGHT, pages=4, page=4, prefill={"mode": "chunked"}, kv={"admission": "whole"})
    assert served.records.preempted == [0, 0]
    assert served.records.admitted_ps == [0, 6 * PS]


def test_what_can_never_fit_is_rejected_and_the_others_are_served(serve_stub: Serve) -> None:
    for mode in PREFILLS:
        asked = [(0, 5, 5), (PS, 39, 2), (PS, 38, 2), (2 * PS, 3, 3)]
        served = serve_stub(asked, pages=10, page=4, prefill=PREFILLS[mode])
        assert served.records.rejected == [1]
        assert [done >= 0 for done in served.records.done_ps] == [True, False, True, True]
        assert served.records.first_ps[1] == served.records.admitted_ps[1] == -1
        assert Outcome(served).tokens == 5 + 2 + 3


def test_a_rejected_request_that_comes_last_does_not_make_the_run_longer(serve_stub: Serve) -> None:
    served = serve_stub([(0, 5, 5), (10**15, 100, 1)], pages=10, page=4)
    assert Outcome(served).duration_s == 5 * PS / 1e12


@pytest.mark.parametrize("mode", PREFILLS)
def test_no_more_decode_at_once_than_the_largest_batch(serve_stub: Serve, mode: str) -> None:
    served = serve_stub(crowd(4), prefill=PREFILLS[mode], schedule={"max_batch": 3})
    assert max(served.servers[0].history.decode) == 3


@pytest.mark.parametrize("mode", ["removed", "chunked", "whole"])
def test_requests_are_let_in_in_the_order_of_their_arrival(serve_stub: Serve, mode: str) -> None:
    asked = crowd(5)
    served = serve_stub(asked, pages=12, page=4, prefill=PREFILLS[mode], kv={"admission": "whole"})
    fits = [n for n in range(len(asked)) if n not in served.records.rejected]
    admitted = [served.records.admitted_ps[n] for n in fits]
    assert all(one <= other for one, other in pairwise(admitted))
    assert len(set(admitted)) > 10


def test_prompts_and_decoding_share_the_tokens_of_a_chunked_iteration(serve_stub: Serve) -> None:
    shapes = []

    def period(*shape: int) -> int:
        shapes.append(shape)
        return PS

    served = serve_stub([(0, 3, 4), (PS, 10, 1)], period, prefill={"mode": "chunked", "tokens": 6})
    # (decoding, keys that they see, tokens of prompts, keys that these see): 5 tokens beside one that decodes.
    assert shapes == [(0, 0, 3, 6), (1, 4, 5, 15), (1, 5, 5, 5 * 5 + 15), (1, 6, 0, 0)]
    assert served.records.first_ps == [PS, 3 * PS]
    assert served.records.done_ps == [4 * PS, 3 * PS]


def test_whole_prompts_go_alone_as_many_as_make_up_the_tokens(serve_stub: Serve) -> None:
    shapes = []

    def period(*shape: int) -> int:
        shapes.append(shape)
        return PS

    asked = [(0, 3, 4), (0, 3, 4), (0, 3, 2), (2 * PS, 50, 2)]
    served = serve_stub(asked, period, prefill={"mode": "whole", "tokens": 6})
    assert shapes[:4] == [(0, 0, 6, 12), (0, 0, 3, 6), (0, 0, 50, 1275), (4, 3 * 4 + 51, 0, 0)]
    assert served.records.first_ps == [PS, PS, 2 * PS, 3 * PS]


def test_a_separate_prefill_takes_prompts_in_order_and_sends_what_it_kept(serve_stub: Serve) -> None:
    # A message on this link: 16.5 us, and a byte a token at 0.914 of 50 GB/s.
    sent = 16_500_000 + round(10 / 45.7e9 * 1e12)
    served = serve_stub([(0, 10, 2), (100, 10, 1), (100, 10, 2)], prefill=PREFILLS["separate"])
    assert served.records.first_ps == [1000, 2000, 3000]
    assert served.records.admitted_ps[0] == 1000 + sent
    assert served.records.done_ps == [1000 + sent + PS, 2000, 1000 + sent + 3 * PS]
    assert served.prefill is not None
    assert served.prefill.busy_ps == 3000
    two = serve_stub([(0, 10, 2), (100, 10, 1), (100, 10, 2)], prefill=PREFILLS["separate"], copies=2)
    assert two.records.first_ps == [1000, 1100, 2000]


def test_equal_requests_spread_evenly_over_equal_servers(serve_stub: Serve) -> None:
    asked = [(0, 8, 5)] * 12
    one, three = (serve_stub(asked, replicas=n, schedule={"max_batch": 2}) for n in (1, 3))
    assert sorted(three.records.server) == [0] * 4 + [1] * 4 + [2] * 4
    assert max(one.records.done_ps) == 3 * max(three.records.done_ps) == 30 * PS


def test_a_request_goes_where_the_fewest_tokens_are_to_come(serve_stub: Serve) -> None:
    served = serve_stub([(0, 90, 10), (1, 8, 5), (2, 8, 5)], replicas=2)
    assert served.records.server == [0, 1, 1]


@pytest.mark.parametrize("mode", PREFILLS)
def test_a_closed_loop_keeps_its_concurrency(serve_stub: Serve, mode: str) -> None:
    count, at_once = 40, 5
    asked = [(at, prompt, generated) for at, prompt, generated in crowd(6, count)]
    served = serve_stub(asked, prefill=PREFILLS[mode], concurrency=at_once, replicas=2)
    arrival, done = served.load.arrival_ps, served.records.done_ps
    assert arrival[:at_once] == [0] * at_once
    assert sorted(arrival[at_once:]) == sorted(done)[: count - at_once]


def test_a_rejected_request_makes_room_in_a_closed_loop(serve_stub: Serve) -> None:
    served = serve_stub([(0, 100, 1)] * 3000 + [(0, 5, 2)], pages=10, page=4, concurrency=2)
    assert len(served.records.rejected) == 3000
    assert served.records.done_ps[-1] == 2 * PS


def test_an_iteration_waits_for_the_device_with_the_most_tokens(serve_stub: Serve) -> None:
    shapes = []

    def period(*shape: int) -> int:
        shapes.append(shape[:2])
        return PS

    serve_stub([(0, 10, 2), (0, 4, 2), (0, 4, 1)], period, parts=2)
    # One device has 10 tokens, the other 4 + 4: as if both had 10, and a new token for each request.
    assert shapes == [(3, 23), (2, 24)]


def test_an_interrupt_keeps_what_has_ended(serve_stub: Serve) -> None:
    calls = []

    def period(*shape: int) -> int:
        calls.append(shape)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return PS

    for mode in PREFILLS:
        calls.clear()
        served = serve_stub(crowd(7), period, prefill=PREFILLS[mode], prompt_period=lambda prompt: 10**6 * prompt)
        outcome = Outcome(served)
        assert served.interrupted
        assert len(served.servers[0].history.end_ps) == 9
        assert max(served.records.first_ps) <= served.servers[0].clock_ps
        assert 0 < outcome.tokens < sum(generated for _, _, generated in crowd(7))
        assert outcome.longest_gap.shape == outcome.ended.shape


def test_an_iteration_that_an_interrupt_tore_is_left_out() -> None:
    history = History()
    history.add(10, 10, 1, 0, 1)
    history.add(20, 10, 1, 0, 0)
    del history.prefill[-1], history.fresh[-1]
    history.leave_out_torn()
    columns = (history.end_ps, history.period_ps, history.decode, history.prefill, history.fresh)
    assert [list(column) for column in columns] == [[10], [10], [1], [0], [1]]
