"""A nest that is folded to its steady state takes as long as the nest simulated whole, wherever both can be had."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from attnsim.engine import run
from attnsim.engine.average import run_averaged
from attnsim.engine.fold import SMALL_TASKS, run_folded
from attnsim.engine.phases import TimedProgram
from attnsim.mapping.infeasible import Infeasible
from attnsim.pipeline import Request, family_of, make_plan

WHOLE_TASKS = 70_000
HEADS = {"B": 2, "H": 2, "E": 32, "F": 32}
CASES = [
    ("attention_1pass", "fusemax_16", {**HEADS, "P": 256, "M": 256}),
    ("attention_3pass", "fusemax_16", {**HEADS, "P": 256, "M": 256}),
    ("attention_3pass", "flat_edge", {**HEADS, "P": 512, "M": 512}),
    ("linear_attention_chunked", "fusemax_16", {**HEADS, "P": 2048}),
    ("gemm", "fusemax_16", {"M": 1024, "N": 512, "K": 512}),
    ("gemm", "flat_edge", {"M": 2048, "N": 1024, "K": 768}),
]
cases = pytest.mark.parametrize(("cascade", "hardware", "extents"), CASES)


def large_programs(cascade: str, hardware: str, extents: dict[str, int], fill_drain: str) -> Iterator[TimedProgram]:
    """Programs that are folded by default and still small enough to be simulated whole."""
    plan = make_plan(Request(cascade=cascade, hardware=hardware, extents=extents, fill_drain=fill_drain))
    family = family_of(plan.hardware)
    bound = family.bind(plan.workload, plan.hardware, plan.mappings, plan.assumptions)
    assert not isinstance(bound, Infeasible)
    programs = [timed for phase in family.lower(bound) for timed in phase.programs]
    large = [t for t in programs if SMALL_TASKS < t.program.tasks(t.program.trips) <= WHOLE_TASKS]
    assert large, "the case is too small to say anything"
    return iter(large)


@cases
def test_folding_an_ideal_pipeline_is_exact_to_the_picosecond(
    cascade: str, hardware: str, extents: dict[str, int]
) -> None:
    for timed in large_programs(cascade, hardware, extents, "ideal"):
        whole = run(timed.program.build(timed.program.trips))
        folded = run_folded(timed.program)
        assert folded.exact
        assert folded.makespan_ps == whole.makespan_ps
        assert sum(folded.busy_ps.values()) == int(whole.busy_ps.sum())


@cases
def test_folding_a_pipeline_with_fill_and_drain_is_within_its_own_error_bound(
    cascade: str, hardware: str, extents: dict[str, int]
) -> None:
    for timed in large_programs(cascade, hardware, extents, "modeled"):
        whole = run(timed.program.build(timed.program.trips)).makespan_ps
        folded = run_averaged(timed.program)
        assert abs(folded.makespan_ps - whole) <= max(2 * folded.error_bound_ps, whole // 10_000)


@pytest.mark.parametrize("fill_drain", ["ideal", "modeled"])
def test_both_engines_agree_on_the_graphs_of_the_family(fill_drain: str) -> None:
    extents = {"B": 1, "H": 1, "P": 96, "M": 96, "E": 16, "F": 16}
    plan = make_plan(Request(cascade="attention_1pass", hardware="fusemax_16", extents=extents, fill_drain=fill_drain))
    family = family_of(plan.hardware)
    bound = family.bind(plan.workload, plan.hardware, plan.mappings, plan.assumptions)
    assert not isinstance(bound, Infeasible)
    for program in (timed.program for phase in family.lower(bound) for timed in phase.programs):
        fast, reference = (run(program.build(program.trips), engine) for engine in ("fast", "reference"))
        assert fast.makespan_ps == reference.makespan_ps
        assert (fast.end_ps == reference.end_ps).all()
