"""The event loop of the fast engine, compiled: from the arrays of `attnsim.engine.state` to start, end and instance.

One instant is a sequence of rounds, as docs/engine.md tells: ends with their token returns, admissions, starts. The
order inside a phase does not show in the trace: ends only free servers and tokens, two tasks that could be admitted at
once share no pool, and groups start tasks independently. So phases are worked off from stacks, without sorting.
"""

from __future__ import annotations

from attnsim.engine.compiled import compiled
from attnsim.engine.queues import end_pop, end_push, pop, precedes, push, tree_first, tree_set
from attnsim.engine.rates import CLOCK_LIMIT_PS, DEMAND_LIMIT, SUBPICOSECONDS_PER_PS
from attnsim.engine.state import (
    DONE,
    ENDS,
    FAR_PS,
    FINISHED,
    INSTANT,
    OVERLONG,
    OVERPAID,
    STARVED,
    STIRRED_GROUPS,
    STIRRED_INSTANCES,
    STIRRED_POOLS,
    Groups,
    Pools,
    State,
    Tasks,
)
from attnsim.taskgraph import Int32


@compiled
def simulate(tasks: Tasks, groups: Groups, pools: Pools, state: State) -> tuple[int, int]:
    """Run the graph to its end; returns a status and the task or pool that it is about.

    `state.start`, `state.end` and `state.instance` hold the trace afterwards; `state.left` is -1 for ended tasks.
    """
    now = 0
    for task in range(len(tasks.work)):
        if state.left[task] == 0:
            _make_ready(tasks, groups, pools, state, task, now)
    while True:
        _finish_instant(tasks, groups, pools, state, now)
        now = _next_end(groups, state)
        if state.fault[0] != FINISHED or now >= CLOCK_LIMIT_PS:
            break
        _end_fifo(tasks, groups, pools, state, now)
        _end_shared(tasks, groups, pools, state, now)
    if state.fault[0] == FINISHED and state.counts[DONE] < len(tasks.work):
        state.fault[0] = STARVED if now == FAR_PS else OVERLONG
    return state.fault[0], state.fault[1]


@compiled
def _finish_instant(tasks: Tasks, groups: Groups, pools: Pools, state: State, now: int) -> None:
    """Rounds of admissions, starts and ends of tasks without length, until nothing moves at this time."""
    counts = state.counts
    while True:
        while counts[STIRRED_POOLS] > 0:
            counts[STIRRED_POOLS] -= 1
            pool = state.stack_pools[counts[STIRRED_POOLS]]
            pools.stirred[pool] = 0
            _admit(tasks, groups, pools, state, pool, now)
        while counts[STIRRED_GROUPS] > 0:
            counts[STIRRED_GROUPS] -= 1
            group = state.stack_groups[counts[STIRRED_GROUPS]]
            groups.stirred[group] = 0
            _start_group(tasks, groups, state, group, now)
        task = counts[INSTANT]
        if task < 0:
            break
        counts[INSTANT] = -1
        while task >= 0:
            following = state.sibling[task]
            _end(tasks, groups, pools, state, task, now)
            task = following
    while counts[STIRRED_INSTANCES] > 0:
        counts[STIRRED_INSTANCES] -= 1
        _retime(groups, state, state.stack_instances[counts[STIRRED_INSTANCES]], now)


@compiled
def _next_end(groups: Groups, state: State) -> int:
    fifo = state.end_times[0] if state.counts[ENDS] > 0 else FAR_PS
    return int(min(fifo, groups.due[1]))


@compiled
def _end_fifo(tasks: Tasks, groups: Groups, pools: Pools, state: State, now: int) -> None:
    while state.counts[ENDS] > 0 and state.end_times[0] == now:
        task = state.end_tasks[0]
        state.counts[ENDS] = end_pop(state.end_times, state.end_tasks, state.counts[ENDS])
        _end(tasks, groups, pools, state, task, now)


@compiled
def _end_shared(tasks: Tasks, groups: Groups, pools: Pools, state: State, now: int) -> None:
    width = len(groups.due) // 2
    while groups.due[1] == now:
        row = tree_first(groups.due, 0, width)
        tree_set(groups.due, 0, width, row, FAR_PS)
        _advance(groups, state, row, now)
        _end_flows(tasks, groups, pools, state, row, now)


@compiled
def _end_flows(tasks: Tasks, groups: Groups, pools: Pools, state: State, row: int, now: int) -> None:
    """End the tasks of a shared instance that its virtual clock has reached."""
    clock = groups.clock[row]
    task = groups.flows[row]
    while task >= 0 and state.end[task] <= clock:
        groups.flows[row] = pop(state.child, state.sibling, state.instance, state.end, task)
        groups.flow_count[row] -= 1
        _end(tasks, groups, pools, state, task, now)
        task = groups.flows[row]


@compiled
def _end(tasks: Tasks, groups: Groups, pools: Pools, state: State, task: int, now: int) -> None:
    """End a task: its server is free, its tokens are back, its successors are told."""
    state.end[task] = now
    state.left[task] = -1
    state.counts[DONE] += 1
    group = tasks.resource[task]
    if group < 0:
        state.instance[task] = -1
        group = len(groups.first) - 1
    else:
        _change_room(groups, group, state.instance[task], 1)
        _stir_group(groups, state, group)
    if groups.tied[group]:
        _touch(groups, group, groups.first[group] + state.instance[task])
    for row in range(tasks.give_starts[task], tasks.give_starts[task + 1]):
        _give_back(pools, state, tasks.give_pools[row], tasks.give_amounts[row])
    for row in range(tasks.next_starts[task], tasks.next_starts[task + 1]):
        follower = tasks.next_items[row]
        state.left[follower] -= 1
        if state.left[follower] == 0:
            _make_ready(tasks, groups, pools, state, follower, now)


@compiled
def _give_back(pools: Pools, state: State, pool: int, amount: int) -> None:
    pools.free[pool] += amount
    if pools.free[pool] > pools.amount[pool]:
        state.fault[0] = OVERPAID
        state.fault[1] = pool
    _stir_pool(pools, state, pool)


@compiled
def _make_ready(tasks: Tasks, groups: Groups, pools: Pools, state: State, task: int, now: int) -> None:
    """A task whose predecessors have ended queues at its pools or, if it takes no tokens, is admitted."""
    low, high = tasks.take_starts[task], tasks.take_starts[task + 1]
    if low == high:
        _enqueue(tasks, groups, state, task, now)
        return
    for row in range(low, high):
        pool = tasks.take_pools[row]
        pools.major[row] = tasks.priority[task]
        pools.minor[row] = now
        pools.queue[pool] = push(pools.child, pools.sibling, pools.major, pools.minor, pools.queue[pool], row)
        _stir_pool(pools, state, pool)


@compiled
def _admit(tasks: Tasks, groups: Groups, pools: Pools, state: State, pool: int, now: int) -> None:
    """Admit tasks from the head of a pool's queue while each heads all its queues and finds all its tokens."""
    while pools.queue[pool] >= 0:
        task = tasks.taker[pools.queue[pool]]
        for row in range(tasks.take_starts[task], tasks.take_starts[task + 1]):
            wanted = tasks.take_pools[row]
            if pools.queue[wanted] != row or pools.free[wanted] < tasks.take_amounts[row]:
                return
        for row in range(tasks.take_starts[task], tasks.take_starts[task + 1]):
            wanted = tasks.take_pools[row]
            pools.free[wanted] -= tasks.take_amounts[row]
            pools.queue[wanted] = pop(pools.child, pools.sibling, pools.major, pools.minor, row)
            _stir_pool(pools, state, wanted)
        _enqueue(tasks, groups, state, task, now)


@compiled
def _enqueue(tasks: Tasks, groups: Groups, state: State, task: int, now: int) -> None:
    """Put an admitted task in the queue of its group, or of its instance when it is tied to one."""
    group = tasks.resource[task]
    if group < 0:
        group = len(groups.first) - 1
    state.start[task] = now
    _stir_group(groups, state, group)
    if tasks.affinity[task] >= 0:
        row = groups.first[group] + state.instance[tasks.affinity[task]]
        _push_tied(tasks, groups, state, row, task)
        _touch(groups, group, row)
        return
    groups.queue[group] = push(state.child, state.sibling, tasks.priority, state.start, groups.queue[group], task)


@compiled
def _start_group(tasks: Tasks, groups: Groups, state: State, group: int, now: int) -> None:
    """Start waiting tasks of a group in order of priority, admission and id while they find a server."""
    first = groups.first[group]
    promoted = _promote_touched(tasks, groups, state, group)
    while True:
        task = groups.queue[group] if _room_of(groups, group) > 0 else -1
        if promoted < 0 and task < 0:
            return
        if task >= 0 and (promoted < 0 or precedes(tasks.priority, state.start, task, promoted)):
            groups.queue[group] = pop(state.child, state.sibling, tasks.priority, state.start, task)
            _start(tasks, groups, state, group, _freest(groups, group), task, now)
            continue
        task = promoted
        promoted = pop(state.child, state.sibling, tasks.priority, state.start, task)
        instance = state.instance[tasks.affinity[task]]
        if groups.room[first + instance] > 0:
            _start(tasks, groups, state, group, instance, task, now)
            promoted = _promote(tasks, groups, state, first + instance, promoted)
        else:
            _push_tied(tasks, groups, state, first + instance, task)


@compiled
def _promote_touched(tasks: Tasks, groups: Groups, state: State, group: int) -> int:
    """A heap of the first tied task of each touched instance that has room."""
    promoted = -1
    row = groups.touched[group]
    groups.touched[group] = -1
    while row >= 0:
        following = groups.touched_next[row]
        groups.touched_next[row] = -2
        promoted = _promote(tasks, groups, state, row, promoted)
        row = following
    return promoted


@compiled
def _promote(tasks: Tasks, groups: Groups, state: State, row: int, promoted: int) -> int:
    task = groups.tied_queue[row]
    if task < 0 or groups.room[row] <= 0:
        return promoted
    groups.tied_queue[row] = pop(state.child, state.sibling, tasks.priority, state.start, task)
    return push(state.child, state.sibling, tasks.priority, state.start, promoted, task)


@compiled
def _push_tied(tasks: Tasks, groups: Groups, state: State, row: int, task: int) -> None:
    root = groups.tied_queue[row]
    groups.tied_queue[row] = push(state.child, state.sibling, tasks.priority, state.start, root, task)


@compiled
def _start(tasks: Tasks, groups: Groups, state: State, group: int, instance: int, task: int, now: int) -> None:
    """Start a task on an instance that has room."""
    state.start[task] = now
    state.instance[task] = instance
    if tasks.resource[task] >= 0:
        _change_room(groups, group, instance, -1)
    work = tasks.work[task]
    if work == 0:
        state.sibling[task] = state.counts[INSTANT]
        state.counts[INSTANT] = task
    elif groups.shared[group]:
        _start_flow(groups, state, group, groups.first[group] + instance, task, work, now)
    else:
        state.counts[ENDS] = end_push(state.end_times, state.end_tasks, state.counts[ENDS], now + work, task)


@compiled
def _start_flow(groups: Groups, state: State, group: int, row: int, task: int, work: int, now: int) -> None:
    _advance(groups, state, row, now)
    alone, unit = groups.alone[group], groups.unit[group]
    whole, rest = work // unit, work % unit
    if whole > DEMAND_LIMIT // alone or groups.clock[row] > DEMAND_LIMIT:
        state.fault[0] = OVERLONG
        state.fault[1] = task
        return
    state.end[task] = groups.clock[row] + whole * alone + (rest * alone + unit - 1) // unit
    groups.flows[row] = push(state.child, state.sibling, state.instance, state.end, groups.flows[row], task)
    groups.flow_count[row] += 1


@compiled
def _advance(groups: Groups, state: State, row: int, now: int) -> None:
    """Bring the virtual clock of a shared instance to now, before the set of its tasks changes."""
    if not groups.retimed[row]:
        groups.retimed[row] = 1
        state.stack_instances[state.counts[STIRRED_INSTANCES]] = row
        state.counts[STIRRED_INSTANCES] += 1
    flows = groups.flow_count[row]
    if flows == 0:
        groups.clock[row] = 0
    elif now > groups.since[row]:
        group = groups.group_of[row]
        share = groups.share[group]
        slowed = max(share, groups.divider[group] * flows)
        full = (now - groups.since[row]) * SUBPICOSECONDS_PER_PS
        groups.clock[row] += full // slowed * share + full % slowed * share // slowed
    groups.since[row] = now


@compiled
def _retime(groups: Groups, state: State, row: int, now: int) -> None:
    """Find the next end of a shared instance after the set of its tasks has changed."""
    groups.retimed[row] = 0
    due = FAR_PS
    if groups.flow_count[row] > 0:
        group = groups.group_of[row]
        share = groups.share[group]
        slowed = max(share, groups.divider[group] * groups.flow_count[row])
        needed = state.end[groups.flows[row]] - groups.clock[row]
        full = share * SUBPICOSECONDS_PER_PS
        whole, rest = needed // full, needed % full
        fits = whole < CLOCK_LIMIT_PS // slowed
        due = now + whole * slowed + (rest * slowed + full - 1) // full if fits else CLOCK_LIMIT_PS
    tree_set(groups.due, 0, len(groups.due) // 2, row, due)


@compiled
def _room_of(groups: Groups, group: int) -> int:
    return int(-groups.tree[groups.tree_base[group] + 1])


@compiled
def _freest(groups: Groups, group: int) -> int:
    return tree_first(groups.tree, groups.tree_base[group], groups.tree_width[group])


@compiled
def _change_room(groups: Groups, group: int, instance: int, change: int) -> None:
    row = groups.first[group] + instance
    groups.room[row] += change
    tree_set(groups.tree, groups.tree_base[group], groups.tree_width[group], instance, -groups.room[row])


@compiled
def _touch(groups: Groups, group: int, row: int) -> None:
    """Remember that a tied task of an instance may be able to start."""
    if groups.touched_next[row] == -2:
        groups.touched_next[row] = groups.touched[group]
        groups.touched[group] = row


@compiled
def _stir_group(groups: Groups, state: State, group: int) -> None:
    if not groups.stirred[group]:
        groups.stirred[group] = 1
        state.stack_groups[state.counts[STIRRED_GROUPS]] = group
        state.counts[STIRRED_GROUPS] += 1


@compiled
def _stir_pool(pools: Pools, state: State, pool: int) -> None:
    if not pools.stirred[pool]:
        pools.stirred[pool] = 1
        state.stack_pools[state.counts[STIRRED_POOLS]] = pool
        state.counts[STIRRED_POOLS] += 1


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
