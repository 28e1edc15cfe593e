"""The queues of the fast engine, compiled: pairing heaps of tasks, a binary heap of ends, and trees of minima.

Pairing heaps (Fredman, Sedgewick, Sleator and Tarjan 1986) need two links a task and no room of their own, however many
queues there are, because a task waits in one queue at a time. Order: `major`, then `minor`, then the node's number.
"""

from __future__ import annotations

from attnsim.engine.compiled import compiled
from attnsim.taskgraph import Int32, Int64


@compiled
def precedes(major: Int32, minor: Int64, a: int, b: int) -> bool:
    """Whether node `a` comes before node `b`."""
    if major[a] != major[b]:
        return bool(major[a] < major[b])
    if minor[a] != minor[b]:
        return bool(minor[a] < minor[b])
    return a < b


@compiled
def push(child: Int32, sibling: Int32, major: Int32, minor: Int64, root: int, node: int) -> int:
    """Insert a node in the heap of `root` (-1: empty); returns the new root."""
    child[node] = -1
    sibling[node] = -1
    if root < 0:
        return node
    return meld(child, sibling, major, minor, root, node)


@compiled
def meld(child: Int32, sibling: Int32, major: Int32, minor: Int64, a: int, b: int) -> int:
    """Join two heaps that are not empty; returns the root of both."""
    if precedes(major, minor, b, a):
        a, b = b, a
    sibling[b] = child[a]
    child[a] = b
    return a


@compiled
def pop(child: Int32, sibling: Int32, major: Int32, minor: Int64, root: int) -> int:
    """Remove the root of a heap; returns the new root, -1 when nothing is left."""
    node = child[root]
    pairs = -1
    while node >= 0:
        mate = sibling[node]
        following = -1
        if mate >= 0:
            following = sibling[mate]
            node = meld(child, sibling, major, minor, node, mate)
        sibling[node] = pairs
        pairs = node
        node = following
    merged = pairs
    if pairs >= 0:
        pairs = sibling[pairs]
    while pairs >= 0:
        following = sibling[pairs]
        merged = meld(child, sibling, major, minor, merged, pairs)
        pairs = following
    return merged


@compiled
def end_push(times: Int64, tasks: Int32, count: int, time: int, task: int) -> int:
    """Insert an end in the binary heap of ends; returns the new number of ends."""
    hole = count
    while hole > 0:
        parent = (hole - 1) >> 1
        if times[parent] <= time:
            break
        times[hole] = times[parent]
        tasks[hole] = tasks[parent]
        hole = parent
    times[hole] = time
    tasks[hole] = task
    return count + 1


@compiled
def end_pop(times: Int64, tasks: Int32, count: int) -> int:
    """Remove the earliest end (row 0) from the binary heap of ends; returns the new number of ends."""
    count -= 1
    time, task = times[count], tasks[count]
    hole, lower = 0, 1
    while lower < count:
        if lower + 1 < count and times[lower + 1] < times[lower]:
            lower += 1
        if times[lower] >= time:
            break
        times[hole] = times[lower]
        tasks[hole] = tasks[lower]
        hole, lower = lower, 2 * lower + 1
    times[hole] = time
    tasks[hole] = task
    return count


@compiled
def tree_set(tree: Int64, base: int, width: int, leaf: int, key: int) -> None:
    """Change a leaf of a tree of minima, which takes `2 * width` rows from `base` (its root in row `base + 1`)."""
    node = width + leaf
    tree[base + node] = key
    while node > 1:
        node >>= 1
        least = min(tree[base + 2 * node], tree[base + 2 * node + 1])
        if tree[base + node] == least:
            break
        tree[base + node] = least


@compiled
def tree_first(tree: Int64, base: int, width: int) -> int:
    """The lowest leaf that holds the minimum of a tree."""
    node = 1
    least = tree[base + 1]
    while node < width:
        node *= 2
        if tree[base + node] != least:
            node += 1
    return node - width
