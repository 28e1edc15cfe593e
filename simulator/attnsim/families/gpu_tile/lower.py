"""Launches to programs: each a phase with its grid of CTAs on the SMs, and its bytes on L2 and DRAM."""

from __future__ import annotations

from attnsim.engine.grid import GridProgram, Stream
from attnsim.engine.phases import ProgramPhase, TimedProgram
from attnsim.families.gpu_tile.launch import BoundWorkload, Launch
from attnsim.families.gpu_tile.summing import summing_phase
from attnsim.specs.gpu_tile import GpuTile
from attnsim.taskgraph import PS_PER_S, Resource


def lower(bound: BoundWorkload) -> tuple[ProgramPhase, ...]:
    """One phase a launch, in order, and one for each all-reduce after the launches of its step."""
    last = {launch.step: number for number, launch in enumerate(bound.launches)}
    phases: list[ProgramPhase] = []
    for number, launch in enumerate(bound.launches):
        program = TimedProgram(program=grid_of(launch, bound.hardware))
        phases.append(ProgramPhase(step=launch.step, name=launch.name, programs=(program,)))
        if launch.step in bound.sums and last[launch.step] == number:
            phases.append(summing_phase(launch.step, bound.sums[launch.step]))
    return tuple(phases)


def grid_of(launch: Launch, gpu: GpuTile) -> GridProgram:
    """A launch as a program of the engine, in picoseconds."""
    sms = Resource(
        name="sm",
        kind="shared",
        instances=gpu.sms,
        slots=launch.slots,
        capacity=launch.share * PS_PER_S,
        per_flow_cap=float(PS_PER_S),
    )
    moved = (
        ("l2", launch.activity.l2_bytes, launch.l2_bytes_per_s),
        ("dram", launch.activity.dram_bytes, launch.dram_bytes_per_s),
    )
    return GridProgram(
        name=launch.name,
        sms=sms,
        works_ps=launch.works_s * PS_PER_S,
        repeats=launch.repeats,
        grouped=launch.grouped,
        streams=tuple(
            Stream(resource=Resource(name=name, kind="shared", capacity=rate), units=amount)
            for name, amount, rate in moved
            if amount > 0
        ),
        exposed=launch.exposed,
        before_ps=round(launch.before_s * PS_PER_S),
    )
