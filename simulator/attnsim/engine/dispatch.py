"""Starts and shared progress in the fast engine, compiled: which waiting task starts where, and when a flow ends."""

from __future__ import annotations

from attnsim.engine.compiled import compiled
from attnsim.engine.queues import end_push, pop, precedes, push, tree_first, tree_set
from attnsim.engine.rates import CLOCK_LIMIT_PS, DEMAND_LIMIT, SUBPICOSECONDS_PER_PS
from attnsim.engine.state import (
    ALONE,
    BUSY,
    CLOCK,
    CLOSED,
    CULPRIT,
    DIVIDER,
    ENDING,
    ENDS,
    FAR_PS,
    FAULT,
    FIRST,
    FIRST_CLOSED,
    FLOW_COUNT,
    FLOWS,
    GROUP_FILL,
    INSTANCE,
    INSTANCE_FILL,
    MOST_ROOM,
    NEXT_TOUCHED,
    NOTHING,
    OF_GROUP,
    OVERLONG,
    PERIOD,
    PRIORITY,
    QUEUE,
    RESERVE,
    RETIMED,
    ROOM,
    SHARE,
    SHARED,
    SIBLING,
    SINCE,
    STIRRED,
    TIED,
    TIED_QUEUE,
    TOUCHED,
    TREE,
    UNIT,
    UNTIL,
    UNTOUCHED,
    WHEN,
    WIDTH,
    Machine,
)


@compiled
def put(m: Machine, chain: int, task: int) -> None:
    """Put a task that waits in no queue on a chain (`READY`, `ADMITTED` or `ENDING`)."""
    m.tasks[task, SIBLING] = m.counts[chain]
    m.counts[chain] = task


@compiled
def take(m: Machine, chain: int) -> int:
    """Take a task from a chain that is not empty."""
    task = int(m.counts[chain])
    m.counts[chain] = m.tasks[task, SIBLING]
    return task


@compiled
def start_group(m: Machine, group: int, now: int) -> None:
    """Start waiting tasks of a group in order of priority, admission and id while they find a server."""
    m.groups[group, STIRRED] = 0
    promoted = promote_touched(m, group) if m.groups[group, TIED] else NOTHING
    while True:
        task = m.groups[group, QUEUE] if m.trees[m.groups[group, TREE] + 1] < 0 else NOTHING
        if promoted < 0 and task < 0:
            return
        if task >= 0 and (promoted < 0 or precedes(m.tasks, PRIORITY, WHEN, task, promoted)):
            m.groups[group, QUEUE] = pop(m.tasks, PRIORITY, WHEN, task)
            row = m.groups[group, FIRST] + tree_first(m.trees, m.groups[group, TREE], m.groups[group, WIDTH])
        else:
            task = promoted
            promoted = pop(m.tasks, PRIORITY, WHEN, task)
            row = m.groups[group, FIRST] + m.tasks[m.affinity[task], INSTANCE]
        if m.instances[row, ROOM] <= 0:
            queue_tied(m, row, task)
            continue
        start(m, group, row, task, now)
        if m.affinity[task] >= 0:
            promoted = promote(m, row, promoted)


@compiled
def promote_touched(m: Machine, group: int) -> int:
    """A heap of the first tied task of each touched instance that has room."""
    promoted = NOTHING
    row = m.groups[group, TOUCHED]
    m.groups[group, TOUCHED] = NOTHING
    while row >= 0:
        following = m.instances[row, NEXT_TOUCHED]
        m.instances[row, NEXT_TOUCHED] = UNTOUCHED
        promoted = promote(m, row, promoted)
        row = following
    return promoted


@compiled
def promote(m: Machine, row: int, promoted: int) -> int:
    """Move the first tied task of an instance, if it can start, to the heap of promoted tasks; returns its root."""
    task = m.instances[row, TIED_QUEUE]
    if task < 0 or m.instances[row, ROOM] <= 0:
        return promoted
    m.instances[row, TIED_QUEUE] = pop(m.tasks, PRIORITY, WHEN, task)
    return push(m.tasks, PRIORITY, WHEN, promoted, task)


@compiled
def queue_tied(m: Machine, row: int, task: int) -> None:
    """Put a task in the queue of the instance that it is tied to."""
    m.instances[row, TIED_QUEUE] = push(m.tasks, PRIORITY, WHEN, m.instances[row, TIED_QUEUE], task)


@compiled
def touch(m: Machine, group: int, row: int) -> None:
    """Remember that a tied task of an instance may be able to start."""
    if m.instances[row, NEXT_TOUCHED] == UNTOUCHED:
        m.instances[row, NEXT_TOUCHED] = m.groups[group, TOUCHED]
        m.groups[group, TOUCHED] = row


@compiled
def start(m: Machine, group: int, row: int, task: int, now: int) -> None:
    """Start a task on an instance that has room."""
    instance = row - m.groups[group, FIRST]
    m.tasks[task, WHEN] = now
    m.tasks[task, INSTANCE] = instance
    if m.instances[row, ROOM] == m.groups[group, MOST_ROOM]:
        m.instances[row, BUSY] -= now
    change_room(m, group, row, -1)
    work = m.work[task]
    if work == 0:
        put(m, ENDING, task)
    elif m.groups[group, SHARED]:
        start_flow(m, group, row, task, work, now)
    else:
        begin = now if m.groups[group, PERIOD] == 0 else begin_at_opening(m, group, row, task, now)
        m.counts[ENDS] = end_push(m.ends, m.counts[ENDS], begin + work, task)


@compiled
def begin_at_opening(m: Machine, group: int, row: int, task: int, now: int) -> int:
    """Let a task that has its server now begin when the calendar of its group is open; returns that time."""
    begin = opening(m, group, now)
    m.tasks[task, WHEN] = begin
    m.instances[row, BUSY] -= begin - now
    return begin


@compiled
def opening(m: Machine, group: int, now: int) -> int:
    """The first time from now on at which the calendar of a group lets a task begin."""
    first, reserve = m.groups[group, FIRST_CLOSED], m.groups[group, RESERVE]
    if now < first and now + reserve <= first:
        return now
    closed, period = m.groups[group, CLOSED], m.groups[group, PERIOD]
    since = (now - first) % period
    if since < closed:
        return int(now - since + closed)
    if since + reserve > period:
        return int(now - since + period + closed)
    return now


@compiled
def leave(m: Machine, group: int, row: int, now: int) -> None:
    """Free a server of an instance."""
    change_room(m, group, row, 1)
    if m.instances[row, ROOM] == m.groups[group, MOST_ROOM]:
        m.instances[row, BUSY] += now
    if m.groups[group, TIED]:
        touch(m, group, row)
    stir_group(m, group)


@compiled
def change_room(m: Machine, group: int, row: int, change: int) -> None:
    """Count a server of an instance as taken (-1) or free again (1)."""
    room = m.instances[row, ROOM] + change
    m.instances[row, ROOM] = room
    tree_set(m.trees, m.groups[group, TREE], m.groups[group, WIDTH], row - m.groups[group, FIRST], -room)


@compiled
def stir_group(m: Machine, group: int) -> None:
    """Remember that a group has something to look at in the start phase."""
    if not m.groups[group, STIRRED]:
        m.groups[group, STIRRED] = 1
        m.stacks[0, m.counts[GROUP_FILL]] = group
        m.counts[GROUP_FILL] += 1


@compiled
def start_flow(m: Machine, group: int, row: int, task: int, work: int, now: int) -> None:
    """Add a task to those that share an instance, with the virtual time at which it ends."""
    advance(m, row, now)
    alone, unit = m.groups[group, ALONE], m.groups[group, UNIT]
    whole, rest = work // unit, work % unit
    if whole > DEMAND_LIMIT // alone or m.instances[row, CLOCK] > DEMAND_LIMIT:
        m.counts[FAULT] = OVERLONG
        m.counts[CULPRIT] = task
        return
    m.tasks[task, UNTIL] = m.instances[row, CLOCK] + whole * alone + (rest * alone + unit - 1) // unit
    m.instances[row, FLOWS] = push(m.tasks, INSTANCE, UNTIL, m.instances[row, FLOWS], task)
    m.instances[row, FLOW_COUNT] += 1


@compiled
def advance(m: Machine, row: int, now: int) -> None:
    """Bring the virtual clock of a shared instance to now, before the set of its tasks changes."""
    if not m.instances[row, RETIMED]:
        m.instances[row, RETIMED] = 1
        m.stacks[2, m.counts[INSTANCE_FILL]] = row
        m.counts[INSTANCE_FILL] += 1
    flows = m.instances[row, FLOW_COUNT]
    elapsed = now - m.instances[row, SINCE]
    m.instances[row, SINCE] = now
    if flows == 0:
        m.instances[row, CLOCK] = 0
    elif elapsed > 0:
        group = m.instances[row, OF_GROUP]
        share = m.groups[group, SHARE]
        slowed = m.groups[group, DIVIDER] * flows
        full = elapsed * SUBPICOSECONDS_PER_PS
        if slowed > share:
            full = full // slowed * share + full % slowed * share // slowed
        m.instances[row, CLOCK] += full


@compiled
def retime(m: Machine, row: int, now: int) -> None:
    """Find the next end of a shared instance after the set of its tasks has changed."""
    m.instances[row, RETIMED] = 0
    due = FAR_PS
    if m.instances[row, FLOW_COUNT] > 0:
        group = m.instances[row, OF_GROUP]
        needed = m.tasks[m.instances[row, FLOWS], UNTIL] - m.instances[row, CLOCK]
        share = m.groups[group, SHARE]
        slowed = m.groups[group, DIVIDER] * m.instances[row, FLOW_COUNT]
        if slowed <= share:
            due = now + (needed + SUBPICOSECONDS_PER_PS - 1) // SUBPICOSECONDS_PER_PS
        elif float(needed) * slowed / share < CLOCK_LIMIT_PS:
            full = share * SUBPICOSECONDS_PER_PS
            due = now + needed // full * slowed + (needed % full * slowed + full - 1) // full
        else:
            due = CLOCK_LIMIT_PS
    tree_set(m.trees, 0, m.due_width, row, due)
