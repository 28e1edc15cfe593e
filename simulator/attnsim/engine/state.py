"""The arrays that the compiled event loop reads and writes: from a `TaskGraph` to tasks, groups, pools and state.

Everything is a named tuple of arrays, the one record that numba compiles well. Rows of `groups` are the resource groups
and one more for the tasks without a resource; rows "an instance" run over the instances of all groups.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from attnsim.engine.rates import rates_of
from attnsim.taskgraph import Int32, Int64, Resource, TaskGraph

FAR_PS = 1 << 62
ANY_NUMBER = 1 << 40

FINISHED, STARVED, OVERPAID, OVERLONG = 0, 1, 2, 3
DONE, ENDS, INSTANT, STIRRED_GROUPS, STIRRED_POOLS, STIRRED_INSTANCES = 0, 1, 2, 3, 4, 5


class Tasks(NamedTuple):
    """What stays the same about tasks. `next_*` are successors; rows of `take_*` and `give_*` are token amounts."""

    resource: Int32
    work: Int64
    priority: Int32
    affinity: Int32
    next_starts: Int32
    next_items: Int32
    take_starts: Int32
    take_pools: Int32
    take_amounts: Int64
    give_starts: Int32
    give_pools: Int32
    give_amounts: Int64
    taker: Int32


class Groups(NamedTuple):
    """Resource groups and their instances.

    One row a group: `shared` and `tied` (affinity is used) are flags; `queue` is the root of the waiting tasks,
    `touched` the first instance whose tied tasks may start. `tree` holds minus the free servers of each instance.
    One row an instance: `room` free servers, `tied_queue` and `flows` roots of heaps, `flow_count`, virtual `clock`
    in subpicoseconds and the time `since` which it has not been advanced. `due` is a tree of next ends.
    """

    shared: Int32
    tied: Int32
    first: Int32
    instances: Int32
    alone: Int64
    unit: Int64
    share: Int64
    divider: Int64
    tree: Int64
    tree_base: Int32
    tree_width: Int32
    queue: Int32
    touched: Int32
    stirred: Int32
    group_of: Int32
    room: Int64
    tied_queue: Int32
    touched_next: Int32
    flows: Int32
    flow_count: Int64
    clock: Int64
    since: Int64
    retimed: Int32
    due: Int64


class Pools(NamedTuple):
    """Token pools: `amount`, `free` tokens and the root of the waiting `take` rows, with their heap."""

    amount: Int64
    free: Int64
    queue: Int32
    stirred: Int32
    child: Int32
    sibling: Int32
    major: Int32
    minor: Int64


class State(NamedTuple):
    """What changes about tasks: predecessors `left`, trace columns and heap links, and the heap of `fifo` ends.

    Before a task runs, `start` holds the time it was admitted; on a shared resource `end` holds the virtual time at
    which it ends. `stack_*` are the groups, pools and instances that something happened to.
    """

    left: Int32
    start: Int64
    end: Int64
    instance: Int32
    child: Int32
    sibling: Int32
    end_times: Int64
    end_tasks: Int32
    stack_groups: Int32
    stack_pools: Int32
    stack_instances: Int32
    counts: Int64
    fault: Int64


MARKERS = Resource(name="markers", servers=ANY_NUMBER)


def prepare(graph: TaskGraph, next_starts: Int32, next_items: Int32) -> tuple[Tasks, Groups, Pools, State]:
    """Fresh arrays for one run; `next_starts` and `next_items` are the successors in compressed rows."""
    taken = graph.acquire
    tasks = Tasks(
        resource=graph.resource,
        work=graph.work,
        priority=graph.priority,
        affinity=graph.affinity,
        next_starts=next_starts,
        next_items=next_items,
        take_starts=taken.starts,
        take_pools=taken.items,
        take_amounts=taken.amounts,
        give_starts=graph.release.starts,
        give_pools=graph.release.items,
        give_amounts=graph.release.amounts,
        taker=np.repeat(np.arange(graph.task_count, dtype=np.int32), np.diff(taken.starts)),
    )
    groups = _groups(graph)
    return tasks, groups, _pools(graph), _state(graph, groups)


def _groups(graph: TaskGraph) -> Groups:
    resources = (*graph.resources, MARKERS)
    count = len(resources)
    instances = np.array([resource.instances for resource in resources], np.int32)
    first = np.cumsum(instances, dtype=np.int32) - instances
    total = int(instances.sum())
    rates = [rates_of(resource) for resource in resources]
    width = np.array([_width(resource.instances) for resource in resources], np.int32)
    room = np.array([resource.parallel_tasks or ANY_NUMBER for resource in resources], np.int64)
    tied = np.zeros(count, np.int32)
    tied[graph.resource[graph.affinity >= 0]] = 1
    return Groups(
        shared=np.array([resource.kind == "shared" for resource in resources], np.int32),
        tied=tied,
        first=first,
        instances=instances,
        alone=np.array([rate.alone for rate in rates], np.int64),
        unit=np.array([rate.unit for rate in rates], np.int64),
        share=np.array([rate.share for rate in rates], np.int64),
        divider=np.array([rate.divider for rate in rates], np.int64),
        tree=_room_trees(instances, width, room),
        tree_base=(np.cumsum(2 * width, dtype=np.int32) - 2 * width).astype(np.int32),
        tree_width=width,
        queue=_none(count),
        touched=_none(count),
        stirred=np.zeros(count, np.int32),
        group_of=np.repeat(np.arange(count, dtype=np.int32), instances),
        room=np.repeat(room, instances),
        tied_queue=_none(total),
        touched_next=np.full(total, -2, np.int32),
        flows=_none(total),
        flow_count=np.zeros(total, np.int64),
        clock=np.zeros(total, np.int64),
        since=np.zeros(total, np.int64),
        retimed=np.zeros(total, np.int32),
        due=np.full(2 * _width(total), FAR_PS, np.int64),
    )


def _room_trees(instances: Int32, width: Int32, room: Int64) -> Int64:
    """Trees of minus the room of each instance, one after the other; leaves that stand for no instance have no room."""
    trees = []
    for count, leaves, servers in zip(instances.tolist(), width.tolist(), room.tolist(), strict=True):
        levels = [np.where(np.arange(leaves) < count, -servers, 0).astype(np.int64)]
        while len(levels[-1]) > 1:
            levels.append(np.minimum(levels[-1][::2], levels[-1][1::2]))
        trees.append(np.concatenate([np.zeros(1, np.int64), *reversed(levels)]))
    return np.concatenate(trees)


def _pools(graph: TaskGraph) -> Pools:
    amount = np.array([pool.amount for pool in graph.pools], np.int64)
    rows = len(graph.acquire.items)
    return Pools(
        amount=amount,
        free=amount.copy(),
        queue=_none(len(amount)),
        stirred=np.zeros(len(amount), np.int32),
        child=np.empty(rows, np.int32),
        sibling=np.empty(rows, np.int32),
        major=np.empty(rows, np.int32),
        minor=np.empty(rows, np.int64),
    )


def _state(graph: TaskGraph, groups: Groups) -> State:
    rows = graph.task_count
    servers = sum(r.instances * r.servers for r in graph.resources if r.kind == "fifo")
    return State(
        left=np.diff(graph.preds.starts),
        start=np.full(rows, -1, np.int64),
        end=np.full(rows, -1, np.int64),
        instance=np.full(rows, -1, np.int32),
        child=np.empty(rows, np.int32),
        sibling=np.empty(rows, np.int32),
        end_times=np.empty(min(servers, rows), np.int64),
        end_tasks=np.empty(min(servers, rows), np.int32),
        stack_groups=np.empty(len(groups.first), np.int32),
        stack_pools=np.empty(len(graph.pools), np.int32),
        stack_instances=np.empty(len(groups.room), np.int32),
        counts=np.array([0, 0, -1, 0, 0, 0], np.int64),
        fault=np.array([FINISHED, -1], np.int64),
    )


def _width(leaves: int) -> int:
    return 1 << (leaves - 1).bit_length()


def _none(rows: int) -> Int32:
    return np.full(rows, -1, np.int32)
