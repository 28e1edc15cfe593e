"""The queues of the fast engine, compiled: pairing heaps of rows, a binary heap of ends, and trees of minima.

Pairing heaps (Fredman, Sedgewick, Sleator and Tarjan 1986) need two links a row and no room of their own, however many
queues there are, because a row waits in one queue at a time. Their order: column `major`, column `minor`, row number.
"""

from __future__ import annotations

from attnsim.engine.compiled import compiled
from attnsim.engine.state import CHILD, NOTHING, SIBLING
from attnsim.taskgraph import Int64


@compiled
def precedes(rows: Int64, major: int, minor: int, a: int, b: int) -> bool:
    """Whether row `a` comes before row `b`."""
    if rows[a, major] != rows[b, major]:
        return bool(rows[a, major] < rows[b, major])
    if rows[a, minor] != rows[b, minor]:
        return bool(rows[a, minor] < rows[b, minor])
    return a < b


@compiled
def push(rows: Int64, major: int, minor: int, root: int, row: int) -> int:
    """Insert a row in the heap of `root`; returns the new root."""
    rows[row, CHILD] = NOTHING
    rows[row, SIBLING] = NOTHING
    if root < 0:
        return row
    return meld(rows, major, minor, root, row)


@compiled
def meld(rows: Int64, major: int, minor: int, a: int, b: int) -> int:
    """Join two heaps that are not empty; returns the root of both."""
    if precedes(rows, major, minor, b, a):
        a, b = b, a
    rows[b, SIBLING] = rows[a, CHILD]
    rows[a, CHILD] = b
    return a


@compiled
def pop(rows: Int64, major: int, minor: int, root: int) -> int:
    """Remove the root of a heap; returns the new root, `NOTHING` when it was the last row."""
    row = rows[root, CHILD]
    pairs = NOTHING
    while row >= 0:
        mate = rows[row, SIBLING]
        following = NOTHING
        if mate >= 0:
            following = rows[mate, SIBLING]
            row = meld(rows, major, minor, row, mate)
        rows[row, SIBLING] = pairs
        pairs = row
        row = following
    merged = pairs
    if pairs >= 0:
        pairs = rows[pairs, SIBLING]
    while pairs >= 0:
        following = rows[pairs, SIBLING]
        merged = meld(rows, major, minor, merged, pairs)
        pairs = following
    return merged


@compiled
def end_push(ends: Int64, count: int, time: int, task: int) -> int:
    """Insert an end in the binary heap of (time, task) rows; returns the new number of ends."""
    hole = count
    while hole > 0:
        parent = (hole - 1) >> 1
        if ends[parent, 0] <= time:
            break
        ends[hole, 0] = ends[parent, 0]
        ends[hole, 1] = ends[parent, 1]
        hole = parent
    ends[hole, 0] = time
    ends[hole, 1] = task
    return count + 1


@compiled
def end_pop(ends: Int64, count: int) -> int:
    """Remove the earliest end (row 0) from the binary heap; returns the new number of ends."""
    count -= 1
    time = ends[count, 0]
    hole, lower = 0, 1
    while lower < count:
        if lower + 1 < count and ends[lower + 1, 0] < ends[lower, 0]:
            lower += 1
        if ends[lower, 0] >= time:
            break
        ends[hole, 0] = ends[lower, 0]
        ends[hole, 1] = ends[lower, 1]
        hole, lower = lower, 2 * lower + 1
    ends[hole, 0] = time
    ends[hole, 1] = ends[count, 1]
    return count


@compiled
def tree_set(trees: Int64, base: int, width: int, leaf: int, key: int) -> None:
    """Change a leaf of a tree of minima, which takes `2 * width` places from `base` (its root in place `base + 1`)."""
    node = width + leaf
    trees[base + node] = key
    while node > 1:
        node >>= 1
        least = min(trees[base + 2 * node], trees[base + 2 * node + 1])
        if trees[base + node] == least:
            break
        trees[base + node] = least


@compiled
def tree_first(trees: Int64, base: int, width: int) -> int:
    """The lowest leaf that holds the minimum of a tree."""
    node = 1
    least = trees[base + 1]
    while node < width:
        node *= 2
        if trees[base + node] != least:
            node += 1
    return node - width
