"""Arrivals by name: means and gaps as published, the same for the same seed, and every number that is refused."""

from __future__ import annotations

import math
import time
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from attnsim.errors import AttnSimError, SpecError
from attnsim.requests import ArrivalTrace, is_arrival_file, load_arrivals
from attnsim.requests.drawn_arrivals import draw_arrivals, gaps_s
from attnsim.specs.library import names
from attnsim.specs.trace import GapPart, LengthPart, Trace, load_trace

# Lamina (arXiv 2405.01814v2), table 4: requests, mean prompt, mean generated. NeuPIMs, ASPLOS 2024, section 6: means.
PUBLISHED = {
    "azure-conv": (19366, 1154.7, 211.1),
    "azure-code": (8819, 2047.8, 27.9),
    "kimi-conv": (12031, 12035.1, 342.6),
    "kimi-ta": (23608, 8560.0, 182.1),
    "share-gpt": (None, 80, 296),
    "alpaca": (None, 12, 56),
}
# Of the public traces: requests a second, and the standard deviation of gaps over their mean.
ARRIVALS = {"azure-conv": (5.530, 1.094), "azure-code": (2.566, 13.15), "kimi-conv": (3.401, 1.05)}
# Quantiles of the public traces, 10, 50, 90 and 99 %: prompt and generated.
COUNTED = {
    "azure-conv": ((207, 1020, 2734, 4142), (54, 129, 424, 601)),
    "azure-code": ((147, 1469, 5188, 7436), (7, 13, 55, 251)),
    "kimi-conv": ((964, 6909, 27367, 85400), (24, 350, 597, 1119)),
}
NORMAL = NormalDist()


def expected(parts: list[LengthPart], power: int = 1) -> float:
    """Mean of the lengths, or of their square, summed over every length: 1 more for each length that is exceeded."""
    return math.fsum(part.share * own_expected(part, power) for part in parts)


def own_expected(part: LengthPart, power: int) -> float:
    below = [NORMAL.cdf(math.log(length / part.median) / part.sigma) for length in range(1, part.most + 1)]
    more = [1 - share / below[-1] for share in below]
    steps = (((n + 1) ** power - n**power) * share for n, share in enumerate(more, start=1))
    return 1 + math.fsum(steps)


@pytest.mark.parametrize("name", PUBLISHED)
def test_expected_lengths_are_the_published_means(name: str) -> None:
    trace = load_trace(name)
    requests, prompt, generated = PUBLISHED[name]
    assert requests in (None, trace.requests)
    assert trace.published is not None
    assert (trace.published.mean_prompt, trace.published.mean_generated) == (prompt, generated)
    within = 0.001 if requests else 0.02
    assert expected(trace.prompt) == pytest.approx(prompt, rel=within)
    assert expected(trace.generated) == pytest.approx(generated, rel=within)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", PUBLISHED)
def test_drawn_means_are_the_published_ones_within_three_standard_errors(name: str, seed: int) -> None:
    trace, drawn = load_trace(name), load_arrivals(name, seed=seed)
    assert len(drawn) == trace.requests
    for parts, found in ((trace.prompt, drawn.mean_prompt), (trace.generated, drawn.mean_generated)):
        mean = expected(parts)
        error = math.sqrt((expected(parts, 2) - mean**2) / len(drawn))
        assert abs(found - mean) < 3 * error


@pytest.mark.parametrize("name", COUNTED)
def test_drawn_lengths_spread_as_those_of_the_public_trace(name: str) -> None:
    drawn = load_arrivals(name, requests=100_000, seed=3)
    for lengths, counted in zip((drawn.prompt, drawn.generated), COUNTED[name], strict=True):
        assert np.quantile(lengths, [0.1, 0.5, 0.9, 0.99]).tolist() == pytest.approx(counted, rel=0.16)


@pytest.mark.parametrize("name", ARRIVALS)
def test_gaps_come_at_the_rate_and_spread_of_the_public_trace(name: str) -> None:
    rate, spread = ARRIVALS[name]
    trace = load_trace(name)
    assert 1 / trace.mean_gap_s == pytest.approx(rate, rel=0.001)
    squares = sum(part.share * part.mean**2 * (1 + part.cv**2) for part in trace.gaps)
    assert math.sqrt(squares / trace.mean_gap_s**2 - 1) == pytest.approx(spread, rel=0.02)
    drawn = load_arrivals(name, requests=200_000, seed=1)
    gaps = np.diff(drawn.arrival_ps)
    assert drawn.mean_rate_per_s == pytest.approx(rate, rel=3 * spread / math.sqrt(200_000))
    assert gaps.std() / gaps.mean() == pytest.approx(spread, rel=0.1)


def test_a_share_of_the_gaps_is_what_the_gamma_distribution_says() -> None:
    places = np.array([0.1, 0.5, 0.9])
    poisson = gaps_s([GapPart(mean="2 s")], places, places)
    assert poisson.tolist() == pytest.approx([-2 * math.log(1 - share) for share in places])
    # Shape 1/4: for this cv the distribution function at the mean is 0.7408 (Abramowitz and Stegun, 6.5.29, summed).
    assert gaps_s([GapPart(mean="2 s", cv=2.0)], places[:1], np.array([series(0.25, 0.25)])) == pytest.approx([2.0])
    assert gaps_s([GapPart(mean="2 s", cv=0.0)], places, places).tolist() == [2.0, 2.0, 2.0]
    mixed = [GapPart(share=0.5, mean="0 s", cv=0.0), GapPart(share=0.5, mean="2 s", cv=0.0)]
    assert gaps_s(mixed, places, places).tolist() == [0.0, 2.0, 2.0]


def series(shape: float, at: float) -> float:
    """The lower incomplete gamma function over the whole, as a power series."""
    terms = (at**n / math.gamma(shape + n + 1) for n in range(40))
    return at**shape * math.exp(-at) * math.fsum(terms)


@pytest.mark.parametrize("name", PUBLISHED)
def test_fewer_requests_are_the_beginning_of_more_whatever_the_rate(name: str) -> None:
    for rate in (None, 20.0):
        few, many = (load_arrivals(name, requests=n, seed=5, rate=rate) for n in (50, 300))
        assert same(few, many.first(50))
    assert not same(few, load_arrivals(name, requests=50, seed=6, rate=20.0))


def same(one: ArrivalTrace, other: ArrivalTrace) -> bool:
    pairs = ((one.arrival_ps, other.arrival_ps), (one.prompt, other.prompt), (one.generated, other.generated))
    return one.name == other.name and all(np.array_equal(a, b) for a, b in pairs)


def test_the_same_seed_gives_the_same_requests_on_every_machine() -> None:
    drawn = load_arrivals("azure-conv", requests=4, seed=0)
    assert drawn.prompt.tolist() == [1028, 1161, 1399, 397]
    assert drawn.generated.tolist() == [45, 491, 393, 64]
    assert drawn.arrival_ps.tolist() == [0, 173000000, 132333000000, 314899000000]
    assert load_arrivals("azure-code", requests=4, seed=0).arrival_ps.tolist() == [0, 0, 42179000000, 115634000000]


def test_a_rate_stretches_time_and_nothing_else() -> None:
    plain, fast = load_arrivals("azure-conv", seed=2), load_arrivals("azure-conv", seed=2, rate=55.30)
    assert np.array_equal(plain.prompt, fast.prompt)
    assert fast.mean_rate_per_s / plain.mean_rate_per_s == pytest.approx(10, rel=1e-4)
    exact = plain.scaled(8.0)
    assert exact.mean_rate_per_s == pytest.approx(8.0, rel=1e-12)
    assert np.array_equal(exact.generated, plain.generated)
    assert plain.first(1).scaled(8.0).arrival_ps.tolist() == [0]
    assert plain.first(1).mean_rate_per_s == math.inf


def test_a_published_trace_is_drawn_in_less_than_a_third_of_a_second() -> None:
    load_arrivals("azure-conv", requests=2)
    best = math.inf
    for seed in range(3):
        began = time.perf_counter()
        load_arrivals("azure-conv", seed=seed)
        best = min(best, time.perf_counter() - began)
    assert best < 0.3


def test_arrays_of_a_trace_cannot_be_written_to() -> None:
    drawn = load_arrivals("alpaca", requests=3)
    with pytest.raises(ValueError, match="read-only"):
        drawn.prompt[0] = 1
    with pytest.raises(AttnSimError, match="--requests: alpaca has 3 requests, and 4 are asked for; give"):
        drawn.first(4)


def test_all_at_once_has_no_rate() -> None:
    none = np.zeros(3, np.int64)
    burst = ArrivalTrace(name="burst", arrival_ps=none, prompt=none + 1, generated=none + 1)
    with pytest.raises(AttnSimError, match="--rate: all requests of burst arrive at once, which no rate changes"):
        burst.scaled(2.0)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"trace": "azure-convo"}, "--trace: there is no trace 'azure-convo'; did you mean azure-conv? known: alpaca,"),
        ({"trace": ""}, "--trace: there is no trace ''; known: alpaca, azure-code"),
        ({"trace": "alpaca", "requests": 0}, "--requests: 0 is out of range; give a number from 1 to 10000000"),
        ({"trace": "alpaca", "requests": 10**7 + 1}, "--requests: 10000001 is out of range"),
        ({"trace": "alpaca", "seed": -1}, "--seed: -1 is negative"),
        ({"trace": "alpaca", "rate": 0.0}, "--rate: 0 is not a number from 1e-09 to 1e+12"),
        ({"trace": "alpaca", "rate": math.nan}, "--rate: nan is not a number"),
        ({"trace": "alpaca", "rate": math.inf}, "--rate: inf is not a number"),
        ({"trace": "alpaca", "rate": 1e-6}, "--rate: 10000 requests at this rate arrive over more than 9000000 s"),
        ({"trace": "nowhere/mine.yaml"}, "there is no file 'nowhere/mine.yaml'"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_had_is_said_in_words(asked: dict[str, object], said: str) -> None:
    with pytest.raises(AttnSimError) as caught:
        load_arrivals(**asked)  # type: ignore[arg-type]
    assert str(caught.value).startswith(said)


def test_all_numbers_out_of_range_are_named_at_once() -> None:
    with pytest.raises(AttnSimError) as caught:
        load_arrivals("alpaca", requests=0, seed=-1, rate=-1.0)
    assert [problem.path for problem in caught.value.problems] == ["--requests", "--seed", "--rate"]


OWN = """name: mine
source: none but this test
requests: 3
prompt:
  - {share: 0.5, median: 10, sigma: 1.0, most: 100}
  - {share: 0.5, median: 90, sigma: 1.0, most: 200}
generated: [{median: 10, sigma: 1.0, most: 100}]
gaps: [{mean: 1 ms}]
"""


def test_requests_are_drawn_from_a_spec_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(OWN, encoding="utf-8")
    drawn = load_arrivals(str(path), seed=1)
    assert (drawn.name, len(drawn)) == ("mine", 3)
    assert same(drawn, draw_arrivals(load_trace(str(path)), 3, 1))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("share: 0.5, median: 10,", "share: 0.4, median: 10,", ":4: prompt: the shares add up to 0.9; write shares"),
        ("median: 90,", "median: 90000,", ":6: prompt.1.most: only a share of 5e-10 of the lengths about 90000 lies"),
        ("mean: 1 ms", "mean: 0 s", ":8: gaps: a request comes every 0 s; write means that give a gap from 1 us"),
        ("mean: 1 ms", "mean: 1", ":8: gaps.0.mean: 1 has no unit; write a time with its unit"),
        ("most: 200", "most: 0", ":6: prompt.1.most: 0 is out of range"),
        ("sigma: 1.0, most: 200", "sigma: 0, most: 200", ":6: prompt.1.sigma: 0 is out of range"),
        ("requests: 3", "requests: 0", ":3: requests: 0 is out of range"),
    ],
)
def test_contradictions_in_a_spec_are_found_at_their_line(old: str, new: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(OWN.replace(old, new), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_arrivals(str(path))
    assert str(caught.value).startswith(f"{path}{said}")


@pytest.mark.parametrize("name", names("trace"))
def test_a_shipped_trace_is_no_path_and_is_called_as_its_file_is(name: str) -> None:
    assert not is_arrival_file(name)
    assert isinstance(load_trace(name), Trace)
    assert load_trace(name).name == name
    assert is_arrival_file(f"{name}.csv")
    assert is_arrival_file(f"./{name}")
    assert is_arrival_file(f"{name}.yaml")
