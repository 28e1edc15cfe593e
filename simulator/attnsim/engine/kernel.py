"""The event loop of the fast engine, compiled: on the tables of `attnsim.engine.state`, from time 0 to the last end.

One instant is a sequence of rounds, as docs/engine.md tells: ends with their token returns, admissions, starts. The
order inside a phase does not show in the trace: ends only free servers and tokens, two tasks that could be admitted at
once share no pool, and groups start tasks independently. So phases are worked off from stacks, without sorting.
"""

from __future__ import annotations

from attnsim.engine.compiled import compiled
from attnsim.engine.dispatch import (
    advance,
    change_room,
    queue_tied,
    retime,
    start_group,
    stir_group,
    touch,
)
from attnsim.engine.queues import end_pop, pop, push, tree_first, tree_set
from attnsim.engine.rates import CLOCK_LIMIT_PS
from attnsim.engine.state import (
    AMOUNT,
    CLOCK,
    CULPRIT,
    DEMANDS,
    DONE,
    ENDS,
    FAR_PS,
    FAULT,
    FINISHED,
    FIRST,
    FLOW_COUNT,
    FLOWS,
    FREE,
    GROUP,
    GROUP_FILL,
    INSTANCE,
    INSTANCE_FILL,
    INSTANT,
    LEFT,
    NOTHING,
    OVERLONG,
    OVERPAID,
    POOL,
    POOL_FILL,
    POOL_STIRRED,
    PRIORITY,
    QUEUE,
    SIBLING,
    STARVED,
    STIRRED,
    TASK,
    TIED,
    TOTAL,
    UNTIL,
    WHEN,
    Machine,
)
from attnsim.taskgraph import Int32


@compiled
def simulate(m: Machine) -> int:
    """Run the graph to its end; returns a status, whose culprit is in `counts`.

    Columns `WHEN`, `UNTIL` and `INSTANCE` of the tasks hold the trace afterwards; `LEFT` is negative for ended tasks.
    """
    now = 0
    for task in range(len(m.work)):
        if m.tasks[task, LEFT] == 0:
            make_ready(m, task, now)
    while True:
        finish_instant(m, now)
        now = m.trees[1]
        if m.counts[ENDS] > 0:
            now = min(now, m.ends[0, 0])
        if m.counts[FAULT] != FINISHED or now >= CLOCK_LIMIT_PS:
            break
        end_servers(m, now)
        end_flows(m, now)
    if m.counts[FAULT] == FINISHED and m.counts[DONE] < len(m.work):
        m.counts[FAULT] = STARVED if now == FAR_PS else OVERLONG
    return int(m.counts[FAULT])


@compiled
def finish_instant(m: Machine, now: int) -> None:
    """Rounds of admissions, starts and ends of tasks without length, until nothing moves at this time."""
    while True:
        while m.counts[POOL_FILL] > 0:
            m.counts[POOL_FILL] -= 1
            pool = m.stacks[1, m.counts[POOL_FILL]]
            m.pools[pool, POOL_STIRRED] = 0
            admit(m, pool, now)
        while m.counts[GROUP_FILL] > 0:
            m.counts[GROUP_FILL] -= 1
            group = m.stacks[0, m.counts[GROUP_FILL]]
            m.groups[group, STIRRED] = 0
            start_group(m, group, now)
        task = m.counts[INSTANT]
        if task < 0:
            break
        m.counts[INSTANT] = NOTHING
        while task >= 0:
            following = m.tasks[task, SIBLING]
            end(m, task, now)
            task = following
    while m.counts[INSTANCE_FILL] > 0:
        m.counts[INSTANCE_FILL] -= 1
        retime(m, m.stacks[2, m.counts[INSTANCE_FILL]], now)


@compiled
def end_servers(m: Machine, now: int) -> None:
    """End the tasks on `fifo` resources that are due."""
    while m.counts[ENDS] > 0 and m.ends[0, 0] == now:
        task = m.ends[0, 1]
        m.counts[ENDS] = end_pop(m.ends, m.counts[ENDS])
        end(m, task, now)


@compiled
def end_flows(m: Machine, now: int) -> None:
    """End the tasks on `shared` resources that the virtual clock of their instance has reached."""
    while m.trees[1] == now:
        row = tree_first(m.trees, 0, m.due_width)
        tree_set(m.trees, 0, m.due_width, row, FAR_PS)
        advance(m, row, now)
        task = m.instances[row, FLOWS]
        while task >= 0 and m.tasks[task, UNTIL] <= m.instances[row, CLOCK]:
            m.instances[row, FLOWS] = pop(m.tasks, INSTANCE, UNTIL, task)
            m.instances[row, FLOW_COUNT] -= 1
            end(m, task, now)
            task = m.instances[row, FLOWS]


@compiled
def end(m: Machine, task: int, now: int) -> None:
    """End a task: its server is free, its tokens are back, its successors are told."""
    m.tasks[task, UNTIL] = now
    m.tasks[task, LEFT] = NOTHING
    m.counts[DONE] += 1
    group = m.tasks[task, GROUP]
    change_room(m, group, m.tasks[task, INSTANCE], 1)
    stir_group(m, group)
    if m.groups[group, TIED]:
        touch(m, group, m.groups[group, FIRST] + m.tasks[task, INSTANCE])
    for row in range(m.give_starts[task], m.give_starts[task + 1]):
        give_back(m, m.give_pools[row], m.give_amounts[row])
    for row in range(m.next_starts[task], m.next_starts[task + 1]):
        follower = m.next_items[row]
        m.tasks[follower, LEFT] -= 1
        if m.tasks[follower, LEFT] == 0:
            make_ready(m, follower, now)


@compiled
def give_back(m: Machine, pool: int, amount: int) -> None:
    """Return tokens to a pool."""
    m.pools[pool, FREE] += amount
    if m.pools[pool, FREE] > m.pools[pool, TOTAL]:
        m.counts[FAULT] = OVERPAID
        m.counts[CULPRIT] = pool
    stir_pool(m, pool)


@compiled
def stir_pool(m: Machine, pool: int) -> None:
    """Remember that a pool has something to look at in the admission phase."""
    if not m.pools[pool, POOL_STIRRED]:
        m.pools[pool, POOL_STIRRED] = 1
        m.stacks[1, m.counts[POOL_FILL]] = pool
        m.counts[POOL_FILL] += 1


@compiled
def make_ready(m: Machine, task: int, now: int) -> None:
    """A task whose predecessors have ended queues at its pools or, if it takes no tokens, is admitted."""
    low, high = m.take_starts[task], m.take_starts[task + 1]
    if low == high:
        enqueue(m, task, now)
        return
    for row in range(low, high):
        pool = m.demands[row, POOL]
        m.demands[row, WHEN] = now
        m.pools[pool, DEMANDS] = push(m.demands, PRIORITY, WHEN, m.pools[pool, DEMANDS], row)
        stir_pool(m, pool)


@compiled
def admit(m: Machine, pool: int, now: int) -> None:
    """Admit tasks from the head of a pool's queue while each heads all its queues and finds all its tokens."""
    while m.pools[pool, DEMANDS] >= 0:
        task = m.demands[m.pools[pool, DEMANDS], TASK]
        for row in range(m.take_starts[task], m.take_starts[task + 1]):
            wanted = m.demands[row, POOL]
            if m.pools[wanted, DEMANDS] != row or m.pools[wanted, FREE] < m.demands[row, AMOUNT]:
                return
        for row in range(m.take_starts[task], m.take_starts[task + 1]):
            wanted = m.demands[row, POOL]
            m.pools[wanted, FREE] -= m.demands[row, AMOUNT]
            m.pools[wanted, DEMANDS] = pop(m.demands, PRIORITY, WHEN, row)
            stir_pool(m, wanted)
        enqueue(m, task, now)


@compiled
def enqueue(m: Machine, task: int, now: int) -> None:
    """Put an admitted task in the queue of its group, or of its instance when it is tied to one."""
    group = m.tasks[task, GROUP]
    m.tasks[task, WHEN] = now
    stir_group(m, group)
    if m.affinity[task] >= 0:
        row = m.groups[group, FIRST] + m.tasks[m.affinity[task], INSTANCE]
        queue_tied(m, row, task)
        touch(m, group, row)
        return
    m.groups[group, QUEUE] = push(m.tasks, PRIORITY, WHEN, m.groups[group, QUEUE], task)


@compiled
def successors(pred_starts: Int32, pred_items: Int32, next_starts: Int32, next_items: Int32) -> None:
    """Turn rows of predecessors into rows of successors; `next_starts` has two rows more than tasks, all zero."""
    for pred in pred_items:
        next_starts[pred + 2] += 1
    for row in range(2, len(next_starts)):
        next_starts[row] += next_starts[row - 1]
    for task in range(len(pred_starts) - 1):
        for row in range(pred_starts[task], pred_starts[task + 1]):
            pred = pred_items[row]
            next_items[next_starts[pred + 1]] = task
            next_starts[pred + 1] += 1
