"""Collectives: steps and bytes of each method by hand, and the tasks that take as long alone on a link."""

from __future__ import annotations

import numpy as np
import pytest

from attnsim.components.collectives import (
    OPERATIONS,
    Operation,
    add_collective,
    add_link,
    collective,
    collective_seconds,
)
from attnsim.engine import run
from attnsim.errors import UnknownNameError
from attnsim.specs.library import names
from attnsim.specs.link import Link, load_link
from attnsim.specs.load import load_text
from attnsim.taskgraph import PS_PER_S, GraphBuilder

ONE = """
name: one
source: a test
bandwidth: 100 GB/s
beyond: [{devices: 4, bandwidth: 50 GB/s, source: a test}]
default_library: plain
libraries:
  plain:
    source: a test
    methods:
      - {name: m, kind: KIND, launch: 10 us, step: 1 us, efficiency: 0.5, copy: 1000 GB/s}
"""


def link_of(kind: str) -> Link:
    return load_text(ONE.replace("KIND", kind), Link)


@pytest.mark.parametrize(
    ("kind", "operation", "steps", "sent"),
    [
        ("ring", "all_gather", 3, 0.75),
        ("ring", "reduce_scatter", 3, 0.75),
        ("ring", "all_reduce", 6, 1.5),
        ("ring", "broadcast", 3, 1),
        ("one_shot", "all_reduce", 3, 3),
        ("two_shot", "all_reduce", 6, 1.5),
        ("switch", "all_reduce", 2, 1.25),
        ("exchange", "all_to_all", 3, 0.75),
        ("exchange", "send", 1, 1),
    ],
)
def test_a_method_has_the_steps_and_bytes_of_its_definition(
    kind: str, operation: Operation, steps: int, sent: float
) -> None:
    message = 1e6
    done = collective(link_of(kind), operation, message, 4)
    assert done is not None
    assert done.wire_bytes == pytest.approx(sent * message)
    assert done.latency_s == pytest.approx(10e-6 + steps * 1e-6 + message / 1000e9)
    assert done.seconds == pytest.approx(done.latency_s + sent * message / 50e9)
    assert collective_seconds(link_of(kind), operation, [message], [4])[0] == pytest.approx(done.seconds)


def test_more_devices_than_a_path_carries_take_the_slower_one() -> None:
    four, five = (collective(link_of("ring"), "broadcast", 1e6, devices) for devices in (4, 5))
    assert four is not None
    assert five is not None
    assert five.link_bytes == pytest.approx(2 * four.link_bytes)


@pytest.mark.parametrize("name", names("link"))
@pytest.mark.parametrize("operation", OPERATIONS)
def test_alone_on_the_link_the_tasks_take_the_seconds_of_the_formula(name: str, operation: Operation) -> None:
    link = load_link(name)
    for library in link.libraries:
        for message in (16, 65536, 3_000_001, 2**28):
            done = collective(link, operation, message, 4, library=library)
            builder = GraphBuilder()
            last = add_collective(builder, add_link(builder, link.bandwidth_bytes_per_s), done, label="x")
            end_ps = run(builder.build()).end_ps[last]
            expected = collective_seconds(link, operation, message, 4, library=library)
            assert end_ps / PS_PER_S == pytest.approx(float(expected), rel=1e-6, abs=1e-10)


def test_two_collectives_at_once_share_the_bandwidth_but_not_the_latency() -> None:
    link = link_of("ring")
    done = collective(link, "all_reduce", 1e8, 4)
    assert done is not None
    builder = GraphBuilder()
    resources = add_link(builder, link.bandwidth_bytes_per_s)
    ends = [add_collective(builder, resources, done) for _ in range(2)]
    ended = run(builder.build()).end_ps[ends]
    together = done.latency_s + 2 * done.link_bytes / link.bandwidth_bytes_per_s
    assert ended / PS_PER_S == pytest.approx(together, rel=1e-6)


def test_one_device_needs_no_collective() -> None:
    link = link_of("ring")
    assert collective(link, "all_reduce", 1e6, 1) is None
    builder = GraphBuilder()
    last = add_collective(builder, add_link(builder, link.bandwidth_bytes_per_s), None)
    assert run(builder.build()).end_ps[last] == 0
    assert collective_seconds(link, "all_reduce", 1e6, np.array([1, 2]))[0] == 0


@pytest.mark.parametrize("name", names("link"))
def test_more_bytes_or_devices_never_take_less_time(name: str) -> None:
    link = load_link(name)
    sizes = 2.0 ** np.arange(4, 31)
    for library in link.libraries:
        for operation in OPERATIONS:
            times = collective_seconds(link, operation, sizes[:, None], [2], library=library)
            assert (np.diff(times, axis=0) > 0).all()


def test_what_a_link_cannot_do_is_said_with_what_it_can() -> None:
    with pytest.raises(UnknownNameError, match="plain on one has no method for this all-to-all"):
        collective(link_of("ring"), "all_to_all", 1e6, 4)
    with pytest.raises(UnknownNameError, match="there is no library of one 'ncc'; known: plain"):
        collective(link_of("ring"), "all_reduce", 1e6, 4, library="ncc")
