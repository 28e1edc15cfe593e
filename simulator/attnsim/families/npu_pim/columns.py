"""A task graph put together from blocks of equal tasks: arrays in place of a call for each of 10^5 tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from attnsim.taskgraph import (
    ANY_INSTANCE,
    NO_RESOURCE,
    Calendar,
    Int32,
    Int64,
    Origins,
    Resource,
    TaskGraph,
    graph_from_arrays,
    links_from,
)

NONE = -1
Ids = npt.NDArray[np.int64]


class Columns:
    """Collects resources and blocks of tasks; ids count from 0 in the order in which blocks are added."""

    def __init__(self) -> None:
        self.resources: list[Resource] = []
        self._anchors: dict[int, Ids] = {}
        self._count = 0
        self._resource: list[Int32] = []
        self._work: list[Int64] = []
        self._priority: list[Int32] = []
        self._affinity: list[Int32] = []
        self._labels: list[str] = []
        self._kinds: list[str] = []
        self._sizes: list[int] = []
        self._owners: list[Ids] = []
        self._preds: list[Ids] = []

    def fifo(self, name: str, *, instances: int = 1, servers: int = 1, calendar: Calendar | None = None) -> int:
        """Add a resource whose servers take a task each; with several instances every one gets an anchor."""
        self.resources.append(Resource(name=name, instances=instances, servers=servers, calendar=calendar))
        group = len(self.resources) - 1
        if instances > 1:
            self._anchors[group] = self.add(group, np.zeros(instances, np.int64), label="", kind="anchor")
        return group

    def anchor(self, group: int, instances: npt.ArrayLike) -> Ids:
        """Tasks that ran on the given instances of a group: a task with their affinity runs there too."""
        known = self._anchors.get(group)
        chosen = np.asarray(instances, np.int64)
        return np.full(len(chosen), ANY_INSTANCE, np.int64) if known is None else known[chosen]

    def add(
        self,
        resource: int | Ids,
        work: npt.ArrayLike,
        preds: Sequence[npt.ArrayLike] = (),
        *,
        affinity: npt.ArrayLike | None = None,
        priority: int = 0,
        label: str,
        kind: str,
    ) -> Ids:
        """Add a task for each entry of `work`, on one resource or one each.

        Each of `preds` is one predecessor a task (`NONE`: it has none).
        """
        amounts = np.asarray(work, np.int64)
        size = len(amounts)
        ids = np.arange(self._count, self._count + size)
        tied = np.full(size, ANY_INSTANCE, np.int32) if affinity is None else np.asarray(affinity, np.int32)
        self._resource.append(np.broadcast_to(np.asarray(resource, np.int32), size))
        self._work.append(amounts)
        self._priority.append(np.full(size, priority, np.int32))
        self._affinity.append(tied)
        self._labels.append(label)
        self._kinds.append(kind)
        self._sizes.append(size)
        for before in (*preds, *([tied] if affinity is not None else [])):
            self.order(ids, np.broadcast_to(np.asarray(before, np.int64), size))
        self._count += size
        return ids

    def join(self, preds: npt.ArrayLike, label: str) -> int:
        """A marker that is reached when all `preds` have ended; its id."""
        (marker,) = self.add(NO_RESOURCE, [0], label=label, kind="marker")
        before = np.asarray(preds, np.int64)
        self.order(np.full(len(before), marker), before)
        return int(marker)

    def order(self, tasks: Ids, before: Ids) -> None:
        """Let each of `tasks` begin only after the one of `before` beside it, where there is one."""
        there = before >= 0
        self._owners.append(tasks[there])
        self._preds.append(before[there])

    def build(self) -> TaskGraph:
        """The graph. Raises GraphError for what is wrong with it."""
        owners, preds = np.concatenate(self._owners), np.concatenate(self._preds)
        pairs = np.unique(np.stack([owners, preds]), axis=1)
        starts = np.searchsorted(pairs[0], np.arange(self._count + 1))
        labels, kinds = dict.fromkeys(self._labels), dict.fromkeys(self._kinds)
        return graph_from_arrays(
            self.resources,
            np.concatenate(self._resource),
            np.concatenate(self._work),
            preds=links_from(starts, pairs[1]),
            priority=np.concatenate(self._priority),
            affinity=np.concatenate(self._affinity),
            origins=Origins(
                labels=tuple(labels),
                kinds=tuple(kinds),
                label_ids=_spread(self._labels, tuple(labels), self._sizes),
                tiles=np.concatenate([np.arange(size, dtype=np.int32) for size in self._sizes]),
                kind_ids=_spread(self._kinds, tuple(kinds), self._sizes),
            ),
        )


def _spread(names: Sequence[str], known: Sequence[str], sizes: Sequence[int]) -> Int32:
    at = {name: number for number, name in enumerate(known)}
    return np.repeat(np.array([at[name] for name in names], np.int32), sizes)
