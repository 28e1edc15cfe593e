"""Iterations of few layers whose times are added up by hand."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pytest

from attnsim.engine import run
from attnsim.serving import iteration
from attnsim.serving.iteration import ROTATING_ROUNDS, Layout, Template, Wire, make_template, measure_round

LAYERS = 2
BYTE_A_PS = Wire(capacity=1e12, per_flow=1e12)
# Segments of a layer: 40 before attention, 60 after it.
PARTS = {"q": 10, "kv": 30, "o": 25, "ffn": 35}
HERE = PARTS | {"attention": 100, "head": 50, "overhead": 9}
MESSAGES = ("queries out", "keys and values out", "all out", "results back")


def layout(**changed: object) -> Layout:
    """One batch on one device, unless something is changed."""
    told: dict[str, object] = {
        "layers": LAYERS,
        "batches": 1,
        "executors": 1,
        "staged": False,
        "before": ("q", "kv"),
        "after": ("o", "ffn"),
        "reduced": frozenset(),
        "link": None,
        "network": None,
        "early": False,
    }
    return Layout(**(told | changed))  # type: ignore[arg-type]


def away(**changed: object) -> Layout:
    """Attention on a pool of its own, two batches in flight, unless something is changed."""
    return layout(**({"network": BYTE_A_PS, "batches": 2} | changed))


def elsewhere(attention: int, latency: int = 0, **changed: int) -> Mapping[str, int]:
    """Works with attention across a network whose messages have no bytes; one way takes `latency`."""
    messages = {f"{name} latency": latency for name in MESSAGES} | {f"{name} bytes": 0 for name in MESSAGES}
    free = {"head": 0, "overhead": 0, "attention to the new token": 0}
    return PARTS | messages | free | {"attention": attention} | changed


def period(of: Layout, works: Mapping[str, int]) -> int:
    return measure_round(make_template(of), works).period_ps


def test_one_batch_is_the_sum_of_its_parts() -> None:
    assert period(layout(), HERE) == LAYERS * (10 + 30 + 100 + 25 + 35) + 50 + 9


def test_results_are_added_up_after_each_segment_that_asks_for_it() -> None:
    sums = {"sum of o latency": 5, "sum of o bytes": 7, "sum of ffn latency": 5, "sum of ffn bytes": 11}
    summed = layout(reduced=frozenset({"o", "ffn"}), link=BYTE_A_PS)
    assert period(summed, HERE | sums) == LAYERS * (200 + 5 + 7 + 5 + 11) + 50 + 9
    only = layout(reduced=frozenset({"ffn"}), link=Wire(capacity=0.5e12, per_flow=0.5e12))
    assert period(only, HERE | sums) == LAYERS * (200 + 5 + 2 * 11) + 50 + 9


def test_busy_times_are_those_of_an_iteration() -> None:
    sums = {"sum of o latency": 5, "sum of o bytes": 7}
    found = measure_round(make_template(layout(reduced=frozenset({"o"}), link=BYTE_A_PS)), HERE | sums)
    assert found.busy_ps["layers"] == LAYERS * 200 + 50
    assert found.busy_ps["link"] == pytest.approx(LAYERS * 7)
    # Where the last iteration ends, nothing follows that would fill the gaps of less than a slice.
    split = measure_round(make_template(away(layers=100)), elsewhere(100))
    assert split.period_ps == 2 * 100 * 100
    assert split.busy_ps["layers"] == pytest.approx(split.period_ps, abs=100)
    assert split.busy_ps["attention"] == pytest.approx(split.period_ps, abs=100)


@pytest.mark.parametrize(
    ("attention", "latency", "bound"),
    [
        (100, 0, "balanced"),
        (60, 20, "balanced"),
        (60, 60, "chain"),
        (150, 0, "attention"),
        (150, 10, "attention"),
    ],
)
def test_two_batches_take_turns_at_the_layers_and_at_attention(attention: int, latency: int, bound: str) -> None:
    bounds = {
        "layers": 2 * LAYERS * 100,
        "chain": LAYERS * (100 + attention + 2 * latency),
        "attention": 2 * LAYERS * attention,
    }
    assert period(away(), elsewhere(attention, latency)) == max(bounds.values())
    if bound == "balanced":
        assert bounds["layers"] == bounds["chain"]
    else:
        assert max(bounds, key=lambda name: bounds[name]) == bound


@pytest.mark.parametrize(("attention", "latency"), [(50, 10), (80, 5), (0, 0)])
def test_layers_that_have_most_to_do_set_the_pace(attention: int, latency: int) -> None:
    # The last iteration ends a part of a slice too early, because nothing follows it.
    found = period(away(layers=100), elsewhere(attention, latency))
    assert 2 * 100 * 100 - 100 < found <= 2 * 100 * 100


@pytest.mark.parametrize(("copies", "attention"), [(1, 100), (2, 50), (4, 25)])
def test_one_batch_more_than_copies_keeps_all_of_them_busy(copies: int, attention: int) -> None:
    # Lamina, arXiv 2405.01814, section 4.3: with n copies attention takes 1/n of a slice, n + 1 batches are in flight.
    found = measure_round(make_template(away(batches=copies + 1, executors=copies, layers=60)), elsewhere(attention))
    assert found.period_ps == 60 * (100 + attention)
    assert found.busy_ps["layers"] == pytest.approx(found.period_ps, abs=100)


@pytest.mark.parametrize(("copies", "works"), [(2, (144, 19, 296)), (3, (32, 28, 12)), (3, (131, 21, 245))])
def test_copies_in_rotation_have_found_their_rhythm(copies: int, works: tuple[int, int, int]) -> None:
    attention, latency, head = works
    told = elsewhere(attention, latency, head=head)
    one = make_template(away(batches=copies + 1, executors=copies, layers=60, early=True))
    ends = run(one.filled(told)).end_ps[one.ends].max(axis=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(iteration, "ROTATING_ROUNDS", 24)
        long = make_template(away(batches=copies + 1, executors=copies, layers=60, early=True))
    later = run(long.filled(told)).end_ps[long.ends].max(axis=1)
    assert later[: len(ends) - 1].tolist() == ends[:-1].tolist()
    assert measure_round(one, told).period_ps == pytest.approx((later[-2] - later[-14]) / 12, rel=0.005)


def test_queries_sent_early_hide_keys_and_values_behind_attention() -> None:
    late, early = away(batches=1), away(batches=1, early=True)
    works = elsewhere(200, 20, **{"attention to the new token": 4})
    assert period(late, works) == LAYERS * (10 + 30 + 20 + 200 + 20 + 60)
    # Keys and values and their message end 50 after the queries, attention 220 after them.
    assert period(early, works) == LAYERS * (10 + 20 + 200 + 4 + 20 + 60)


def test_queries_sent_early_hide_short_attention_behind_keys_and_values() -> None:
    works = elsewhere(5, 20, **{"attention to the new token": 4})
    assert period(away(batches=1, early=True), works) == LAYERS * (10 + 30 + 20 + 4 + 20 + 60)


def test_messages_of_two_batches_share_the_network() -> None:
    # Both send 50 bytes at once over a network of 1 byte/ps, of which one message may take all, or a quarter.
    works = elsewhere(1, 0, **{"all out bytes": 100, "results back bytes": 100})
    slow = away(batches=1, network=Wire(capacity=1e12, per_flow=0.25e12))
    assert period(away(batches=1), works) == LAYERS * (100 + 1 + 200)
    assert period(slow, works) == LAYERS * (100 + 1 + 800)


@pytest.mark.parametrize("stages", [1, 2, 4])
def test_a_pipeline_of_p_stages_serves_p_batches_in_the_time_of_one(stages: int) -> None:
    works = PARTS | {"attention": 100, "head": 0, "overhead": 0, "hand over latency": 0, "hand over bytes": 0}
    one = layout(layers=8, executors=stages, staged=stages > 1, link=BYTE_A_PS)
    full = layout(layers=8, executors=stages, staged=stages > 1, link=BYTE_A_PS, batches=stages)
    assert period(one, works) == period(full, works) == 8 * 200


def test_a_stage_hands_over_once_to_the_next() -> None:
    works = HERE | {"hand over latency": 3, "hand over bytes": 4}
    assert period(layout(layers=6, executors=3, staged=True, link=BYTE_A_PS), works) == 6 * 200 + 2 * 7 + 50 + 9


def test_the_slowest_stage_sets_the_pace() -> None:
    works = HERE | {"hand over latency": 0, "hand over bytes": 0, "overhead": 0}
    # 3 layers on 2 stages: two of them on the first, the third with the head on the second.
    uneven = layout(layers=3, executors=2, staged=True, link=BYTE_A_PS, batches=3)
    assert period(uneven, works) == 3 * 2 * 200


def test_slices_go_to_the_copies_in_rotation() -> None:
    template = make_template(away(executors=2, batches=3, layers=3, early=True))
    for batch in range(3):
        # What is before the first attention, two slices between attentions, and what is after the last one.
        wanted = [[f"layers[{(batch + k) % 2}]"] * length for k, length in enumerate((2, 4, 4, 3))]
        assert executors_of(template, batch) == [name for part in wanted for name in part] * ROTATING_ROUNDS


def executors_of(template: Template, batch: int) -> list[str]:
    """The copy that computes each task of a batch, in the order of the graph."""
    graph = template.graph
    tasks = np.flatnonzero(graph.origins.tiles == batch).tolist()
    names = [graph.resources[int(graph.resource[task])].name for task in tasks]
    return [name for name in names if name.startswith("layers")]


@pytest.mark.parametrize("early", [False, True])
def test_every_turn_that_is_taken_comes_back(early: bool) -> None:
    for copies, batches, layers in itertools.product((1, 2, 3), (1, 2, 3, 5), (1, 3)):
        layouts = [away(executors=copies, batches=batches, layers=layers, early=early)]
        if 1 < copies <= layers:
            layouts.append(layout(executors=copies, batches=batches, layers=layers, staged=True, link=BYTE_A_PS))
        for one in layouts:
            require_returned(make_template(one))


def require_returned(template: Template) -> None:
    graph = template.graph
    taken, given = (
        np.bincount(links.items, links.amounts, len(graph.pools)) for links in (graph.acquire, graph.release)
    )
    assert taken.tolist() == given.tolist()
    assert taken.sum() > 0
    works = elsewhere(70, 3) | {"hand over latency": 3, "hand over bytes": 4}
    assert run(template.filled(works)).makespan_ps > 0


def test_a_model_without_steps_before_attention_is_one_task_a_layer() -> None:
    whole = layout(before=(), after=())
    assert period(whole, {"attention": 100, "head": 50, "overhead": 9}) == LAYERS * 100 + 59


def test_the_host_holds_up_only_the_batch_that_it_works_for() -> None:
    # Attention is quick: while the host samples for one batch, the other goes through the layers.
    quick = elsewhere(10, 0, overhead=80)
    assert period(away(layers=100), quick) == pytest.approx(2 * 100 * 100, abs=100)
    assert period(away(batches=1), quick) == LAYERS * 110 + 80
