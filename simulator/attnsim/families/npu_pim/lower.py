"""Bound work to programs of the engine: a phase for each step, or two phases in which sub-batches take turns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from attnsim.engine.fold import FoldedProgram
from attnsim.engine.phases import ProgramPhase, TimedProgram
from attnsim.families.npu_pim.arrays import (
    add_all_reduce,
    add_array_attention,
    add_hand_over,
    add_latency,
    add_product,
    add_stream,
)
from attnsim.families.npu_pim.banks import SCORES, VALUES, Banks, Placed, add_attention
from attnsim.families.npu_pim.bound import BoundWorkload, Heads, Product, Stream
from attnsim.families.npu_pim.columns import NONE
from attnsim.families.npu_pim.placement import halves
from attnsim.families.npu_pim.resources import BUFFERS, PIM, Machine
from attnsim.taskgraph import TaskGraph


def lower(bound: BoundWorkload) -> tuple[ProgramPhase, ...]:
    """Programs of all phases in order."""
    phases = _interleaved(bound) if bound.sub_batches > 1 else tuple(_step_phase(bound, work) for work in bound.work)
    return (*phases, *_handed_over(bound))


def _handed_over(bound: BoundWorkload) -> tuple[ProgramPhase, ...]:
    """What a batch waits for between the stages of a pipeline: its states, over the link of the devices."""
    last = bound.work[-1]
    if not bound.handed_over or bound.device.link is None or isinstance(last, Heads):
        return ()
    words = last.shape.batch * last.shape.m * last.shape.n if isinstance(last, Product) else last.written_words
    moved = words * bound.device.word_bytes

    def add(machine: Machine) -> None:
        add_hand_over(machine, moved, bound.handed_over)

    return (replace(_phase(bound, "pipeline", "hand_over", add), once=True),)


def _step_phase(bound: BoundWorkload, work: Product | Stream | Heads) -> ProgramPhase:
    """A step of its own; attention in the banks in two parts where all requests wait for one another between them."""
    parted = isinstance(work, Heads) and work.pim is not None and work.chosen.barrier
    name = "attention" if isinstance(work, Heads) else work.step
    return _phase(bound, work.step, name, _adder(bound, work), (SCORES, VALUES) if parted else ())


Adder = Callable[[Machine], None]


def _adder(bound: BoundWorkload, work: Product | Stream | Heads) -> Adder:
    def add(machine: Machine) -> None:
        add_work(machine, bound, work, bound.requests, NONE)

    return add


def add_work(
    machine: Machine,
    bound: BoundWorkload,
    work: Product | Stream | Heads,
    requests: Sequence[Placed],
    after: int,
    *,
    interferes: bool = False,
) -> int:
    """Add one operation for some of the requests, after the time that it takes to start; returns the task or marker at
    its end.
    """
    share = len(requests) / len(bound.requests) if bound.requests else 1.0
    if machine.start_ps:
        after = add_latency(machine, machine.start_ps, after, work.step)
    if isinstance(work, Product):
        shape = replace(work.shape, m=max(1, round(work.shape.m * share)))
        done = add_product(machine, shape, bound.rules, after, work.step)
        total = shape.batch * shape.m * shape.n * bound.device.word_bytes
        return add_all_reduce(machine, total, work.summed_over, done, work.step)
    if isinstance(work, Stream):
        word = bound.device.word_bytes
        lanes = bound.device.vectors.count * bound.device.vectors.lanes
        cycles = 0 if bound.device.vectors.hidden else math.ceil(work.operations * share / lanes)
        moved = (work.read_words * word * share, work.written_words * word * share)
        return add_stream(machine, *moved, cycles, after, work.step)
    return _add_heads(machine, bound, work, requests, after, interferes=interferes)


def _add_heads(
    machine: Machine, bound: BoundWorkload, heads: Heads, requests: Sequence[Placed], after: int, *, interferes: bool
) -> int:
    def vector_ps(keys: int) -> int:
        return int(machine.cycles_ps(row_cycles(bound, heads, keys)))

    if heads.pim is None or heads.layout is None:
        keys = [request.keys for request in requests]
        return add_array_attention(machine, heads.shape, keys, bound.rules, vector_ps, after)
    banks = Banks(
        shape=heads.shape,
        layout=heads.layout,
        pim=heads.pim,
        barrier=heads.chosen.barrier,
        vector_ps=vector_ps,
        interferes=interferes,
    )
    return add_attention(machine, banks, requests, after)


def row_cycles(bound: BoundWorkload, heads: Heads, keys: int) -> int:
    """Cycles of all vector units for the rows of one request: what lies between its scores and its weights."""
    vectors = bound.device.vectors
    steps = math.ceil(keys / vectors.lanes)
    tree = steps + (math.ceil(steps / vectors.lanes) if steps > 1 else 0)
    rows = heads.shape.kv_heads * heads.shape.group * heads.shape.queries
    return math.ceil(rows * (steps * heads.maps + tree * heads.reductions) / vectors.count)


def _interleaved(bound: BoundWorkload) -> tuple[ProgramPhase, ...]:
    """A layer of both sub-batches: attention of one beside all else of the other, and then the other way round.

    What comes after attention belongs to this layer, what comes before it to the next one.
    """
    at = next(number for number, work in enumerate(bound.work) if isinstance(work, Heads))
    others = (*bound.work[at + 1 :], *bound.work[:at])
    heads = bound.work[at]
    first, second = halves(bound.requests)

    def adder(computed: Sequence[Placed], attended: Sequence[Placed]) -> Adder:
        def add(machine: Machine) -> None:
            add_work(machine, bound, heads, attended, NONE, interferes=True)
            after = NONE
            for work in others:
                after = add_work(machine, bound, work, computed, after)

        return add

    return (
        _phase(bound, "layer", "half 1 attends", adder(second, first)),
        _phase(bound, "layer", "half 2 attends", adder(first, second)),
    )


def _phase(bound: BoundWorkload, step: str, name: str, add: Adder, markers: tuple[str, ...] = ()) -> ProgramPhase:
    def build(_: tuple[int, ...]) -> TaskGraph:
        machine = Machine(bound.device)
        add(machine)
        return machine.columns.build()

    channels = bound.device.memory.channels
    program = FoldedProgram(trips=(), build=build, tasks=lambda _: 0)
    timed = TimedProgram(program=program, instances={PIM: channels, BUFFERS: channels}, markers=markers)
    return ProgramPhase(step=step, name=name, programs=(timed,))
