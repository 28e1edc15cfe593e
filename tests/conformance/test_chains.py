"""What the fast engine counts without a graph takes as long as the graph does."""

from __future__ import annotations

import random

import pytest

from attnsim.engine.chains import Chain, chain_ticks
from attnsim.engine.fold import FoldedProgram, run_folded
from attnsim.engine.phases import ProgramPhase, TimedProgram, run_phases
from attnsim.mapping.infeasible import Infeasible
from attnsim.pipeline import Request, family_of, make_plan
from attnsim.taskgraph import GraphBuilder, Resource, TaskGraph

LAYERS = 3
CASCADES = ("attention_1pass", "attention_2pass", "attention_3pass", "attention_3pass_deferred")
SMALL = {"B": 2, "H": 3, "E": 32, "F": 32, "P": 192, "M": 320}


def chain_program(chains: tuple[Chain, ...], trips: tuple[int, ...]) -> FoldedProgram:
    """A nest in which each chain has a task in every iteration."""

    def build(cut: tuple[int, ...]) -> TaskGraph:
        graph = GraphBuilder()
        for chain in chains:
            resource = graph.resource(chain.resource.name, "shared", capacity=chain.resource.capacity)
            last: list[int] = []
            for _ in range(tiles(cut)):
                last = [graph.task(resource, chain.work, last)]
        return graph.build()

    return FoldedProgram(trips=trips, build=build, tasks=lambda cut: len(chains) * tiles(cut))


def tiles(trips: tuple[int, ...]) -> int:
    return 1 if not trips else trips[0] * tiles(trips[1:])


@pytest.mark.parametrize("seed", range(40))
def test_a_chain_takes_as_long_as_its_graph(seed: int) -> None:
    draw = random.Random(seed)
    trips = tuple(draw.choice((1, 2, 3, 7, 40, 1000)) for _ in range(draw.choice((1, 2, 3))))
    memories = [Resource(name=n, kind="shared", capacity=10 ** draw.uniform(6, 15)) for n in ("dram", "buffer")]
    work = draw.choice((0, 1, draw.randrange(1, 10**4), draw.randrange(1, 10**8)))
    chains = tuple(Chain(resource=memory, work=work, count=tiles(trips)) for memory in memories[: draw.choice((1, 2))])
    ticks = chain_ticks(chains)
    folded = run_folded(chain_program(chains, trips))
    assert ticks is not None
    assert folded.exact
    assert folded.makespan_ps == max(ticks.values())
    assert folded.busy_ps == folded.served_ps == ticks


def test_chains_beyond_the_clock_of_the_engine_are_left_to_the_graph() -> None:
    slow = Resource(name="dram", kind="shared", capacity=1.0)
    assert chain_ticks((Chain(resource=slow, work=10**6, count=1),)) is None
    assert chain_ticks((Chain(resource=slow, work=1, count=10**9),)) is None


@pytest.mark.parametrize(
    ("mapping", "extents"),
    [
        ("binding", {"model": "bert", "seq_len": 1024, "overrides": ("arrays.array_2d.shape=[64, 64]",)}),
        ("flat", {"model": "bert", "seq_len": 1024}),
        ("unfused", {"model": "bert", "seq_len": 1024}),
        ("flat_memory", {"model": "bert", "seq_len": 1024}),
        ("cascade", {"model": "xlm", "seq_len": 4096}),
        ("architecture", {"model": "bert", "seq_len": 2048}),
        ("mxu_attention", {"model": "llama3_8b", "seq_len": 2048}),
        *((None, {"cascade": cascade, "hardware": "fusemax_16", "extents": SMALL}) for cascade in CASCADES),
        *((None, {"cascade": cascade, "hardware": "flat_edge", "extents": SMALL}) for cascade in CASCADES),
    ],
)
def test_the_fast_engine_without_graphs_and_with_them_tells_one_timeline(
    mapping: str | None, extents: dict[str, object]
) -> None:
    plan = make_plan(Request(mapping=mapping, **extents))  # type: ignore[arg-type]
    family = family_of(plan.hardware)
    bound = family.bind(plan.workload, plan.hardware, plan.mappings, plan.assumptions)
    assert not isinstance(bound, Infeasible)
    phases = family.lower(bound)
    assert run_phases(phases, layers=LAYERS) == run_phases([bare(phase) for phase in phases], layers=LAYERS)


def bare(phase: ProgramPhase) -> ProgramPhase:
    """The phase without what lets the fast engine do without graphs, or remember them."""
    programs = []
    for timed in phase.programs:
        assert isinstance(timed.program, FoldedProgram)
        program = FoldedProgram(trips=timed.program.trips, build=timed.program.build, tasks=timed.program.tasks)
        programs.append(TimedProgram(program=program, tick_ps=timed.tick_ps))
    return ProgramPhase(step=phase.step, name=phase.name, programs=tuple(programs), beside=phase.beside)
