"""Iteration times by shape, remembered: shapes on a grid go through the engine, those between are interpolated.

The four sizes of a shape (sequences, their keys, tokens of prompts, their keys) lie between two sizes of the grid each;
the time is linear in each of them between the corners of that cell. `check` simulates shapes that came up exactly and
says how far the interpolation was off.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from attnsim.serving.grid import bracket
from attnsim.serving.iteration import Round, measure_round
from attnsim.serving.machine import Machine, Shape

SEQUENCES_PER_OCTAVE, KEYS_PER_OCTAVE, PREFILL_PER_OCTAVE = 4, 2, 2

Bracket = tuple[int, int, float]
_NONE: Bracket = (0, 0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Corner:
    """A simulated shape with so many equal sub-batches. joule: above idle, of all of them; None if not known."""

    round: Round
    joule: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Corners of a cell of the grid, their periods, and for how many iterations in all each has stood (`used`)."""

    corners: tuple[Corner, ...]
    periods: tuple[int, ...]
    used: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Relative errors of interpolated against simulated iterations: mean and largest of so many shapes."""

    mean: float
    largest: float
    shapes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What iterations amount to. busy_ps: by resource, of the mean instance; joule: above idle, None if not known."""

    busy_ps: dict[str, float]
    joule: float | None


class Costs:
    """Iteration times of a machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._corners: dict[tuple[int, Shape], Corner] = {}
        self._cells: dict[tuple[int, int, int, int, int], Cell] = {}
        self._seen: dict[tuple[int, int, int, int, int], tuple[float, ...]] = {}

    @cached_property
    def batches(self) -> int:
        """Sub-batches in flight."""
        return self._machine.system.batches

    def period_ps(self, decode: int, tokens: int, prefill: int = 0, seen: int = 0) -> int:
        """Picoseconds of an iteration of the whole machine, which is counted as used.

        decode: sequences that make a token; tokens: the keys that they see together, their own included. prefill:
        tokens of prompts, which see `seen` keys together.
        """
        most = self.batches
        batches = most if decode + prefill >= most else max(decode, 1)
        by_batch = decode / batches
        first = bracket(by_batch, SEQUENCES_PER_OCTAVE) if by_batch >= 1 else (1, 2, 0.0) if decode else _NONE
        second = bracket(tokens / decode, KEYS_PER_OCTAVE) if decode else _NONE
        third = bracket(max(prefill / batches, 1.0), PREFILL_PER_OCTAVE) if prefill else _NONE
        fourth = bracket(max(seen / prefill, 1.0), PREFILL_PER_OCTAVE) if prefill else _NONE
        key = (batches, first[0], second[0], third[0], fourth[0])
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = self._cell(batches, (first, second, third, fourth))
            self._seen[key] = (by_batch, tokens / max(decode, 1), prefill / batches, seen / max(prefill, 1))
        return _mixed(cell, first[2], second[2], third[2], fourth[2])

    def _cell(self, batches: int, sides: tuple[Bracket, ...]) -> Cell:
        choices = [(low, high) if low else (0,) for low, high, _ in sides]
        corners = tuple(
            self.corner(batches, Shape(decode=a, keys=b, prefill=c, prefill_keys=d))
            for a, b, c, d in itertools.product(*choices)
        )
        periods = tuple(corner.round.period_ps for corner in corners)
        return Cell(corners=corners, periods=periods, used=[0.0] * len(corners))

    def corner(self, batches: int, shape: Shape) -> Corner:
        """A shape of each of so many sub-batches, simulated once."""
        key = (batches, shape)
        if key not in self._corners:
            work = self._machine.work(shape)
            measured = measure_round(self._machine.template(batches), work.kinds)
            joule = None if work.joule is None else batches * work.joule
            self._corners[key] = Corner(round=measured, joule=joule)
        return self._corners[key]

    def forget_use(self) -> None:
        """Count from nothing, with all that was simulated kept."""
        for cell in self._cells.values():
            cell.used[:] = [0.0] * len(cell.used)

    @property
    def most_used(self) -> tuple[int, Shape]:
        """Sub-batches and shape of the corner that stands for most iterations; there has to be one."""
        weights: dict[int, float] = {}
        for cell in self._cells.values():
            for corner, share in zip(cell.corners, cell.used, strict=True):
                weights[id(corner)] = weights.get(id(corner), 0.0) + share
        return max(self._corners, key=lambda key: weights.get(id(self._corners[key]), 0.0))

    @property
    def simulated(self) -> int:
        """Shapes that went through the engine."""
        return len(self._corners)

    def spent(self) -> Spent:
        """What all iterations that were counted amount to."""
        return total(
            (corner, share)
            for cell in self._cells.values()
            for corner, share in zip(cell.corners, cell.used, strict=True)
        )

    def check(self, most: int = 12) -> Check:
        """Simulate up to `most` shapes that came up, each the first one of its cell, those used longest first."""
        used = sorted(self._seen, key=lambda key: (-sum(self._cells[key].used), key))[:most]
        errors = [self._error(key) for key in used]
        if not errors:
            return Check(mean=0.0, largest=0.0, shapes=0)
        return Check(mean=float(np.mean(errors)), largest=max(errors), shapes=len(errors))

    def _error(self, key: tuple[int, int, int, int, int]) -> float:
        """Interpolation against simulation at the whole numbers in the middle of a cell's first shape."""
        batches = key[0]
        decode, keys, prefill, prefill_keys = (max(round(size), 1) if size else 0 for size in self._seen[key])
        exact = self.corner(
            batches, Shape(decode=decode, keys=keys, prefill=prefill, prefill_keys=prefill_keys)
        ).round.period_ps
        sides = [
            bracket(decode, SEQUENCES_PER_OCTAVE) if decode else _NONE,
            bracket(keys, KEYS_PER_OCTAVE) if decode else _NONE,
            bracket(prefill, PREFILL_PER_OCTAVE) if prefill else _NONE,
            bracket(max(prefill_keys, 1), PREFILL_PER_OCTAVE) if prefill else _NONE,
        ]
        cell = self._cell(batches, tuple(sides))
        return abs(_mixed(cell, *(side[2] for side in sides)) / exact - 1)


def _mixed(cell: Cell, first: float, second: float, third: float, fourth: float) -> int:
    """Multilinear interpolation; the weights are added to what is used."""
    used, periods = cell.used, cell.periods
    if len(periods) == 4:
        return _mixed_two(used, periods, first + third, second + fourth)  # only one of each pair is not zero
    weights = [1.0]
    for share in (first, second, third, fourth):
        weights = [part for weight in weights for part in (weight * (1 - share), weight * share)]
    total_ps = 0.0
    for place, weight in enumerate(weights):
        used[place] += weight
        total_ps += weight * periods[place]
    return round(total_ps)


def _mixed_two(used: list[float], periods: tuple[int, ...], first: float, second: float) -> int:
    a, b = (1 - first) * (1 - second), (1 - first) * second
    c, d = first * (1 - second), first * second
    used[0] += a
    used[1] += b
    used[2] += c
    used[3] += d
    return round(a * periods[0] + b * periods[1] + c * periods[2] + d * periods[3])


def total(parts: Iterable[tuple[Corner, float]]) -> Spent:
    """Busy time and energy of corners, each so many times."""
    busy: dict[str, float] = {}
    joule: float | None = 0.0
    for corner, share in parts:
        if not share:
            continue
        for name, picoseconds in corner.round.busy_ps.items():
            busy[name] = busy.get(name, 0.0) + share * picoseconds
        joule = None if joule is None or corner.joule is None else joule + share * corner.joule
    return Spent(busy_ps=busy, joule=joule)
