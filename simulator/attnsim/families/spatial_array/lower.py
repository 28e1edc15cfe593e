"""Lower a bound workload to programs of the engine: ideal (stages and transfers apart) or modeled (one graph)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from attnsim.engine.fold import FoldedProgram
from attnsim.engine.phases import ProgramPhase, TimedProgram
from attnsim.families.spatial_array.bound import BoundPhase, BoundWorkload
from attnsim.families.spatial_array.ideal import build_compute, build_moves, tick_cycles
from attnsim.families.spatial_array.modeled import build_modeled
from attnsim.families.spatial_array.nest import TICKS_PER_PS, MergedLoop, merged_loops, task_estimate
from attnsim.families.spatial_array.residency import Transfer
from attnsim.families.spatial_array.stages import Stage
from attnsim.taskgraph import TaskGraph

Builder = Callable[[BoundWorkload, BoundPhase, tuple[MergedLoop, ...], tuple[int, ...]], TaskGraph]
_TICK_PS = Fraction(1, TICKS_PER_PS)


def lower(bound: BoundWorkload) -> tuple[ProgramPhase, ...]:
    """Programs for each phase of a bound workload."""
    return tuple(_lower_phase(bound, phase) for phase in bound.phases)


def _lower_phase(bound: BoundWorkload, phase: BoundPhase) -> ProgramPhase:
    if bound.fill_drain == "modeled":
        program = _program(bound, phase, build_modeled, (*phase.stages, *phase.transfers))
        programs: tuple[TimedProgram, ...] = (TimedProgram(program=program, tick_ps=_TICK_PS, averaged=True),)
        rounds = program.trips[0] if program.trips else 1
    else:
        tick_ps = tick_cycles(phase) * 10**12 / Fraction(bound.hardware.clock_hz)
        stages = _program(bound, phase, build_compute, phase.stages)
        moves = [_program(bound, phase, build_moves, (move,)) for move in _limited_moves(bound, phase)]
        programs = (
            TimedProgram(program=stages, tick_ps=tick_ps),
            *(TimedProgram(program=move, tick_ps=_TICK_PS) for move in moves),
        )
        rounds = 0
    return ProgramPhase(step=phase.step, name=phase.name, programs=programs, beside=phase.beside, rounds=rounds)


def _limited_moves(bound: BoundWorkload, phase: BoundPhase) -> tuple[Transfer, ...]:
    """Transfers that read or write a memory whose bandwidth can limit."""
    limited = {name for name, memory in bound.hardware.memories.items() if memory.bandwidth_bytes_per_s is not None}
    return tuple(move for move in phase.transfers if limited & {move.source, move.target})


def _program(
    bound: BoundWorkload, phase: BoundPhase, builder: Builder, events: tuple[Stage | Transfer, ...]
) -> FoldedProgram:
    loops = merged_loops(phase, events)
    moves = tuple(event for event in events if isinstance(event, Transfer))

    def build(trips: tuple[int, ...]) -> TaskGraph:
        return builder(bound, replace(phase, transfers=moves), loops, trips)

    def tasks(trips: tuple[int, ...]) -> int:
        return task_estimate(events, loops, trips)

    return FoldedProgram(trips=tuple(loop.trip for loop in loops), build=build, tasks=tasks)
