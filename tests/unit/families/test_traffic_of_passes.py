"""An input that several passes read: fetched once while its block covers them, and again for each pass if not."""

from __future__ import annotations

import pytest

from attnsim.families.base import Assumptions
from attnsim.families.spatial_array.bind import bind
from attnsim.families.spatial_array.bound import BoundWorkload
from attnsim.families.spatial_array.counts import count
from attnsim.specs.cascade import read_cascade
from attnsim.specs.load import load_text
from attnsim.specs.loop_nest import LoopNest, Phase
from attnsim.specs.mapping_file import Target
from attnsim.specs.spatial_array import SpatialArray
from attnsim.workload import Workload, cascade_step

CASCADE = """
name: shifted
source: definition
ranks: {B: batch, M: keys, P: queries}
batch: [B]
inputs: Q[m,p]
einsums: |
  GM[p]   = max(m) Q[m,p]
  SN[m,p] = Q[m,p] - GM[p]
outputs: [SN]
"""
HARDWARE = """
name: two_levels
family: spatial_array
source: assumption
clock: 1 GHz
arrays:
  pes:
    shape: [8]
    ops: {add: {uses: {add: 1}}, max: {uses: {add: 1}}}
    units: {add: {energy: 1 pJ}}
    registers: {depth: 4, read: 1 pJ, write: 1 pJ}
memories:
  shared: {access: 2 byte, read: 1 pJ, write: 1 pJ}
  dram: {access: 2 byte, read: 1 pJ, write: 1 pJ}
"""
WORDS = 3 * 4 * 10
"""Of Q: batch, M, P."""


@pytest.mark.parametrize(
    ("order", "loop", "fetched"),
    [
        (["B", "P1", "M1"], "M1", 2),
        (["B", "P1", "M1"], "P1", 1),
        (["B", "M1", "P1"], "P1", 2),
        (["B", "M1", "P1"], "M1", 2),
        (["B", "M1", "P1"], "B", 1),
    ],
)
def test_an_input_is_fetched_again_for_a_pass_before_which_its_block_was_replaced(
    order: list[str], loop: str, fetched: int
) -> None:
    phase = Phase(
        name="shifted",
        split={"M": ["M1", "M0"], "P": ["P1", "P0"]},
        tile={"M0": 1, "P0": 5},
        order=order,
        place={"pes": ["GM", "SN"]},
        keep={"shared": {"Q": loop, "GM": "B"}},
    )
    step = cascade_step("shifted", read_cascade(CASCADE), {"B": 3, "M": 4, "P": 10})
    mapping = LoopNest(name="passes", target=Target(cascade="shifted"), phases=[phase])
    bound = bind(
        Workload(label="", steps=(step,)),
        load_text(HARDWARE, SpatialArray),
        {"shifted": mapping},
        fill_drain=Assumptions().fill_drain,
    )
    assert isinstance(bound, BoundWorkload)
    assert count(bound).words_read["dram"] == fetched * WORDS
