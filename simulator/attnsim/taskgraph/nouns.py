"""The nouns of the task graph: resource groups, token pools and the frozen `TaskGraph` of arrays.

The meaning of each field, and what an engine does with it, is told in docs/engine.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Int32: TypeAlias = npt.NDArray[np.int32]
Int64: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Kind = Literal["fifo", "shared"]
Origin = tuple[str, int, str]

NO_RESOURCE = -1
ANY_INSTANCE = -1
PS_PER_S = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """When no task may begin, in picoseconds of the graph's clock: such as the refresh of a DRAM.

    Windows of `closed_ps` begin at `first_ps` and every `period_ps` after it. A task with work begins outside of them,
    and no later than `reserve_ps` before the next one begins.
    """

    period_ps: int
    closed_ps: int
    first_ps: int
    reserve_ps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A group of equal instances that tasks work on.

    `fifo`: each instance has `servers`, each of which works on one task at a time; work is in picoseconds.
    `shared`: the running tasks of an instance share `capacity` (units of work per second) equally, each at most
    `per_flow_cap` (the same unit); at most `slots` run at once, 0 means any number; work is in units.
    A `calendar`, for `fifo` groups with one server, holds for all instances.
    """

    name: str
    kind: Kind = "fifo"
    instances: int = 1
    servers: int = 1
    capacity: float = 0.0
    per_flow_cap: float = math.inf
    slots: int = 0
    calendar: Calendar | None = None

    @property
    def parallel_tasks(self) -> int:
        """Tasks that one instance can hold at once; 0 means any number."""
        return self.servers if self.kind == "fifo" else self.slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A store of `amount` equal tokens that tasks take before they start and give back when they end."""

    name: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Links:
    """Rows of varying length in compressed form: row `i` is `items[starts[i]:starts[i + 1]]`, with `amounts` beside.

    `amounts` is empty where rows carry only ids (predecessors).
    """

    starts: Int32
    items: Int32
    amounts: Int64

    def row(self, index: int) -> list[int]:
        """Items of one row."""
        items: list[int] = self.items[self.starts[index] : self.starts[index + 1]].tolist()
        return items

    def pairs(self, index: int) -> list[tuple[int, int]]:
        """Items of one row with their amounts."""
        low, high = self.starts[index], self.starts[index + 1]
        return list(zip(self.items[low:high].tolist(), self.amounts[low:high].tolist(), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Origins:
    """Where each task comes from, for reports and traces only: label (an Einsum), tile number and kind.

    `label_ids` and `kind_ids` index the name tables; all three arrays are empty when a graph has no origins.
    """

    labels: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    label_ids: Int32
    tiles: Int32
    kind_ids: Int32

    def of(self, task: int) -> Origin:
        """Label, tile and kind of a task; empty strings and -1 when unknown."""
        if task >= len(self.tiles):
            return ("", -1, "")
        return (self.labels[self.label_ids[task]], int(self.tiles[task]), self.kinds[self.kind_ids[task]])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskGraph:
    """Tasks as arrays, one row a task, with the resources and pools they use.

    `GraphBuilder` and `graph_from_arrays` make it, checked and with read-only arrays. `work` is in picoseconds on a
    `fifo` resource and in units on a `shared` one. A task on `NO_RESOURCE` has work 0: it is a join or a marker that
    ends in the instant in which it starts.
    """

    resources: tuple[Resource, ...]
    pools: tuple[Pool, ...]
    resource: Int32
    work: Int64
    preds: Links
    priority: Int32
    affinity: Int32
    acquire: Links
    release: Links
    origins: Origins

    @property
    def task_count(self) -> int:
        """Number of tasks."""
        return len(self.work)

    def name_of(self, task: int) -> str:
        """A task for messages: its id, with label, tile and kind when it has an origin."""
        label, tile, kind = self.origins.of(task)
        return f"task {task} ({kind or 'task'} of {label}, tile {tile})" if label else f"task {task}"


def no_links(rows: int) -> Links:
    """Links with `rows` empty rows."""
    return links_from(np.zeros(rows + 1, np.int32), np.zeros(0, np.int32))


def links_from(starts: npt.ArrayLike, items: npt.ArrayLike, amounts: npt.ArrayLike = ()) -> Links:
    """Links from row starts (rows + 1 values), items and, for tokens, one amount for each item."""
    return Links(
        starts=np.array(starts, np.int32), items=np.array(items, np.int32), amounts=np.array(amounts, np.int64)
    )


def no_origins() -> Origins:
    """Origins of a graph whose tasks carry none."""
    empty = np.zeros(0, np.int32)
    return Origins(label_ids=empty, tiles=empty, kind_ids=empty)
