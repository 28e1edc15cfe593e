"""Lower a bound workload to programs of the engine: ideal (stages and transfers apart) or modeled (one graph)."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from attnsim.engine.chains import Chain
from attnsim.engine.fold import FoldedProgram, FoldedResult
from attnsim.engine.phases import ProgramPhase, TimedProgram
from attnsim.families.spatial_array.bound import BoundPhase, BoundWorkload
from attnsim.families.spatial_array.ideal import build_compute, build_moves, tick_cycles
from attnsim.families.spatial_array.modeled import build_modeled
from attnsim.families.spatial_array.nest import TICKS_PER_PS, MergedLoop, merged_loops, positions, task_estimate
from attnsim.families.spatial_array.residency import Transfer, counted_memories
from attnsim.families.spatial_array.resources import LATENCY, chain_resources, transfer_bytes
from attnsim.families.spatial_array.serial import serial_result
from attnsim.families.spatial_array.stages import Stage
from attnsim.specs.same import Same, recalled
from attnsim.specs.spatial_array import SpatialArray
from attnsim.taskgraph import Resource, TaskGraph

Builder = Callable[[BoundWorkload, BoundPhase, tuple[MergedLoop, ...], tuple[int, ...]], TaskGraph]
_TICK_PS = Fraction(1, TICKS_PER_PS)


def lower(bound: BoundWorkload) -> tuple[ProgramPhase, ...]:
    """Programs for each phase of a bound workload."""
    if bound.fill_drain == "modeled":
        return tuple(_modeled_phase(bound, phase) for phase in bound.phases)
    memories = bound.hardware.memories
    limited = tuple(name for name, memory in memories.items() if memory.bandwidth_bytes_per_s is not None)
    rates = (bound.hardware.clock_hz, *(memory.bandwidth_bytes_per_s for memory in memories.values()))
    return tuple(_lowered(bound, phase, limited, rates) for phase in bound.phases)


def _modeled_phase(bound: BoundWorkload, phase: BoundPhase) -> ProgramPhase:
    program = _program(bound, phase, build_modeled, (*phase.stages, *phase.transfers))
    programs = (TimedProgram(program=program, tick_ps=_TICK_PS, averaged=True),)
    rounds = program.trips[0] if program.trips else 1
    return ProgramPhase(step=phase.step, name=phase.name, programs=programs, beside=phase.beside, rounds=rounds)


def _lowered(bound: BoundWorkload, phase: BoundPhase, limited: tuple[str, ...], rates: Hashable) -> ProgramPhase:
    """The programs of an ideal phase, remembered by what was remembered of it and the rates of the hardware."""
    sides = recalled(_SIDES, (Same(phase), limited), lambda: _sides(phase, bound.hardware, limited))
    key = (Same(sides), phase.step, phase.name, phase.beside, rates)
    return recalled(_LOWERED, key, lambda: _ideal_phase(bound, phase, sides, key))


_LOWERED: dict[Hashable, ProgramPhase] = {}


def _ideal_phase(bound: BoundWorkload, phase: BoundPhase, sides: _Sides, key: Hashable) -> ProgramPhase:
    hardware = bound.hardware
    tick_ps = sides.tick_cycles * 10**12 / Fraction(hardware.clock_hz)
    resources = chain_resources(hardware)
    names = (*hardware.arrays, *resources, LATENCY)
    stages = _nest(bound, phase, build_compute, sides.compute)
    moves = [_nest(bound, phase, build_moves, side, side.chains(resources), names) for side in sides.moves]
    programs = (
        TimedProgram(program=stages, tick_ps=tick_ps),
        *(TimedProgram(program=move, tick_ps=_TICK_PS) for move in moves),
    )
    return ProgramPhase(step=phase.step, name=phase.name, programs=programs, beside=phase.beside, key=key)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One program of an ideal phase. key: of programs that are alike. size_bytes, memories: of the tasks of a move.

    known: what the stages come to, in ticks.
    """

    events: tuple[Stage | Transfer, ...]
    loops: tuple[MergedLoop, ...]
    trips: tuple[int, ...]
    key: Hashable = None
    size_bytes: int = 0
    memories: tuple[str, ...] = ()
    known: FoldedResult | None = None

    def chains(self, resources: Mapping[str, Resource]) -> tuple[Chain, ...]:
        """A move as its chains of tasks."""
        count = math.prod(self.trips)
        return tuple(Chain(resource=resources[name], work=self.size_bytes, count=count) for name in self.memories)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sides:
    """The programs of an ideal phase: its stages, and each transfer that a bandwidth can limit."""

    tick_cycles: Fraction
    compute: _Side
    moves: tuple[_Side, ...]


_SIDES: dict[Hashable, _Sides] = {}


def _sides(phase: BoundPhase, hardware: SpatialArray, limited: tuple[str, ...]) -> _Sides:
    """The programs of an ideal phase, the same for phases that differ in nothing but capacities."""
    rows = tuple((name, array.shape[0]) for name, array in hardware.arrays.items())
    transfers = Same(phase.transfers) if phase.demands_fit else phase.transfers
    key = (Same(phase.space), Same(phase.stages), Same(phase.steps), transfers, limited, rows, hardware.word_bits)
    return recalled(_SIDES, key, lambda: _ideal_sides(phase, hardware, limited))


def _ideal_sides(phase: BoundPhase, hardware: SpatialArray, limited: tuple[str, ...]) -> _Sides:
    tick = tick_cycles(phase)
    compute = _side(phase, phase.stages)
    stages = tuple(
        (one.einsum.name, one.array, int(one.cycles / tick), positions(compute.loops, one.each), one.late)
        for one in phase.stages
    )
    steps = tuple(tuple((lane.stages, lane.drain) for lane in step) for step in phase.steps)
    drains = tuple(int(array.shape[0] / tick) for array in hardware.arrays.values())
    key = (tuple(hardware.arrays), limited, stages, steps, drains)
    rows = {name: array.shape[0] for name, array in hardware.arrays.items()}
    known = serial_result(phase, compute.loops, tick, rows)
    moves = [move for move in phase.transfers if {move.source, move.target} & set(limited)]
    return _Sides(
        tick_cycles=tick,
        compute=replace(compute, key=key, known=_named(known, (*hardware.arrays, *limited, LATENCY))),
        moves=tuple(
            replace(
                _side(phase, (move,)),
                size_bytes=transfer_bytes(move, hardware),
                memories=tuple(name for name in counted_memories(move, hardware) if name in limited),
            )
            for move in moves
        ),
    )


def _named(known: FoldedResult | None, names: tuple[str, ...]) -> FoldedResult | None:
    """A result with all resources of the graph, in its order."""
    if known is None:
        return None
    none = dict.fromkeys(names, 0)
    return replace(known, busy_ps=none | dict(known.busy_ps), served_ps=none | dict(known.served_ps))


def _side(phase: BoundPhase, events: tuple[Stage | Transfer, ...]) -> _Side:
    loops = merged_loops(phase, events)
    return _Side(events=events, loops=loops, trips=tuple(loop.trip for loop in loops))


def _program(
    bound: BoundWorkload, phase: BoundPhase, builder: Builder, events: tuple[Stage | Transfer, ...]
) -> FoldedProgram:
    return _nest(bound, phase, builder, _side(phase, events))


def _nest(
    bound: BoundWorkload,
    phase: BoundPhase,
    builder: Builder,
    side: _Side,
    chains: tuple[Chain, ...] | None = None,
    names: tuple[str, ...] = (),
) -> FoldedProgram:
    def build(trips: tuple[int, ...]) -> TaskGraph:
        moves = tuple(event for event in side.events if isinstance(event, Transfer))
        return builder(bound, replace(phase, transfers=moves), side.loops, trips)

    def tasks(trips: tuple[int, ...]) -> int:
        return task_estimate(side.events, side.loops, trips)

    key = side.key if chains is None else (names, chains)
    return FoldedProgram(
        trips=side.trips, build=build, tasks=tasks, key=key, chains=chains, names=names, known=side.known
    )
