"""Blocks of tasks become the task graph that was meant: chains stay on their instance, ids count in order."""

from __future__ import annotations

import numpy as np

from attnsim.engine import run
from attnsim.families.npu_pim.columns import NONE, Columns
from attnsim.taskgraph import ANY_INSTANCE


def test_ids_count_on_and_predecessors_are_waited_for() -> None:
    columns = Columns()
    line = columns.fifo("line")
    first = columns.add(line, [5, 7], label="a", kind="x")
    second = columns.add(line, [1, 1, 1], [[first[1], NONE, first[0]]], label="b", kind="y")
    assert [*first, *second] == [0, 1, 2, 3, 4]
    graph = columns.build()
    assert [graph.preds.row(task) for task in range(5)] == [[], [], [1], [], [0]]
    assert [graph.origins.of(int(task)) for task in (first[1], second[2])] == [("a", 1, "x"), ("b", 2, "y")]


def test_a_predecessor_that_is_named_twice_counts_once() -> None:
    columns = Columns()
    line = columns.fifo("line")
    (before,) = columns.add(line, [5], label="a", kind="x")
    after = columns.add(line, [1], [[before], [before]], label="b", kind="x")
    columns.order(after, np.array([before]))
    assert columns.build().preds.row(int(after[0])) == [before]


def test_a_join_is_reached_when_all_before_it_have_ended() -> None:
    columns = Columns()
    many = columns.fifo("many", servers=8)
    ids = columns.add(many, [30, 10, 20], label="a", kind="x")
    marker = columns.join(np.array([ids[1], NONE, ids[2]]), "end")
    after = columns.add(many, [1], [[marker]], label="b", kind="x")
    assert run(columns.build()).end_ps[after[0]] == 21


def test_chains_stay_on_the_instance_that_they_are_tied_to() -> None:
    columns = Columns()
    banks = columns.fifo("banks", instances=4)
    channels = np.array([2, 2, 2, 0, 3, 3])
    ids = columns.add(banks, [9, 9, 9, 1, 5, 5], affinity=columns.anchor(banks, channels), label="t", kind="tile")
    columns.order(ids[1:], np.where(np.diff(channels) == 0, ids[:-1], NONE))
    trace = run(columns.build())
    anchors = columns.anchor(banks, range(4))
    assert [*trace.instance[ids]] == [*trace.instance[anchors][channels]]
    assert len(set(trace.instance[anchors])) == 4
    assert [*trace.end_ps[ids]] == [9, 18, 27, 1, 5, 10]


def test_a_resource_with_one_instance_has_no_anchor() -> None:
    columns = Columns()
    line = columns.fifo("line")
    assert [*columns.anchor(line, [0, 0])] == [ANY_INSTANCE] * 2
    columns.add(line, [1, 1], affinity=columns.anchor(line, [0, 0]), label="t", kind="tile")
    assert run(columns.build()).makespan_ps == 2
