"""The memory of the compiled event loop: from a `TaskGraph` to tables of integers that fit cache lines.

Each table has one row a task, a waiting token demand, a group, an instance or a pool; the names in capitals are its
columns. One row holds what is used together, so that a task costs one or two cache misses rather than ten.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from attnsim.engine.rates import rates_of
from attnsim.taskgraph import Int32, Int64, Resource, TaskGraph

FAR_PS = 1 << 62
ANY_NUMBER = 1 << 40
NOTHING = -1
UNTOUCHED = -2

FINISHED, STARVED, OVERPAID, OVERLONG = 0, 1, 2, 3

# Tasks and token demands share the first columns, so that the same queues hold both. WHEN is the time of entering the
# queue, later the start of the task. UNTIL is the virtual end on a shared resource, later the end in picoseconds.
CHILD, SIBLING, PRIORITY, WHEN = 0, 1, 2, 3
UNTIL, INSTANCE, LEFT, GROUP, TASK_COLUMNS = 4, 5, 6, 7, 8
TASK, POOL, AMOUNT, DEMAND_COLUMNS = 4, 5, 6, 7

# Groups: rates, where their instances and tree are, whether affinity is used, the queue of waiting tasks, the first
# instance whose tied tasks may start, whether something happened in this round, and the servers of an idle instance;
# then the calendar, whose period is 0 where there is none.
SHARED, TIED, FIRST, ALONE, UNIT, SHARE, DIVIDER, TREE, WIDTH, QUEUE, TOUCHED, STIRRED, MOST_ROOM = range(13)
PERIOD, CLOSED, FIRST_CLOSED, RESERVE, GROUP_COLUMNS = range(13, 18)

# Instances: free servers, tied waiting tasks, the next touched instance, running flows and their number, the virtual
# clock and the time up to which it has been advanced, their group, whether the next end has to be found anew, and the
# picoseconds in which they had a task (less the time since which they have one) and summed over their tasks.
ROOM, TIED_QUEUE, NEXT_TOUCHED, FLOWS, FLOW_COUNT, CLOCK, SINCE, OF_GROUP, RETIMED = range(9)
BUSY, SERVED, INSTANCE_COLUMNS = 9, 10, 11

# Pools: tokens in all and free, the queue of demands, and whether something happened in this round.
TOTAL, FREE, DEMANDS, POOL_STIRRED, POOL_COLUMNS = range(5)

# Counts: finished tasks, pending ends, the first task of each chain, the fill of the three stacks, and what went wrong
# with which task or pool. The chains hold tasks that have to be ended, made ready or admitted in this instant.
DONE, ENDS, ENDING, READY, ADMITTED, GROUP_FILL, POOL_FILL, INSTANCE_FILL, FAULT, CULPRIT, COUNT_COLUMNS = range(11)


class Machine(NamedTuple):
    """All tables. `trees` holds the tree of next ends (`due_width` leaves) and then one tree of free servers a group.

    `stacks` has a row each for the groups, pools and instances that something happened to.
    """

    tasks: Int64
    demands: Int64
    groups: Int64
    instances: Int64
    pools: Int64
    trees: Int64
    ends: Int64
    stacks: Int64
    counts: Int64
    due_width: int
    resource: Int32
    work: Int64
    priority: Int32
    affinity: Int32
    pred_starts: Int32
    next_starts: Int32
    next_items: Int32
    take_starts: Int32
    give_starts: Int32
    give_pools: Int32
    give_amounts: Int64


MARKERS = Resource(name="markers", servers=ANY_NUMBER)


def prepare(graph: TaskGraph, next_starts: Int32, next_items: Int32) -> Machine:
    """Fresh tables for one run; `kernel.simulate` fills that of tasks. `next_*` are successors in compressed rows."""
    resources = (*graph.resources, MARKERS)
    instances = np.array([resource.instances for resource in resources])
    total = int(instances.sum())
    due_width = _width(total)
    width = np.array([_width(resource.instances) for resource in resources])
    room = np.array([_room(resource) for resource in resources])
    servers = sum(resource.instances * resource.servers for resource in graph.resources if resource.kind == "fifo")
    counts = np.zeros(COUNT_COLUMNS, np.int64)
    counts[[ENDING, READY, ADMITTED, CULPRIT]] = NOTHING
    return Machine(
        tasks=np.empty((graph.task_count, TASK_COLUMNS), np.int64),
        demands=_demand_table(graph),
        groups=_group_table(graph, resources, 2 * due_width + np.cumsum(2 * width) - 2 * width),
        instances=_instance_table(instances, room),
        pools=_pool_table(graph),
        trees=np.concatenate([np.full(2 * due_width, FAR_PS), *map(_room_tree, instances, width, room)]),
        ends=np.empty((min(servers, graph.task_count), 2), np.int64),
        stacks=np.empty((3, max(total, len(graph.pools))), np.int64),
        counts=counts,
        due_width=due_width,
        resource=graph.resource,
        work=graph.work,
        priority=graph.priority,
        affinity=graph.affinity,
        pred_starts=graph.preds.starts,
        next_starts=next_starts,
        next_items=next_items,
        take_starts=graph.acquire.starts,
        give_starts=graph.release.starts,
        give_pools=graph.release.items,
        give_amounts=graph.release.amounts,
    )


def _demand_table(graph: TaskGraph) -> Int64:
    taken = graph.acquire
    table = np.empty((len(taken.items), DEMAND_COLUMNS), np.int64)
    if len(table):
        task = np.repeat(np.arange(graph.task_count), np.diff(taken.starts))
        table[:, PRIORITY] = graph.priority[task]
        table[:, TASK] = task
        table[:, POOL] = taken.items
        table[:, AMOUNT] = taken.amounts
    return table


def _group_table(graph: TaskGraph, resources: tuple[Resource, ...], trees: Int64) -> Int64:
    table = np.zeros((len(resources), GROUP_COLUMNS), np.int64)
    first = 0
    for row, resource in enumerate(resources):
        rates = rates_of(resource)
        table[row, [SHARED, ALONE, UNIT]] = resource.kind == "shared", rates.alone, rates.unit
        table[row, [SHARE, DIVIDER]] = rates.share, rates.divider
        table[row, [FIRST, WIDTH, MOST_ROOM]] = first, _width(resource.instances), _room(resource)
        first += resource.instances
        if resource.calendar is not None:
            table[row, [PERIOD, CLOSED]] = resource.calendar.period_ps, resource.calendar.closed_ps
            table[row, [FIRST_CLOSED, RESERVE]] = resource.calendar.first_ps, resource.calendar.reserve_ps
    table[graph.resource[graph.affinity >= 0], TIED] = 1
    table[:, TREE] = trees
    table[:, [QUEUE, TOUCHED]] = NOTHING
    return table


def _instance_table(instances: Int64, room: Int64) -> Int64:
    table = np.zeros((int(instances.sum()), INSTANCE_COLUMNS), np.int64)
    table[:, ROOM] = np.repeat(room, instances)
    table[:, OF_GROUP] = np.repeat(np.arange(len(instances)), instances)
    table[:, [TIED_QUEUE, FLOWS]] = NOTHING
    table[:, NEXT_TOUCHED] = UNTOUCHED
    return table


def _pool_table(graph: TaskGraph) -> Int64:
    table = np.zeros((len(graph.pools), POOL_COLUMNS), np.int64)
    table[:, TOTAL] = [pool.amount for pool in graph.pools]
    table[:, FREE] = table[:, TOTAL]
    table[:, DEMANDS] = NOTHING
    return table


@lru_cache(maxsize=64)
def _room_tree(instances: int, width: int, room: int) -> Int64:
    """A tree of minima of minus the room of each instance; leaves that stand for no instance have no room.

    Callers copy it and never write to it.
    """
    levels = [np.where(np.arange(width) < instances, -room, 0)]
    while len(levels[-1]) > 1:
        levels.append(np.minimum(levels[-1][::2], levels[-1][1::2]))
    return np.concatenate([np.zeros(1, np.int64), *reversed(levels)])


def _room(resource: Resource) -> int:
    return resource.parallel_tasks or ANY_NUMBER


def _width(leaves: int) -> int:
    return 1 << (leaves - 1).bit_length()
