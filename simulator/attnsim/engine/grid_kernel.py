"""Compiled simulation of a grid of CTAs: the rules of `attnsim.engine` for one shared group with slots, no graph made.

Every CTA is one task on a group of equal instances, dispatched in order to the instance with most free slots; the CTAs
of an instance share it as in `attnsim.taskgraph.Resource`. Times are float picoseconds. A heap holds one entry for each
instance, its next event, because a CTA that ends changes only its own instance.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from attnsim.engine.compiled import compiled

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MAX_SLOTS = 32
ROUNDING_PS = 1e-3
"""Ends are on whole picoseconds, rounded up, as on the engine's clock; less than this above one is noise."""


@compiled
def _earlier(times: Floats, ranks: Ints, one: int, other: int) -> bool:
    """Whether the event of one instance comes before that of another: by time, then ends before starts, then index."""
    if times[one] != times[other]:
        return bool(times[one] < times[other])
    if ranks[one] != ranks[other]:
        return bool(ranks[one] < ranks[other])
    return one < other


@compiled
def _sink(heap: Ints, times: Floats, ranks: Ints, size: int) -> None:
    """Restore the heap after the event of its first instance was put off."""
    place, moved = 0, heap[0]
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and _earlier(times, ranks, heap[child + 1], heap[child]):
            child += 1
        if not _earlier(times, ranks, heap[child], moved):
            break
        heap[place] = heap[child]
        place = child
    heap[place] = moved


@compiled
def _next_end(now: float, ends: Floats, residents: int, clock: float, share: float) -> float:
    """When the first of an instance's CTAs ends if nothing changes."""
    first = ends[0]
    for slot in range(1, residents):
        first = min(first, ends[slot])
    return float(np.ceil(now + max(first - clock, 0.0) * max(1.0, residents / share) - ROUNDING_PS))


@compiled
def _without_ended(ends: Floats, residents: int, clock: float) -> int:
    """Drop the CTAs that have ended by an instance's clock; returns how many are left."""
    slot = 0
    while slot < residents:
        if ends[slot] <= clock + ROUNDING_PS:
            residents -= 1
            ends[slot] = ends[residents]
        else:
            slot += 1
    return residents


@compiled
def _drained(now: float, ends: Floats, residents: int, clock: float, share: float) -> float:
    """When an instance has finished the CTAs that it holds."""
    while residents:
        now = _next_end(now, ends, residents, clock, share)
        first = 0
        for slot in range(1, residents):
            first = slot if ends[slot] < ends[first] else first
        clock = max(clock, ends[first])
        residents -= 1
        ends[first] = ends[residents]
    return now


@compiled
def _dispatch_all(
    works: Floats, total: int, per_work: int, share: float, slots: int, instances: int, scratch: Floats, marks: Ints
) -> float:
    """Makespan of `total` CTAs; the i-th has the work `works[(i // per_work) % len(works)]`."""
    times, clocks, since = scratch[0], scratch[1], scratch[2]
    ends = scratch[3 : 3 + slots].T
    heap, ranks, residents = marks[0], marks[1], marks[2]
    count = len(works)
    for instance in range(instances):
        heap[instance] = instance
        times[instance] = clocks[instance] = since[instance] = 0.0
        ranks[instance] = residents[instance] = 0
    next_cta = 0
    while next_cta < total:
        here = heap[0]
        now, held = times[here], residents[here]
        if now > since[here]:
            clocks[here] += (now - since[here]) / max(1.0, held / share)
        if ranks[here] < 0:
            held = _without_ended(ends[here], held, clocks[here])
        else:
            ends[here, held] = clocks[here] + works[(next_cta // per_work) % count]
            held += 1
            next_cta += 1
        since[here] = now
        residents[here] = held
        ranks[here] = held
        if held == slots:
            times[here] = _next_end(now, ends[here], held, clocks[here], share)
            ranks[here] = -1
        _sink(heap, times, ranks, instances)
    last = 0.0
    for instance in range(instances):
        last = max(last, _drained(since[instance], ends[instance], residents[instance], clocks[instance], share))
    return last


@compiled
def grid_makespan(
    works: Floats,
    repeats: int,
    grouped: bool,
    share: float,
    slots: int,
    instances: int,
    limit: int,
    scratch: Floats,
    marks: Ints,
) -> tuple[float, bool]:
    """Makespan in picoseconds of `repeats` copies of the CTAs `works`, and whether all of them were simulated.

    grouped: all copies of the first CTA are dispatched before those of the second. limit: at most about so many CTAs
    are simulated one by one; whole waves (grouped) or copies (not grouped) in the middle are passed at the mean rate.
    scratch: (3 + slots, instances) floats; marks: (3, instances) integers.
    """
    count = len(works)
    total = count * repeats
    uniform = True
    work = 0.0
    for index in range(count):
        uniform = uniform and works[index] == works[0]
        work += works[index]
    room = instances * slots
    rate = max(1.0, slots / share)
    if uniform:
        waves = (total - 1) // room
        rest = total - waves * room
        return waves * works[0] * rate + works[0] * max(1.0, -(-rest // instances) / share), True
    if total <= limit or (not grouped and repeats < 3):
        return _dispatch_all(works, total, repeats if grouped else 1, share, slots, instances, scratch, marks), True
    if grouped:
        kept = repeats % room + room if repeats > 2 * room else repeats
        skipped = (repeats - kept) // room * work * rate
        return (
            skipped + _dispatch_all(works, kept * count, kept, share, slots, instances, scratch, marks),
            False,
        )
    kept = max(2, limit // count)
    skipped = (repeats - kept) * work / (instances * slots) * rate
    return skipped + _dispatch_all(works, kept * count, 1, share, slots, instances, scratch, marks), False
