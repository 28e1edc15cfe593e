"""A kernel launch takes as long by the compiled grid as by its task graph, and large grids keep their tails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnsim.engine.grid import CTA_LIMIT, GridProgram, Stream, run_grid
from attnsim.taskgraph import PS_PER_S, Resource

DRAM = Resource(name="dram", kind="shared", capacity=1e12)


def launch(works: list[int], *, slots: int = 1, share: float = 1.0, instances: int = 4, **rest: object) -> GridProgram:
    sms = Resource(
        name="sm",
        kind="shared",
        instances=instances,
        slots=slots,
        capacity=share * PS_PER_S,
        per_flow_cap=float(PS_PER_S),
    )
    return replace(GridProgram(name="kernel", sms=sms, works_ps=np.array(works, np.float64)), **rest)  # type: ignore[arg-type]


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    works=st.lists(st.integers(1_000, 90_000), min_size=1, max_size=9),
    repeats=st.integers(1, 7),
    grouped=st.booleans(),
    slots=st.integers(1, 4),
    share=st.sampled_from([1.0, 1.15, 1.5, 4.0]),
    instances=st.integers(1, 7),
)
def test_a_grid_ends_when_its_task_graph_does(
    works: list[int], repeats: int, grouped: bool, slots: int, share: float, instances: int
) -> None:
    program = launch(works, slots=slots, share=share, instances=instances, repeats=repeats, grouped=grouped)
    compiled, graph = run_grid(program), run_grid(program, engine="reference")
    # Picoseconds are rounded at each event; where two ends then change places, a CTA may start elsewhere.
    assert compiled.makespan_ps == pytest.approx(graph.makespan_ps, abs=200 + 0.02 * graph.makespan_ps)


@pytest.mark.parametrize("units", [1e3, 30e3, 1e6])
@pytest.mark.parametrize("exposed", [0.0, 0.25])
def test_streams_fill_and_drain_the_pipeline_as_in_the_task_graph(units: float, exposed: float) -> None:
    stream = Stream(resource=DRAM, units=units)
    program = launch([20_000, 10_000], repeats=5, streams=(stream,), exposed=exposed, before_ps=777)
    compiled, graph = run_grid(program), run_grid(program, engine="reference")
    assert compiled.makespan_ps == pytest.approx(graph.makespan_ps, abs=20)


@pytest.mark.parametrize(("slots", "share"), [(1, 1.0), (2, 1.3), (3, 3.0)])
@pytest.mark.parametrize("grouped", [False, True])
def test_a_grid_too_large_to_simulate_ends_within_a_cta_of_the_whole_simulation(
    slots: int, share: float, grouped: bool
) -> None:
    works = [1_000_000 * tiles for tiles in range(1, 33)]
    if grouped:
        works = works[::-1]
    program = launch(works, slots=slots, share=share, instances=108, repeats=CTA_LIMIT // 8, grouped=grouped)
    folded, whole = run_grid(program), _whole(program)
    assert not folded.exact
    assert abs(folded.makespan_ps - whole) <= max(works) * max(1.0, slots / share)


def _whole(program: GridProgram) -> int:
    from attnsim.engine import run
    from attnsim.engine.grid import grid_graph

    return run(grid_graph(program)).makespan_ps


@pytest.mark.parametrize("count", [1, 4, 5, 8, 9, 23])
def test_equal_ctas_run_in_waves(count: int) -> None:
    waves = -(-count // 8)
    rest = count - (waves - 1) * 8
    last = 50_000 if rest <= 4 else 100_000
    assert run_grid(launch([50_000], slots=2, repeats=count)).makespan_ps == (waves - 1) * 100_000 + last
