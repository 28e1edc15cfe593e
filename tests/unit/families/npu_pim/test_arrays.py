"""Products on the arrays that exceed the scratchpad: tiles in turn, each loaded while the one before is computed."""

from __future__ import annotations

import numpy as np
import pytest

from attnsim.components.products import GemmShape
from attnsim.engine import run
from attnsim.families.npu_pim.arrays import Rules, add_product, cut_product
from attnsim.families.npu_pim.columns import NONE
from attnsim.families.npu_pim.resources import Machine
from attnsim.specs.hardware import load_hardware
from attnsim.specs.npu_pim import NpuPim
from attnsim.taskgraph import TaskGraph


def machine() -> Machine:
    device = load_hardware("neupims")
    assert isinstance(device, NpuPim)
    return Machine(device)


def graph_of(shape: GemmShape) -> TaskGraph:
    made = machine()
    add_product(made, shape, Rules(stored=False), NONE, "product")
    return made.columns.build()


@pytest.mark.parametrize(("m", "k", "n", "tiles"), [(128, 7168, 5376, 2), (128, 4096, 3072, 1), (128, 12288, 12288, 8)])
def test_a_product_that_streams_its_weights_takes_their_loads_and_one_pass(m: int, k: int, n: int, tiles: int) -> None:
    made, shape = machine(), GemmShape(batch=1, m=m, k=k, n=n)
    cut = cut_product(made, shape)
    assert cut.tiles == tiles
    graph = graph_of(shape)
    loads = np.flatnonzero(graph.resource == [one.name for one in graph.resources].index("dram"))
    trace = run(graph)
    last_load, end = int(trace.end_ps[loads].max()), trace.makespan_ps
    assert last_load == int(graph.work[loads].sum())  # the DRAM never waits
    # A pass of n / 8 cycles after 128 of loading; to drain 254 cycles, 14 ns to open a row, 14 to read.
    assert end - last_load <= 1000 * (128 + cut.n // 8 + 254 + 28)


def test_tiles_are_loaded_and_computed_in_order() -> None:
    graph = graph_of(GemmShape(batch=1, m=256, k=7168, n=5376))
    trace = run(graph)
    for name in ("dram", "arrays"):
        tasks = np.flatnonzero(graph.resource == [one.name for one in graph.resources].index(name))
        assert np.all(np.diff(trace.start_ps[tasks]) > 0)
