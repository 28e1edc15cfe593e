"""Making task graphs: task by task in plain Python, or from whole arrays; both check what they made.

From what a hardware family lowers (tasks with work, order, tokens) to a frozen, verified `TaskGraph`.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from attnsim.taskgraph.check import verify
from attnsim.taskgraph.nouns import (
    ANY_INSTANCE,
    Calendar,
    Kind,
    Links,
    Origin,
    Origins,
    Pool,
    Resource,
    TaskGraph,
    links_from,
    no_links,
    no_origins,
)


def graph_from_arrays(
    resources: Sequence[Resource],
    resource: npt.ArrayLike,
    work: npt.ArrayLike,
    *,
    pools: Sequence[Pool] = (),
    preds: Links | None = None,
    priority: npt.ArrayLike | None = None,
    affinity: npt.ArrayLike | None = None,
    acquire: Links | None = None,
    release: Links | None = None,
    origins: Origins | None = None,
) -> TaskGraph:
    """A graph from whole arrays (shape: tasks), for graphs too large to add task by task.

    What is left out is empty: no predecessors, priority 0, any instance, no tokens. The arrays are copied.

    Raises:
        GraphError: when the arrays break the contract.
    """
    work_array = np.array(work, np.int64)
    rows = len(work_array)
    graph = TaskGraph(
        resources=tuple(resources),
        pools=tuple(pools),
        resource=np.array(resource, np.int32),
        work=work_array,
        preds=preds or no_links(rows),
        priority=np.zeros(rows, np.int32) if priority is None else np.array(priority, np.int32),
        affinity=np.full(rows, ANY_INSTANCE, np.int32) if affinity is None else np.array(affinity, np.int32),
        acquire=acquire or no_links(rows),
        release=release or no_links(rows),
        origins=origins or no_origins(),
    )
    return _sealed(verify(graph))


def _sealed(graph: TaskGraph) -> TaskGraph:
    """The graph with its arrays made read-only, so that what was checked stays true."""
    graph.work.setflags(write=False)
    for column in (graph.resource, graph.priority, graph.affinity):
        column.setflags(write=False)
    for links in (graph.preds, graph.acquire, graph.release):
        links.starts.setflags(write=False)
        links.items.setflags(write=False)
        links.amounts.setflags(write=False)
    return graph


def _extend(column: array[int], rows: npt.NDArray[np.int32]) -> None:
    column.frombytes(np.ascontiguousarray(rows, np.int32).tobytes())


class GraphBuilder:
    """Collects resources, pools and tasks in plain Python, then makes the frozen graph.

    Each `task` call returns the id of the task, counted from 0; ids may be used before their task exists.
    """

    def __init__(self) -> None:
        self._resources: list[Resource] = []
        self._pools: list[Pool] = []
        self._resource = array("i")
        self._work = array("q")
        self._priority = array("i")
        self._affinity = array("i")
        self._pred_starts, self._pred_items = array("i", [0]), array("i")
        self._taken_starts, self._taken_items, self._taken_amounts = array("i", [0]), array("i"), array("q")
        self._given_starts, self._given_items, self._given_amounts = array("i", [0]), array("i"), array("q")
        self._labels: dict[str, int] = {}
        self._kinds: dict[str, int] = {}
        self._label_ids, self._tiles, self._kind_ids = array("i"), array("i"), array("i")

    def resource(
        self,
        name: str,
        kind: Kind = "fifo",
        *,
        instances: int = 1,
        servers: int = 1,
        capacity: float = 0.0,
        per_flow_cap: float = math.inf,
        slots: int = 0,
        calendar: Calendar | None = None,
    ) -> int:
        """Add a resource group, see `Resource`; returns its id."""
        self._resources.append(
            Resource(
                name=name,
                kind=kind,
                instances=instances,
                servers=servers,
                capacity=capacity,
                per_flow_cap=per_flow_cap,
                slots=slots,
                calendar=calendar,
            )
        )
        return len(self._resources) - 1

    def pool(self, name: str, amount: int) -> int:
        """Add a pool of tokens; returns its id."""
        self._pools.append(Pool(name=name, amount=amount))
        return len(self._pools) - 1

    def task(
        self,
        resource: int,
        work: int,
        preds: Iterable[int] = (),
        priority: int = 0,
        affinity: int = ANY_INSTANCE,
        acquire: Iterable[tuple[int, int]] = (),
        release: Iterable[tuple[int, int]] = (),
        origin: Origin = ("", -1, ""),
    ) -> int:
        """Add a task; returns its id.

        Args:
            resource: Id of a resource group, or `NO_RESOURCE` for a join or marker (work 0).
            work: Picoseconds on a `fifo` resource, units on a `shared` one.
            preds: Ids of the tasks that must end first.
            priority: Smaller is served first.
            affinity: Id of a task of the same group on whose instance this one runs; it becomes a predecessor too.
            acquire: (pool, amount) pairs taken before the start, one for each pool.
            release: (pool, amount) pairs given back at the end.
            origin: Label (an Einsum), tile number and kind, for reports and traces.
        """
        items = self._pred_items
        first = len(items)
        items.extend(preds)
        if affinity != ANY_INSTANCE and affinity not in items[first:]:
            items.append(affinity)
        self._pred_starts.append(len(items))
        for pool, amount in acquire:
            self._taken_items.append(pool)
            self._taken_amounts.append(amount)
        self._taken_starts.append(len(self._taken_items))
        for pool, amount in release:
            self._given_items.append(pool)
            self._given_amounts.append(amount)
        self._given_starts.append(len(self._given_items))
        self._resource.append(resource)
        self._work.append(work)
        self._priority.append(priority)
        self._affinity.append(affinity)
        label, tile, kind = origin
        self._label_ids.append(self._labels.setdefault(label, len(self._labels)))
        self._kind_ids.append(self._kinds.setdefault(kind, len(self._kinds)))
        self._tiles.append(tile)
        return len(self._work) - 1

    @property
    def task_count(self) -> int:
        """Tasks that were added so far."""
        return len(self._work)

    def repeat(self, first: int, times: int, tiles: int) -> None:
        """Add the tasks from `first` on so many times more, each time after predecessors that lie as far before it.

        tiles: by how much the tile numbers of origins grow each time. The tasks take and give no tokens.
        """
        block, begin = self.task_count - first, self._pred_starts[first]
        assert self._taken_starts[first] == len(self._taken_items), "a repeated task takes tokens"
        assert self._given_starts[first] == len(self._given_items), "a repeated task gives tokens"
        shifts = np.arange(1, times + 1, dtype=np.int32)[:, None]
        items = np.array(self._pred_items[begin:], np.int32)
        starts = np.array(self._pred_starts[first + 1 :], np.int32)
        tied = np.array(self._affinity[first:], np.int32)
        _extend(self._pred_items, items + shifts * block)
        _extend(self._pred_starts, starts + shifts * len(items))
        _extend(self._tiles, np.array(self._tiles[first:], np.int32) + shifts * tiles)
        _extend(self._affinity, np.where(tied == ANY_INSTANCE, tied, tied + shifts * block))
        for column in (self._resource, self._work, self._priority, self._label_ids, self._kind_ids):
            column.extend(column[first:] * times)
        for column in (self._taken_starts, self._given_starts):
            column.extend(column[-1:] * (block * times))

    def build(self) -> TaskGraph:
        """The frozen graph of all that was added so far.

        Raises:
            GraphError: with every problem of the graph.
        """
        return graph_from_arrays(
            self._resources,
            self._resource,
            self._work,
            pools=self._pools,
            preds=links_from(self._pred_starts, self._pred_items),
            priority=self._priority,
            affinity=self._affinity,
            acquire=links_from(self._taken_starts, self._taken_items, self._taken_amounts),
            release=links_from(self._given_starts, self._given_items, self._given_amounts),
            origins=Origins(
                labels=tuple(self._labels),
                kinds=tuple(self._kinds),
                label_ids=np.array(self._label_ids, np.int32),
                tiles=np.array(self._tiles, np.int32),
                kind_ids=np.array(self._kind_ids, np.int32),
            ),
        )
