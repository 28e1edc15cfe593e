"""Latencies and shares from histories that the test makes by hand."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from attnsim.serving.outcome import Outcome, weighted
from attnsim.serving.simulate import Served
from attnsim.serving.slo import Slo, parse_slo

Serve = Callable[..., Served]
PS = 1e-12


def periods_of(*lengths: int) -> Callable[..., int]:
    """Iterations that take these picoseconds one after the other."""
    left = iter(lengths)
    return lambda *shape: next(left)


def test_percentiles_are_the_smallest_values_that_so_many_do_not_exceed() -> None:
    found = weighted(np.arange(1.0, 101.0), np.ones(100))
    assert (found.mean, found.percentiles, found.largest) == (50.5, (50.0, 90.0, 99.0), 100.0)
    heavy = weighted(np.array([3.0, 1.0, 9.0]), np.array([2.0, 97.0, 0.0]))
    assert heavy.percentiles == (1.0, 1.0, 3.0)
    assert heavy.largest == 3.0
    assert heavy.mean == pytest.approx((97 + 6) / 99)
    assert math.isnan(weighted(np.empty(0), np.empty(0)).mean)


def test_times_of_a_request_are_those_of_its_iterations(serve_stub: Serve) -> None:
    served = serve_stub([(0, 5, 3), (150, 5, 2)], periods_of(100, 70, 200, 30))
    outcome = Outcome(served)
    # Iterations end at 100, 170, 370; the second request comes at 150, is let in at 170 and decodes twice.
    assert outcome.ttft.tolist() == pytest.approx([100 * PS, 220 * PS])
    assert outcome.queueing.tolist() == pytest.approx([0, 20 * PS])
    assert outcome.latency.tolist() == pytest.approx([370 * PS, 250 * PS])
    assert outcome.tpot.tolist() == pytest.approx([135 * PS, 30 * PS])
    assert outcome.longest_gap.tolist() == pytest.approx([200 * PS, 30 * PS])
    assert outcome.duration_s == 400 * PS
    assert outcome.tokens_per_s == pytest.approx(5 / 400e-12)


def test_the_gap_to_the_second_token_counts_after_a_prompt(serve_stub: Serve) -> None:
    # The prompt of the second request makes the first one wait for 500.
    chunked = {"mode": "whole", "tokens": 8}
    served = serve_stub([(0, 8, 3), (110, 8, 2)], periods_of(100, 40, 500, 60), prefill=chunked)
    outcome = Outcome(served)
    assert outcome.ttft.tolist() == pytest.approx([100 * PS, 530 * PS])
    assert outcome.longest_gap.tolist() == pytest.approx([560 * PS, 60 * PS])
    assert sorted(gaps_of(outcome)) == pytest.approx([40 * PS, 60 * PS, 560 * PS])


def gaps_of(outcome: Outcome) -> list[float]:
    """All gaps between tokens, from mean, percentiles and largest of three of them."""
    found = outcome.tbt
    middle = found.percentiles[0]
    return [3 * found.mean - middle - found.largest, middle, found.largest]


def test_a_preempted_request_waits_from_its_last_token_to_the_next(serve_stub: Serve) -> None:
    # The younger one has tokens at 1000 and 2000, makes room until the older one has ended at 6000, is computed again
    # until 7000, and has its next token at 8000.
    served = serve_stub([(0, 7, 6), (0, 7, 6)], pages=4, page=4, prefill={"mode": "chunked"})
    outcome = Outcome(served)
    assert outcome.longest_gap.tolist() == pytest.approx([1000 * PS, 6000 * PS])
    assert outcome.tbt.largest == pytest.approx(6000 * PS)
    assert outcome.tbt.mean == pytest.approx((9 * 1000 + 6000) / 10 * PS)


@pytest.mark.parametrize("mode", ["removed", "chunked", "whole"])
@pytest.mark.parametrize("preemption", ["recompute", "swap"])
def test_gaps_add_up_to_the_time_from_the_first_token_to_the_last(
    serve_stub: Serve, mode: str, preemption: str
) -> None:
    draw = random.Random(5)
    asked = [(200 * n, draw.randint(1, 20), draw.randint(1, 15)) for n in range(60)]
    kv = {"preemption": preemption, "host_link": "64 GB/s"}
    prefill = {"mode": mode, "tokens": 16}
    served = serve_stub(
        asked,
        lambda decode, tokens, prompts, seen: 100 * decode + tokens + 7 * prompts,
        pages=14,
        page=4,
        prefill=prefill,
        kv=kv,
        swap_ps_per_token=3.0,
    )
    assert sum(served.records.preempted) > 5
    outcome = Outcome(served)
    several = outcome.generated > 1
    spans = (outcome.done - outcome.first)[several]
    count = int((outcome.generated[several] - 1).sum())
    assert outcome.tbt.mean * count == pytest.approx(spans.sum())
    assert (outcome.longest_gap[several] <= spans + 1e-15).all()
    assert (outcome.longest_gap[several] >= spans / (outcome.generated[several] - 1) - 1e-15).all()
    assert outcome.tbt.largest == pytest.approx(outcome.longest_gap.max())


def test_an_objective_is_kept_by_requests_below_all_limits(serve_stub: Serve) -> None:
    asked = [(0, 5, 3), (150, 5, 2), (151, 10_000, 1)]
    served = serve_stub(asked, periods_of(100, 70, 200, 30), pages=20)
    kept = Outcome(served, parse_slo("ttft=0.15 ns, tbt=0.25 ns")).kept
    assert kept is not None
    assert kept.shares == {"ttft": pytest.approx(1 / 3), "tbt": pytest.approx(2 / 3)}
    assert kept.share == pytest.approx(1 / 3)
    assert kept.tokens_per_s == pytest.approx(3 / 400e-12)
    assert kept.best_s == {"ttft": pytest.approx(100e-12), "tbt": pytest.approx(30e-12)}
    assert Outcome(served).kept is None


def test_nothing_that_ended_is_nothing_that_keeps(serve_stub: Serve) -> None:
    served = serve_stub([(0, 1000, 1)], pages=2)
    outcome = Outcome(served, Slo(limits_s=(("ttft", 1.0),)))
    assert outcome.kept is not None
    assert outcome.kept.share == outcome.tokens_per_s == outcome.duration_s == 0.0
    assert math.isnan(outcome.tbt.mean)
    assert math.isnan(outcome.kept.best_s["ttft"])


def test_the_steady_part_leaves_out_beginning_and_end(serve_stub: Serve) -> None:
    # One request at a time, of 10 tokens; 2 of 10 end before 200 and 8 by 900, where places count from 0.
    served = serve_stub([(0, 5, 10)] * 10, lambda *_: 10, schedule={"max_batch": 1})
    outcome = Outcome(served)
    since, until = outcome.window_s
    assert (since, until) == pytest.approx((300 * PS, 900 * PS))
    assert outcome.steady_tokens_per_s == pytest.approx(1 / 10e-12)
    assert [outcome.batch(), outcome.batch(since, until)] == pytest.approx([1.0, 1.0])


def test_price_is_that_of_all_devices_over_the_run(serve_stub: Serve) -> None:
    outcome = Outcome(serve_stub([(0, 5, 10)], lambda *_: 3_600_000_000))
    assert outcome.price_usd_per_hour == 1.0
    assert outcome.usd == pytest.approx(0.036 / 3600)
    assert outcome.energy_j is None


def test_records_of_time_are_in_order(serve_stub: Serve) -> None:
    served = serve_stub([(0, 5, 4), (5, 6, 7), (9, 30, 1)], prefill={"mode": "chunked", "tokens": 8})
    ends = list(served.servers[0].history.end_ps)
    assert all(one < other for one, other in pairwise(ends))
