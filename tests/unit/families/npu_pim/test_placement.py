"""Which channel holds a request: in turn, by load, or as the trace says; two sub-batches of each channel."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnsim.components.attention import AttentionShape
from attnsim.errors import AttnSimError
from attnsim.families.npu_pim.banks import Placed
from attnsim.families.npu_pim.layout import layout_of
from attnsim.families.npu_pim.placement import estimate_ps, halves, place
from attnsim.requests import DecodeRequest
from attnsim.specs.hardware import load_hardware
from attnsim.specs.npu_pim import NpuPim, Pim
from attnsim.specs.npu_schedule import Attention


def neupims() -> tuple[NpuPim, Pim]:
    device = load_hardware("neupims")
    assert isinstance(device, NpuPim)
    assert device.pim is not None
    return device, device.pim


DEVICE, PIM = neupims()
FOUR = DEVICE.model_copy(update={"memory": DEVICE.memory.model_copy(update={"channels": 4})})
SHAPE = AttentionShape(batch=1, kv_heads=8, group=1, queries=1, keys=1, qk_dim=128, v_dim=128)
LAYOUT = layout_of(SHAPE, DEVICE, PIM, "request")


def placed(keys: list[int], how: str, channels: list[int] | None = None) -> tuple[Placed, ...]:
    named: list[int | None] = [*channels] if channels else [None] * len(keys)
    requests = [DecodeRequest(keys=k, channel=c) for k, c in zip(keys, named, strict=True)]
    return place(requests, Attention.model_validate({"placement": how}), SHAPE, LAYOUT, FOUR, PIM)


def loads(found: tuple[Placed, ...]) -> list[float]:
    of: Counter[int] = Counter()
    for request in found:
        of[request.channel] += round(estimate_ps(request.keys, SHAPE, LAYOUT, FOUR, PIM))
    return [of[channel] for channel in range(4)]


def test_round_robin_takes_channels_in_turn() -> None:
    assert [request.channel for request in placed([9, 8, 7, 6, 5, 4], "round_robin")] == [0, 1, 2, 3, 0, 1]


def test_the_longest_requests_go_first_to_the_channel_with_least_work() -> None:
    # 4000 to channel 0, 2000 to 1 and 2, 1000 to 3; the next 1000 joins the 1000, and the last, tiny one whom it may.
    found = placed([1000, 2000, 4000, 1000, 2000, 10], "min_load")
    assert [request.keys for request in found] == [1000, 2000, 4000, 1000, 2000, 10]
    assert [request.channel for request in found][:5] == [3, 1, 0, 3, 2]


def test_min_load_is_better_than_taking_turns_where_lengths_are_skewed() -> None:
    # Every fourth request is long: in turn they all lie on one channel, by load two of the eight on each.
    keys = [2048, 64, 64, 64] * 8
    long, short = (estimate_ps(length, SHAPE, LAYOUT, FOUR, PIM) for length in (2048, 64))
    assert loads(placed(keys, "round_robin")) == [8 * long, 8 * short, 8 * short, 8 * short]
    assert loads(placed(keys, "min_load")) == [2 * long + 6 * short] * 4


@given(keys=st.lists(st.integers(1, 4000), min_size=1, max_size=40))
def test_channels_that_are_filled_by_load_differ_by_no_more_than_one_request(keys: list[int]) -> None:
    found = placed(keys, "min_load")
    assert [request.keys for request in found] == keys
    by_load = loads(found)
    assert max(by_load) - min(by_load) <= estimate_ps(max(keys), SHAPE, LAYOUT, FOUR, PIM) + len(keys)


def test_the_estimate_is_fills_and_tiles_of_one_length_each() -> None:
    # Tiles of 143 ns, fills of 98. 512 tokens: two rows of heads with 16 tiles; eight heads with four.
    own = PIM.model_copy(update={"estimate": None})
    assert estimate_ps(512, SHAPE, LAYOUT, DEVICE, own) == 1000 * (2 * (98 + 16 * 143) + 8 * (98 + 4 * 143))
    # The published constants, which the hardware file gives: 184 and 100.
    assert estimate_ps(512, SHAPE, LAYOUT, DEVICE, PIM) == 1000 * (2 * (100 + 16 * 184) + 8 * (100 + 4 * 184))


@pytest.mark.parametrize("how", ["round_robin", "min_load"])
def test_a_trace_that_names_channels_is_obeyed(how: str) -> None:
    assert [request.channel for request in placed([5, 500, 50], how, [3, 3, 0])] == [3, 3, 0]


def test_a_channel_that_the_device_lacks_is_refused() -> None:
    with pytest.raises(AttnSimError, match=r"trace\.ch_idx: channel 4 is named, and neupims has channels 0 to 3; name"):
        placed([5, 500], "round_robin", [9, 4])


def test_halves_share_the_requests_of_each_channel_and_take_odd_ones_in_turn() -> None:
    # Queues of 2, 3, 1 and 3: one each, then the odd ones of channels 1, 2 and 3 to the first, second and first half.
    queues = {0: 2, 1: 3, 2: 1, 3: 3}
    batch = [Placed(keys=10 * c + n, channel=c) for c, size in queues.items() for n in range(size)]
    first, second = halves(batch)
    assert Counter(request.channel for request in first) == {0: 1, 1: 2, 3: 2}
    assert Counter(request.channel for request in second) == {0: 1, 1: 1, 2: 1, 3: 1}


@given(channels=st.lists(st.integers(0, 7), min_size=2, max_size=60))
def test_halves_make_up_the_batch_and_neither_is_empty(channels: list[int]) -> None:
    batch = [Placed(keys=number + 1, channel=channel) for number, channel in enumerate(channels)]
    first, second = halves(batch)
    assert sorted((*first, *second), key=lambda request: request.keys) == batch
    assert abs(len(first) - len(second)) <= 1
