"""Requests on devices that hold whole requests."""

from __future__ import annotations

import random

from attnsim.serving.balance import Balance


def test_a_request_goes_where_the_fewest_tokens_are() -> None:
    balance = Balance(2)
    for request, length in enumerate([10, 4, 5, 3]):
        balance.add(request, length)
    # 10 and 4, then 10 and 9, then 10 and 12.
    assert balance.heaviest() == 2 * 12
    balance.advance()
    assert balance.heaviest() == 2 * 15
    balance.remove(2, 6)
    assert balance.heaviest() == 2 * 11


def test_the_fullest_device_is_never_below_the_mean_and_all_is_gone_at_the_end() -> None:
    draw = random.Random(1)
    balance, lengths = Balance(3), dict[int, int]()
    for request in range(200):
        lengths[request] = draw.randint(1, 50)
        balance.add(request, lengths[request])
        balance.advance()
        lengths = {key: length + 1 for key, length in lengths.items()}
        if len(lengths) > 8:
            gone = draw.choice(list(lengths))
            balance.remove(gone, lengths.pop(gone))
        assert sum(lengths.values()) <= balance.heaviest() <= 3 * sum(lengths.values())
    for request, length in lengths.items():
        balance.remove(request, length)
    assert balance.heaviest() == 0
