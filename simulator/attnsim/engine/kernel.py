"""The event loop of the fast engine, compiled: on the tables of `attnsim.engine.state`, from time 0 to the last end.

One instant is a sequence of rounds, as docs/engine.md tells: ends with their token returns, admissions, starts. The
order inside a phase does not show in the trace: ends only free servers and tokens, two tasks that could be admitted at
once share no pool, and groups start tasks independently. So phases are worked off from stacks, without sorting.
"""

from __future__ import annotations

from attnsim.engine.compiled import compiled
from attnsim.engine.dispatch import (
    advance,
    leave,
    put,
    queue_tied,
    retime,
    start_group,
    stir_group,
    take,
    touch,
)
from attnsim.engine.queues import end_pop, pop, push, tree_first, tree_set
from attnsim.engine.rates import CLOCK_LIMIT_PS
from attnsim.engine.state import (
    ADMITTED,
    AMOUNT,
    CLOCK,
    CULPRIT,
    DEMANDS,
    DONE,
    ENDING,
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
    LEFT,
    NOTHING,
    OVERLONG,
    OVERPAID,
    POOL,
    POOL_FILL,
    POOL_STIRRED,
    PRIORITY,
    QUEUE,
    READY,
    SERVED,
    STARVED,
    TASK,
    TOTAL,
    UNTIL,
    WHEN,
    Machine,
)
from attnsim.taskgraph import Int32, Int64


@compiled
def simulate(m: Machine) -> int:
    """Run the graph to its end; returns a status, whose culprit is in `counts`.

    Columns `WHEN`, `UNTIL` and `INSTANCE` of the tasks hold the trace afterwards; `LEFT` is negative for ended tasks.
    """
    now = 0
    for task in range(len(m.work)):
        fill_row(m, task)
    while True:
        finish_instant(m, now)
        now = m.trees[1]
        if m.counts[ENDS] > 0:
            now = min(now, m.ends[0, 0])
        if m.counts[FAULT] != FINISHED or now >= CLOCK_LIMIT_PS:
            break
        collect_servers(m, now)
        collect_flows(m, now)
    if m.counts[FAULT] == FINISHED and m.counts[DONE] < len(m.work):
        m.counts[FAULT] = STARVED if now == FAR_PS else OVERLONG
    return int(m.counts[FAULT])


@compiled
def fill_row(m: Machine, task: int) -> None:
    """Write the first state of a task; without predecessors it is ready."""
    left = m.pred_starts[task + 1] - m.pred_starts[task]
    m.tasks[task, PRIORITY] = m.priority[task]
    m.tasks[task, WHEN] = NOTHING
    m.tasks[task, UNTIL] = NOTHING
    m.tasks[task, INSTANCE] = NOTHING
    m.tasks[task, LEFT] = left
    m.tasks[task, GROUP] = m.resource[task] if m.resource[task] >= 0 else len(m.groups) - 1
    if left == 0:
        put(m, READY, task)


@compiled
def finish_instant(m: Machine, now: int) -> None:
    """Rounds of ends, admissions and starts until nothing moves at this time; then the next ends are found."""
    while True:
        while m.counts[ENDING] >= 0:
            end(m, take(m, ENDING), now)
        while m.counts[READY] >= 0:
            make_ready(m, take(m, READY), now)
        while m.counts[POOL_FILL] > 0:
            m.counts[POOL_FILL] -= 1
            admit(m, m.stacks[1, m.counts[POOL_FILL]])
        while m.counts[ADMITTED] >= 0:
            enqueue(m, take(m, ADMITTED), now)
        while m.counts[GROUP_FILL] > 0:
            m.counts[GROUP_FILL] -= 1
            start_group(m, m.stacks[0, m.counts[GROUP_FILL]], now)
        if m.counts[ENDING] < 0:
            break
    while m.counts[INSTANCE_FILL] > 0:
        m.counts[INSTANCE_FILL] -= 1
        retime(m, m.stacks[2, m.counts[INSTANCE_FILL]], now)


@compiled
def collect_servers(m: Machine, now: int) -> None:
    """Collect the tasks on `fifo` resources that end now."""
    while m.counts[ENDS] > 0 and m.ends[0, 0] == now:
        put(m, ENDING, m.ends[0, 1])
        m.counts[ENDS] = end_pop(m.ends, m.counts[ENDS])


@compiled
def collect_flows(m: Machine, now: int) -> None:
    """Collect the tasks on `shared` resources that the virtual clock of their instance has reached."""
    while m.trees[1] == now:
        row = tree_first(m.trees, 0, m.due_width)
        tree_set(m.trees, 0, m.due_width, row, FAR_PS)
        advance(m, row, now)
        task = m.instances[row, FLOWS]
        while task >= 0 and m.tasks[task, UNTIL] <= m.instances[row, CLOCK]:
            following = pop(m.tasks, INSTANCE, UNTIL, task)
            m.instances[row, FLOW_COUNT] -= 1
            put(m, ENDING, task)
            task = following
        m.instances[row, FLOWS] = task


@compiled
def end(m: Machine, task: int, now: int) -> None:
    """End a task: its server is free, its tokens are back, its successors are told."""
    m.tasks[task, UNTIL] = now
    m.tasks[task, LEFT] = NOTHING
    m.counts[DONE] += 1
    group = m.tasks[task, GROUP]
    row = m.groups[group, FIRST] + m.tasks[task, INSTANCE]
    m.instances[row, SERVED] += now - m.tasks[task, WHEN]
    leave(m, group, row, now)
    for given in range(m.give_starts[task], m.give_starts[task + 1]):
        give_back(m, m.give_pools[given], m.give_amounts[given])
    for link in range(m.next_starts[task], m.next_starts[task + 1]):
        follower = m.next_items[link]
        left = m.tasks[follower, LEFT] - 1
        m.tasks[follower, LEFT] = left
        if left == 0:
            put(m, READY, follower)


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
        put(m, ADMITTED, task)
        return
    for row in range(low, high):
        pool = m.demands[row, POOL]
        m.demands[row, WHEN] = now
        m.pools[pool, DEMANDS] = push(m.demands, PRIORITY, WHEN, m.pools[pool, DEMANDS], row)
        stir_pool(m, pool)


@compiled
def admit(m: Machine, pool: int) -> None:
    """Admit tasks from the head of a pool's queue while each heads all its queues and finds all its tokens."""
    m.pools[pool, POOL_STIRRED] = 0
    while m.pools[pool, DEMANDS] >= 0:
        task = m.demands[m.pools[pool, DEMANDS], TASK]
        if not can_take(m, task):
            return
        for row in range(m.take_starts[task], m.take_starts[task + 1]):
            wanted = m.demands[row, POOL]
            m.pools[wanted, FREE] -= m.demands[row, AMOUNT]
            m.pools[wanted, DEMANDS] = pop(m.demands, PRIORITY, WHEN, row)
            stir_pool(m, wanted)
        put(m, ADMITTED, task)


@compiled
def can_take(m: Machine, task: int) -> bool:
    """Whether a task heads the queue of each pool that it takes from, and all its tokens are free."""
    for row in range(m.take_starts[task], m.take_starts[task + 1]):
        wanted = m.demands[row, POOL]
        if m.pools[wanted, DEMANDS] != row or m.pools[wanted, FREE] < m.demands[row, AMOUNT]:
            return False
    return True


@compiled
def enqueue(m: Machine, task: int, now: int) -> None:
    """Put an admitted task in the queue of its group, or of its instance when it is tied to one."""
    group = m.tasks[task, GROUP]
    m.tasks[task, WHEN] = now
    stir_group(m, group)
    companion = m.affinity[task]
    if companion >= 0:
        row = m.groups[group, FIRST] + m.tasks[companion, INSTANCE]
        queue_tied(m, row, task)
        touch(m, group, row)
        return
    m.groups[group, QUEUE] = push(m.tasks, PRIORITY, WHEN, m.groups[group, QUEUE], task)


@compiled
def columns(m: Machine, start_ps: Int64, end_ps: Int64, instance: Int32) -> None:
    """Copy the trace out of the table of tasks; tasks without a resource are on no instance."""
    markers = len(m.groups) - 1
    for task in range(len(start_ps)):
        start_ps[task] = m.tasks[task, WHEN]
        end_ps[task] = m.tasks[task, UNTIL]
        instance[task] = m.tasks[task, INSTANCE] if m.tasks[task, GROUP] < markers else NOTHING


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
