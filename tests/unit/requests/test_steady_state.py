"""Batches that are drawn: lengths as published, contexts as a running server has them, the same for the same seed."""

from __future__ import annotations

import statistics

import pytest

from attnsim.errors import AttnSimError
from attnsim.requests import load_requests, mean_keys
from attnsim.requests.lengths import LogNormal, Mixture, mixture
from attnsim.requests.steady_state import steady_state_batch
from attnsim.specs.trace import load_trace

SHARES = [(i + 0.5) / 2000 for i in range(2000)]

# NeuPIMs, ASPLOS 2024: mean tokens of inputs and outputs.
PUBLISHED = {"share-gpt": (80, 296), "alpaca": (12, 56)}
# Quantiles of the token counts in its artifact, trace-generator/*/stats.tsv: 10, 50, 90 and 99 %, inputs and outputs.
COUNTED = {
    "share-gpt": ((5, 17, 118, 1262), (58, 261, 576, 961)),
    "alpaca": ((8, 11, 17, 27), (6, 41, 122, 249)),
}
# Mean, median and 90 % of contexts: of the 20 batches of 512 in the artifact; a server on the counts of the artifact.
CONTEXTS = {"share-gpt": (304.7, 218, 629), "alpaca": (67.7, 53, 131)}


def inputs(name: str) -> list[int]:
    """Input lengths at shares that cover both parts of a mixture evenly."""
    lengths = mixture(load_trace(name).prompt)
    parts = ((i * 0.6180339887) % 1.0 for i in range(40 * len(SHARES)))
    shares = ((i * 0.7548776662) % 1.0 for i in range(40 * len(SHARES)))
    return [lengths.at(part, max(share, 1e-9)) for part, share in zip(parts, shares, strict=True)]


def outputs(name: str) -> list[int]:
    lengths = mixture(load_trace(name).generated)
    return [lengths.at(0.0, share) for share in SHARES]


def quantile(values: list[int], share: float) -> int:
    return sorted(values)[int(share * len(values))]


@pytest.mark.parametrize("name", PUBLISHED)
def test_mean_lengths_are_the_published_ones(name: str) -> None:
    assert statistics.fmean(inputs(name)) == pytest.approx(PUBLISHED[name][0], rel=0.03)
    assert statistics.fmean(outputs(name)) == pytest.approx(PUBLISHED[name][1], rel=0.01)


@pytest.mark.parametrize("name", PUBLISHED)
def test_lengths_spread_as_those_that_were_counted(name: str) -> None:
    for lengths, counted in zip((inputs(name), outputs(name)), COUNTED[name], strict=True):
        found = [quantile(lengths, share) for share in (0.1, 0.5, 0.9, 0.99)]
        assert found[1:] == pytest.approx(counted[1:], rel=0.15)
        assert found[0] == pytest.approx(counted[0], rel=0.35)


@pytest.mark.parametrize("name", PUBLISHED)
def test_contexts_of_a_large_batch_are_those_of_the_artifact(name: str) -> None:
    keys = [request.keys for request in steady_state_batch(name, 50_000, 3)]
    found = statistics.fmean(keys), quantile(keys, 0.5), quantile(keys, 0.9)
    assert found == pytest.approx(CONTEXTS[name], rel=0.11)
    assert found[0] == pytest.approx(CONTEXTS[name][0], rel=0.02)
    assert min(keys) >= 1
    assert max(keys) <= 2048


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("name", "about"), [("share-gpt", 300), ("alpaca", 66)])
def test_the_mean_context_of_a_batch_is_about_the_same_for_every_seed(name: str, about: float, seed: int) -> None:
    assert mean_keys(steady_state_batch(name, 512, seed)) == pytest.approx(about, rel=0.12)


def test_lengths_taken_as_often_as_they_are_long_have_the_mean_that_this_gives() -> None:
    lengths = LogNormal(median=100.0, sigma=0.8, most=500)
    plain = [lengths.at(share) for share in SHARES]
    by_length = statistics.fmean(lengths.by_length().at(share) for share in SHARES)
    assert by_length == pytest.approx(sum(n * n for n in plain) / sum(plain), rel=0.005)


def test_of_a_mixture_the_longer_part_is_then_chosen_more_often() -> None:
    parts = LogNormal(median=10.0, sigma=0.5, most=100), LogNormal(median=300.0, sigma=0.2, most=900)
    lengths = Mixture(parts=parts, shares=(0.75, 0.25))
    plain = [(part, part.at(share)) for part in parts for share in SHARES]
    weights = [length * (0.75 if part is parts[0] else 0.25) for part, length in plain]
    mean = sum(weight * length for weight, (_, length) in zip(weights, plain, strict=True)) / sum(weights)
    assert lengths.by_length().mean_tokens() == pytest.approx(mean, rel=0.01)
    assert lengths.mean_tokens() == pytest.approx(sum(weights) / len(SHARES), rel=0.005)


def test_contexts_are_cut_only_where_the_trace_says_so() -> None:
    assert max(request.keys for request in steady_state_batch("share-gpt", 5000, 0)) == 2048
    keys = [request.keys for request in steady_state_batch("kimi-conv", 5000, 0)]
    assert max(keys) > 100_000
    assert steady_state_batch("kimi-conv", 10, 0) == steady_state_batch("kimi-conv", 5000, 0)[:10]
    # A prompt, and half of what is generated where it is taken as often as it is long.
    lengths = mixture(load_trace("kimi-conv").generated).by_length()
    assert statistics.fmean(keys) == pytest.approx(12035.1 + lengths.mean_tokens() / 2, rel=0.05)


@pytest.mark.parametrize(
    ("name", "keys"),
    [("share-gpt", [11, 425, 70, 112, 137, 487, 1011, 247]), ("alpaca", [10, 110, 20, 34, 39, 100, 261, 70])],
)
def test_the_same_seed_gives_the_same_batch_on_every_machine(name: str, keys: list[int]) -> None:
    assert [request.keys for request in steady_state_batch(name, 8, 0)] == keys
    assert [request.keys for request in steady_state_batch(name, 8, 1)] != keys


def test_a_smaller_batch_is_the_beginning_of_a_larger_one() -> None:
    assert steady_state_batch("share-gpt", 20, 7)[:8] == steady_state_batch("share-gpt", 8, 7)


def test_a_batch_is_as_large_as_asked_for_or_as_usual() -> None:
    assert len(load_requests("alpaca", batch=5, usual_batch=64, seed=0)) == 5
    assert len(load_requests("alpaca", batch=None, usual_batch=64, seed=0)) == 64


@pytest.mark.parametrize(
    ("trace", "batch", "seed", "said"),
    [
        ("sharegpt", 4, 0, "--trace: there is no trace 'sharegpt'; did you mean share-gpt?"),
        ("alpaca", 0, 0, "--batch: 0 is not a positive number"),
        ("alpaca", 2**31, 0, "--batch: 2147483648 requests are too many to draw"),
        ("alpaca", 4, -1, "--seed: -1 is negative"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_words(trace: str, batch: int, seed: int, said: str) -> None:
    with pytest.raises(AttnSimError) as caught:
        load_requests(trace, batch=batch, usual_batch=1, seed=seed)
    assert str(caught.value).startswith(said)
