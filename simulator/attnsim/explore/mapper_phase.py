"""The best way to run a group of Einsums in one phase: tiles in the order of their lower bound, until none can win.

A tile is first judged by cycles that no placement beats and by the bytes that every mapping must move; then by its best
placement; and only tiles that can still win get their blocks: for each number of tiles in a block what stays in the
buffer.
"""

from __future__ import annotations

import heapq
import math
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import Literal

from attnsim.errors import MappingError
from attnsim.explore.mapper_compute import Placement, placement_on, placements_of, whole_on_arrays
from attnsim.explore.mapper_least import Least, compulsory, least_moved
from attnsim.explore.mapper_nests import (
    Nest,
    Tile,
    block_sizes,
    deep_sizes,
    least_extent,
    nests_of_segment,
    tile_sizes,
)
from attnsim.explore.mapper_residency import Form, Residency, form_of, residency_of, stays
from attnsim.explore.mapper_rough import tiles_by_cycles
from attnsim.explore.mapper_setting import Segment, Setting

PhaseObjective = Literal["latency", "energy"]
"""What adds up over phases: seconds, or joules."""

_EQUALS = 24
_MANY = 100
_SAME = 1e-12


class OutOfTime(Exception):
    """The search has used its seconds or its budget; what was found so far stands."""


class Account:
    """What a search has done so far, and what it may still do.

    evaluated: tiles with blocks whose traffic was counted; spent: those of them that the budget limits; infeasible: of
    which no choice of blocks fits; misfit: by what did not fit. deadline_s: on `time.monotonic`, infinite without a
    limit. stop_at: spent evaluations after which the present part of the search ends, None for the budget. watch: told
    how many were spent.
    """

    def __init__(
        self, *, budget: int, deadline_s: float = math.inf, watch: Callable[[int], None] | None = None
    ) -> None:
        self.budget, self.deadline_s, self.watch = budget, deadline_s, watch
        self.stop_at: int | None = None
        self.spent = self.evaluated = self.infeasible = 0
        self.misfit: dict[str, int] = {}

    def spend(self) -> None:
        """Count one evaluation; raises OutOfTime when none is left."""
        most = self.budget if self.stop_at is None else min(self.stop_at, self.budget)
        if self.spent >= most or time.monotonic() > self.deadline_s:
            raise OutOfTime
        self.spent += 1
        self.evaluated += 1
        if self.watch:
            self.watch(self.spent)

    def note(self) -> None:
        """Count one evaluation that the budget does not limit."""
        self.evaluated += 1

    def reject(self, reason: str, number: int) -> None:
        """Count mappings that do not fit, and why."""
        self.infeasible += number
        self.misfit[reason] = self.misfit.get(reason, 0) + number

    def check_time(self) -> None:
        """Raise OutOfTime past the deadline."""
        if time.monotonic() > self.deadline_s:
            raise OutOfTime


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """One way to run a phase: seconds and joules under the ideal assumption."""

    form: Form
    tile: Tile
    placement: Placement
    residency: Residency
    compute_s: float
    latency_s: float
    energy_j: float

    def with_placement(self, placement: Placement, residency: Residency, clock_hz: float) -> Design:
        """The design with Einsums elsewhere and the blocks that follow from it."""
        compute_s = placement.cycles / clock_hz
        return replace(
            self,
            placement=placement,
            residency=residency,
            compute_s=compute_s,
            latency_s=max(compute_s, residency.move_s),
            energy_j=placement.energy_j + residency.energy_j,
        )

    def cost(self, objective: PhaseObjective) -> tuple[float, float]:
        """What is minimized, then what decides between equals."""
        if objective == "energy":
            return self.energy_j, self.latency_s
        return self.latency_s, self.energy_j


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A tile of a nest; without a placement its bound is a rough one. rest: blocks that are still to be tried, None
    before the first. next_ones: the tiles of the form after this rough one, with their bounds."""

    form: Form
    tile: Tile
    placement: Placement | None = None
    rest: tuple[Tile, ...] | None = None
    next_ones: Iterator[tuple[float, Tile]] | None = None


class PhaseSearch:
    """The search of one group of Einsums; what it found is kept in `best`, `solved` says that nothing is better.

    floor_s: seconds that every mapping takes, the longer of moved_s (memory) and busy_s (arrays); floor_j and moved_j:
    the same in joules, the sum of both.
    """

    def __init__(self, setting: Setting, segment: Segment, objective: PhaseObjective) -> None:
        self.setting, self.segment, self.objective = setting, segment, objective
        self.floor_s = self.floor_j = self.moved_s = self.moved_j = self.busy_s = 0.0
        self.best: Design | None = None
        self.solved = False
        self._queue: list[tuple[float, float, int, _Candidate]] | None = None
        self._forms: tuple[Form, ...] | None = None
        self._least: dict[int, Least] = {}
        self._tried = 0
        self._numbers = count()
        self._open()

    def _open(self) -> None:
        """Find a floor under every mapping of the phase, without looking at one."""
        first = next(self.each_form(bare=True), None)
        if first is None:
            self.floor_s, self.floor_j, self.solved = math.inf, math.inf, True
            return
        self.moved_s, self.moved_j = compulsory(self.setting, first)
        self.floor_j = self.moved_j + _least_j(self.setting, self.segment)
        self.busy_s = _least_s(self.setting, self.segment)
        self.floor_s = max(self.moved_s, self.busy_s)

    def each_form(self, *, bare: bool = False) -> Iterator[Form]:
        """Forms of loops that the model accepts, one after the other."""
        nests = nests_of_segment(self.setting, self.segment)
        return (form for nest in nests for form in _form(self.setting, nest, bare=bare))

    def forms(self) -> tuple[Form, ...]:
        """Every form of loops that the model accepts."""
        if self._forms is None:
            self._forms = tuple(self.each_form())
        return self._forms

    @property
    def bound(self) -> float:
        """No design of the phase costs less."""
        if self.solved:
            return self.best.cost(self.objective)[0] if self.best else math.inf
        return max(self._cost(self.floor_s, self.floor_j), self._queue[0][0] if self._queue else 0.0)

    def solve(self, account: Account) -> Design | None:
        """The best design; raises OutOfTime with the best so far in `best`."""
        if self._queue is None and not self.solved:
            self._queue = []
            for form in self.forms():
                self._enter(form, self._rough(form))
        equals = account.evaluated + _EQUALS
        while self._queue and not self.solved:
            account.check_time()
            bound, _, _, candidate = heapq.heappop(self._queue)
            least = self.best.cost(self.objective)[0] if self.best else math.inf
            if bound < least:
                equals = account.evaluated + _EQUALS
            if bound > least or account.evaluated >= equals:
                break
            if self._raised(candidate, bound):
                continue
            if candidate.placement is None:
                self._enter(candidate.form, candidate.next_ones)
                self._place(candidate, account, bound)
                continue
            try:
                self._try(candidate, account, bound)
            except OutOfTime:
                self._push(bound, candidate)
                raise
        self.solved = True
        return self.best

    def _push(self, bound: float, candidate: _Candidate, rank: float | None = None) -> None:
        """Of equal bounds new tiles come first, the larger ones before, as they read the buffer less often; then those
        whose first block was the cheapest."""
        assert self._queue is not None
        rank = -_square(self.setting, candidate) if rank is None else rank
        heapq.heappush(self._queue, (bound, rank, next(self._numbers), candidate))

    def _rough(self, form: Form) -> Iterator[tuple[float, Tile]]:
        """Tiles of a form with their rough bounds, the lowest first, the larger one of equals."""
        clock_hz = self.setting.hardware.clock_hz
        for cycles, tile in tiles_by_cycles(self.setting, form, self.floor_s * clock_hz):
            yield self._cost(max(cycles / clock_hz, self.floor_s), self.floor_j), tile

    def _enter(self, form: Form, tiles: Iterator[tuple[float, Tile]] | None) -> None:
        """Queue the next tile of a form, if it has not been yet."""
        for bound, tile in islice(tiles or (), 1):
            self._push(bound, _Candidate(form=form, tile=tile, next_ones=tiles))

    def _cost(self, seconds: float, joules: float) -> float:
        return seconds if self.objective == "latency" else joules

    def _raised(self, candidate: _Candidate, bound: float) -> bool:
        """Whether a new tile went back with a higher bound, of what it moves at least; looked at only if many tiles in
        a row stay above the bounds of arrays, and then for all tiles of a form."""
        best = self.best.cost(self.objective)[0] if self.best else 0.0
        if self._tried < _MANY or candidate.rest is not None or best <= bound * (1 + _SAME):
            return False
        key = id(candidate.form)
        if key not in self._least:
            self._least[key] = least_moved(self.setting, candidate.form)
        place = (candidate.tile.x0, candidate.tile.y0)
        moved_s, moved_j = self._least[key].seconds[place], self._least[key].joules[place]
        least_j = candidate.placement.energy_j if candidate.placement else self.floor_j - self.moved_j
        least = self._cost(moved_s, moved_j + least_j)
        if least <= bound:
            return False
        self._enter(candidate.form, candidate.next_ones)
        self._push(least, replace(candidate, next_ones=None))
        return True

    def _place(self, rough: _Candidate, account: Account, bound: float) -> None:
        """Queue a tile with its placement, unless what has to stay does not fit even in the smallest blocks."""
        setting, blocks = self.setting, block_sizes(self.setting, rough.form.nest, rough.tile)
        if not stays(setting, rough.form, replace(rough.tile, x1=blocks[-1]), None, setting.capacity_bytes):
            account.reject(setting.memory, len(blocks))
            return
        for least_energy in (False, True) if self.objective != "latency" else (False,):
            form = rough.form
            placement = placements_of(self.setting, form.nest, rough.tile, form.works, least_energy=least_energy)
            least_s = max(placement.cycles / self.setting.hardware.clock_hz, self.floor_s)
            candidate = _Candidate(form=form, tile=rough.tile, placement=placement)
            self._push(max(bound, self._cost(least_s, placement.energy_j + self.moved_j)), candidate)

    def _try(self, candidate: _Candidate, account: Account, bound: float) -> None:
        """Look at the largest block of a new tile, and leave the others for later; else at all that are left."""
        setting, form, placement = self.setting, candidate.form, candidate.placement
        assert placement is not None
        new = candidate.rest is None
        sizes = candidate.rest
        if sizes is None:
            sizes = fitting_blocks(setting, form, candidate.tile, placement, account, setting.capacity_bytes)
        for number, tile in enumerate(sizes):
            self._tried += 1
            design = design_of(setting, form, tile, placement, account, setting.capacity_bytes)
            if design is None:
                continue
            if self.best is None or design.cost(self.objective) < self.best.cost(self.objective):
                self.best = design
            if self.objective == "latency" and design.latency_s <= bound * (1 + _SAME):
                return
            if new and not form.nest.around:
                later = replace(candidate, rest=sizes[number + 1 :])
                self._push(bound, later, rank=design.cost(self.objective)[0])
                return


def _square(setting: Setting, candidate: _Candidate) -> float:
    """Area of a tile, beside a block of partial sums the area of a square that needs as many words from outside."""
    x0, y0 = candidate.tile.x0, candidate.tile.y0
    if not candidate.form.nest.around or math.isinf(setting.capacity_bytes):
        return x0 * y0
    words = setting.capacity_bytes / (setting.hardware.word_bits / 8)
    x = max(x0, min(words / y0, setting.step.extents[candidate.form.nest.x or ""]))
    return (2 / (1 / x + 1 / y0)) ** 2


def _form(setting: Setting, nest: Nest, *, bare: bool = False) -> tuple[Form, ...]:
    """The form of a nest; none if the model refuses it."""
    try:
        return (form_of(setting, nest, bare=bare),)
    except MappingError:
        return ()


def _least_j(setting: Setting, segment: Segment) -> float:
    """Joules of units and registers with each Einsum on the array that spends least."""
    batch = math.prod(setting.step.extents[rank] for rank in setting.cascade.batch)
    return batch * sum(
        math.prod(least_extent(setting, v.upper()) for v in setting.ranks[einsum.name])
        * min(cost.energy_j for cost in setting.able[einsum.name].values())
        for einsum in setting.einsums(segment)
    )


def _least_s(setting: Setting, segment: Segment) -> float:
    """Seconds of the arrays if every PE had work all the time, with each Einsum as a whole on one array."""
    hardware = setting.hardware
    totals: dict[str, dict[str, float]] = {}
    for einsum in setting.einsums(segment):
        points = math.prod(least_extent(setting, v.upper()) for v in setting.ranks[einsum.name])
        points *= math.prod(setting.step.extents[rank] for rank in setting.cascade.batch)
        able = setting.able[einsum.name]
        totals[einsum.name] = {n: points * cost.cycles / hardware.arrays[n].pe_count for n, cost in able.items()}
    return whole_on_arrays(totals, tuple(hardware.arrays)) / hardware.clock_hz


def least_busy_s(setting: Setting) -> float:
    """Seconds that the arrays need for the whole cascade, whatever the mapping."""
    return _least_s(setting, (0, len(setting.units)))


def least_moved_s(setting: Setting) -> float:
    """Seconds in which the backing memory moves what the whole cascade reads and leaves, each value once."""
    whole = (0, len(setting.units))
    forms = [form for nest in nests_of_segment(setting, whole)[:1] for form in _form(setting, nest)]
    return compulsory(setting, forms[0])[0] if forms else 0.0


def count_mappings(setting: Setting, segment: Segment) -> int:
    """Mappings of a phase: tiles, times blocks, times where each tensor from outside may stay, times arrays."""
    einsums = setting.einsums(segment)
    made = {einsum.name for einsum in einsums}
    read = {access.tensor for einsum in einsums for access in einsum.inputs}
    elsewhere = {a.tensor for e in setting.cascade.einsums if e.name not in made for a in e.inputs}
    travelling = len(read - made) + len(made & (elsewhere | set(setting.cascade.outputs)))
    arrays = math.prod(len(setting.able[einsum.name]) for einsum in einsums)
    return sum(
        arrays * (1 + len(nest.order)) ** travelling * len(deep_sizes(setting, nest)) * _blocks(setting, nest)
        for nest in nests_of_segment(setting, segment)
    )


def _blocks(setting: Setting, nest: Nest) -> int:
    return sum(len(block_sizes(setting, nest, Tile(x0=x0, y0=1))) for x0 in tile_sizes(setting, nest.x))


def fitting_blocks(
    setting: Setting, form: Form, tile: Tile, placement: Placement, account: Account, capacity_bytes: float
) -> tuple[Tile, ...]:
    """A tile with every number of tiles in a block, most first, without those in which what has to stay does not
    fit."""
    sizes = [replace(tile, x1=x1) for x1 in block_sizes(setting, form.nest, tile)]
    if not stays(setting, form, sizes[-1], placement, capacity_bytes):
        account.reject(setting.memory, len(sizes))
        return ()
    first = bisect_left(sizes, True, key=lambda sized: stays(setting, form, sized, placement, capacity_bytes))
    if first:
        account.reject(setting.memory, first)
    return tuple(sizes[first:])


def design_of(
    setting: Setting, form: Form, tile: Tile, placement: Placement, account: Account, capacity_bytes: float
) -> Design | None:
    """The best design with this tile and block; None if nothing fits."""
    account.spend()
    residency = residency_of(setting, form, tile, placement, capacity_bytes)
    if isinstance(residency, str):
        account.reject(residency, 1)
        return None
    return design_from(setting, form, tile, placement, residency)


def design_from(setting: Setting, form: Form, tile: Tile, placement: Placement, residency: Residency) -> Design:
    """The design with these blocks, its cycles counted anew if the last block is not full."""
    placed = placement if whole_blocks(setting, form.nest, tile) else _placed_again(setting, form, tile, placement)
    compute_s = placed.cycles / setting.hardware.clock_hz
    return Design(
        form=form,
        tile=tile,
        placement=placed,
        residency=residency,
        compute_s=compute_s,
        latency_s=max(compute_s, residency.move_s),
        energy_j=placed.energy_j + residency.energy_j,
    )


def _placed_again(setting: Setting, form: Form, tile: Tile, placement: Placement) -> Placement:
    """The same arrays at these sizes."""
    return placement_on(setting, form.nest, tile, form.works, {n: o.array for n, o in placement.options.items()})


def whole_blocks(setting: Setting, nest: Nest, tile: Tile) -> bool:
    """Whether the last block of X is full."""
    return nest.x is None or math.ceil(setting.step.extents[nest.x] / tile.x0) % tile.x1 == 0
