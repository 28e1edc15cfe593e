"""Limits that queueing theory knows: one server with constant service, and a closed loop that is always full."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from attnsim.cli import main
from attnsim.serving.machine import Shape, make_machine, read_system
from attnsim.serving.simulate import Served

Counts = npt.NDArray[np.int64]
SERVICE_PS = 10**9
REQUESTS = 40_000


def poisson(share: float, seed: int) -> Counts:
    """Whole picoseconds at which requests come that keep a server busy for a share of the time; the first one at 0."""
    gaps = np.random.default_rng(seed).exponential(SERVICE_PS / share, REQUESTS - 1)
    return np.concatenate([[0], np.cumsum(np.rint(gaps).astype(np.int64))])


def waits(serve_stub: Callable[..., Served], arrival: Counts) -> Counts:
    """Picoseconds that each request waits where each takes the server for one iteration of constant length."""
    asked = [(at, 1, 1) for at in arrival.tolist()]
    served = serve_stub(asked, lambda *_: SERVICE_PS, schedule={"max_batch": 1})
    return np.array(served.records.admitted_ps) - arrival


def lindley(arrival: Counts) -> Counts:
    """W(n+1) = max(0, W(n) + service - gap), unrolled: the sum so far over its least value so far."""
    steps = np.concatenate([[0], np.cumsum(SERVICE_PS - np.diff(arrival))])
    return steps - np.minimum.accumulate(steps)


def controlled_mean(wait: Counts, arrival: Counts, share: float) -> float:
    """Mean wait in service times, less the chance in sums whose expectation is known.

    W(n+1) - I(n) = W(n) + X(n) with X the service less the gap T and I the idle time, of which one is 0 where the other
    is not. Squared and added up: 2 (g - 1) mean W = mean X^2 - mean I^2 - 2 mean W (T - g) with g the mean gap. All on
    the right but the constants has a known mean when gaps are exponential, and the idle time given that there is one
    is as long as a gap, so that mean I^2 - 2 g mean I = 0.
    """
    gap_mean = 1 / share
    gap, before, after = np.diff(arrival) / SERVICE_PS, wait[:-1] / SERVICE_PS, wait[1:] / SERVICE_PS
    step = 1 - gap
    idle = after - before - step
    chance = (
        (step**2).mean()
        - ((1 - gap_mean) ** 2 + gap_mean**2)
        - ((idle**2).mean() - 2 * gap_mean * idle.mean())
        - 2 * gap_mean * (gap.mean() - gap_mean)
        - 2 * (before * (gap - gap_mean)).mean()
    )
    return float(before.mean() - chance / (2 * (gap_mean - 1)))


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_waits_are_those_of_an_m_d_1_queue(serve_stub: Callable[..., Served], share: float) -> None:
    arrival = poisson(share, seed=1)
    found = waits(serve_stub, arrival)
    assert np.array_equal(found, lindley(arrival))
    expected = share / (2 * (1 - share))
    assert controlled_mean(found, arrival, share) == pytest.approx(expected, rel=0.01)
    assert found.mean() / SERVICE_PS == pytest.approx(expected, rel=0.05)


def test_a_queue_that_only_grows_waits_as_the_recursion_says(serve_stub: Callable[..., Served]) -> None:
    arrival = poisson(1.5, seed=2)[:5000]
    found = waits(serve_stub, arrival)
    assert np.array_equal(found, lindley(arrival))
    assert found[-1] > 1000 * SERVICE_PS


def test_nobody_waits_while_a_server_is_idle(serve_stub: Callable[..., Served]) -> None:
    arrival = poisson(1.4, seed=3)[:4000]
    asked = [(at, 1, 1) for at in arrival.tolist()]
    served = serve_stub(asked, lambda *_: SERVICE_PS, schedule={"max_batch": 1}, replicas=2)
    begin, where = np.array(served.records.admitted_ps), np.array(served.records.server)
    free, idle = [0, 0], 0
    for at, began, server in zip(arrival.tolist(), begin.tolist(), where.tolist(), strict=True):
        if min(free) <= at:
            idle += 1
            assert began == at
        assert began == max(at, free[server])
        free[server] = began + SERVICE_PS
    assert idle > 1000


SMALL = """name: small
family: offload
source: none but this test
pools:
  gpus: {hardware: h100_sxm, devices: 1}
layers: {pool: gpus}
prefill: {mode: removed}
"""


def test_a_full_closed_loop_makes_a_token_a_request_in_every_iteration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    system, trace = tmp_path / "small.yaml", tmp_path / "trace.csv"
    system.write_text(SMALL, encoding="utf-8")
    rows = "".join("0,1000,49\n" for _ in range(40 * 24))
    trace.write_text("arrival_s,prompt_tokens,generated_tokens\n" + rows, encoding="utf-8")
    call = ["serve", "--system", str(system), "--model", "llama3_8b", "--set", "model.layers=4"]
    assert main([*call, "--trace", str(trace), "--concurrency", "24", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    # The request in the middle of its answer sees 1025 keys; time is linear in them.
    machine = make_machine(read_system(str(system)), "llama3_8b", ["model.layers=4"])
    kinds = machine.work(Shape(decode=24, keys=1025)).kinds
    inner = kinds["attention"] + sum(kinds[segment.name] for segment in machine.segments())
    iteration_s = (4 * inner + kinds["head"] + kinds["overhead"]) / 1e12
    assert found["tokens_per_s"] == pytest.approx(24 / iteration_s, rel=0.01)
    assert found["batch"] == {"mean": pytest.approx(24), "largest": 24}
    # At least the weights have to be read, at the peak of the memory.
    assert iteration_s > found["weights_read_bytes"] / 3350e9
