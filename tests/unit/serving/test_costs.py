"""Iteration times between simulated shapes: interpolation, and what is counted as used."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from attnsim.serving import costs as module
from attnsim.serving.costs import Costs
from attnsim.serving.iteration import Round
from attnsim.serving.machine import Shape

Times = Callable[[Shape, int], int]


@pytest.fixture
def make_costs(monkeypatch: pytest.MonkeyPatch) -> Callable[[Times, int], Costs]:
    """Costs whose corners take what a function of the shape and the number of sub-batches says."""

    def make(times: Times, batches: int = 1) -> Costs:
        machine = SimpleNamespace(
            system=SimpleNamespace(batches=batches),
            template=lambda number: number,
            work=lambda shape: SimpleNamespace(kinds=shape, joule=2.0),
        )
        monkeypatch.setattr(
            module,
            "measure_round",
            lambda number, shape: Round(
                period_ps=times(shape, number), busy_ps={"layers": times(shape, number) / 2, "link": 1.0}
            ),
        )
        return Costs(machine)

    return make


def test_a_shape_on_the_grid_takes_what_was_simulated(make_costs: Callable[..., Costs]) -> None:
    costs = make_costs(lambda shape, _: shape.decode**2 + 7 * shape.keys)
    assert costs.period_ps(5, 5 * 16) == 25 + 7 * 16
    assert costs.period_ps(16, 16 * 1024) == 256 + 7 * 1024
    prompts = make_costs(lambda shape, _: shape.prefill**2 + shape.prefill_keys**2)
    assert prompts.period_ps(0, 0, 32, 32 * 64) == 32**2 + 64**2


def test_more_tokens_never_take_less_where_the_corners_say_so(make_costs: Callable[..., Costs]) -> None:
    costs = make_costs(lambda shape, _: 1000 * shape.decode + (shape.decode * shape.keys) ** 2 // 50)
    times = [costs.period_ps(9, tokens) for tokens in range(9, 3000, 7)]
    assert times == sorted(times)
    batches = [costs.period_ps(decode, 40 * decode) for decode in range(1, 300)]
    assert batches == sorted(batches)


def test_a_batch_is_divided_among_the_sub_batches_in_flight(make_costs: Callable[..., Costs]) -> None:
    seen = []

    def times(shape: Shape, batches: int) -> int:
        seen.append((batches, shape.decode, shape.keys))
        return 100

    costs = make_costs(times, 4)
    costs.period_ps(32, 32 * 16)
    assert {(batches, decode) for batches, decode, _ in seen} == {(4, 8), (4, 10)}
    seen.clear()
    costs.period_ps(3, 3 * 16)
    assert {(batches, decode) for batches, decode, _ in seen} == {(3, 1), (3, 2)}


def test_weights_of_what_is_used_add_up_to_the_iterations(make_costs: Callable[..., Costs]) -> None:
    costs = make_costs(lambda shape, _: 600 * shape.decode, 2)
    for decode in (2, 9, 21, 30):
        costs.period_ps(decode, 77 * decode)
    spent = costs.spent()
    assert spent.busy_ps["link"] == pytest.approx(4.0)
    assert spent.busy_ps["layers"] == pytest.approx(300 * (2 + 9 + 21 + 30) / 2)
    assert spent.joule == pytest.approx(4 * 2 * 2.0)
    costs.forget_use()
    assert costs.spent().busy_ps == {}
    assert costs.spent().joule == 0.0


def test_the_check_tells_how_far_interpolation_is_off(make_costs: Callable[..., Costs]) -> None:
    costs = make_costs(lambda shape, _: shape.decode**2)
    costs.period_ps(9, 9 * 16)
    # Between 8 and 10: (64 + 100) / 2 against 81.
    check = costs.check()
    assert check.largest == check.mean == pytest.approx(82 / 81 - 1)
    assert check.shapes == 1
    spent = costs.spent().busy_ps["link"]
    costs.check()
    assert costs.spent().busy_ps["link"] == spent == 1.0


def test_the_check_takes_shapes_of_less_than_a_request_a_sub_batch(make_costs: Callable[..., Costs]) -> None:
    costs = make_costs(lambda shape, _: 100 * shape.tokens, 2)
    costs.period_ps(1, 10, 1, 1)
    assert costs.check().shapes == 1


def test_the_most_used_shape_is_the_one_that_stands_for_most_iterations(make_costs: Callable[..., Costs]) -> None:
    costs = make_costs(lambda shape, _: 100)
    costs.period_ps(2, 2 * 64)
    for _ in range(3):
        costs.period_ps(4, 4 * 64)
    assert costs.most_used == (1, Shape(decode=4, keys=64))
