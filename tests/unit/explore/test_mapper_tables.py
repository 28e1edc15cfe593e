"""What a search computes for many tiles at once is what the slow way says of each tile."""

from __future__ import annotations

import math
from itertools import product

import pytest

from attnsim.explore.mapper_blocks import block_of, block_words
from attnsim.explore.mapper_compute import least_cycles, placements_of
from attnsim.explore.mapper_least import least_moved
from attnsim.explore.mapper_nests import Tile, block_sizes, nests_of_segment
from attnsim.explore.mapper_residency import form_of, residency_of, sizes_of, space_of
from attnsim.explore.mapper_rough import tiles_by_cycles, tiles_by_size
from attnsim.explore.mapper_setting import Setting, setting_of
from attnsim.families.spatial_array.space import tensor_words
from attnsim.pipeline import Request, make_plan
from attnsim.specs.cascade import load_cascade
from attnsim.specs.loop_nest import LoopNest
from attnsim.specs.mapping_file import Target
from attnsim.specs.spatial_array import SpatialArray

EXTENTS = {
    "B": 2,
    "H": 3,
    "P": 509,
    "M": 300,
    "E": 64,
    "F": 64,
    "N": 40,
    "K": 600,
    "D": 96,
    "L": 50,
    "C": 4,
    "W": 100,
    "Q": 50,
    "R": 3,
}
CASES = [
    ("fusemax_64", "attention_1pass"),
    ("flat", "attention_3pass"),
    ("tpu_v6e", "attention_2pass"),
    ("fusemax_16", "linear_attention_chunked"),
    ("eyeriss_like", "gemm"),
    ("fusemax_16", "conv1d"),
]


def setting(hardware: str, cascade: str) -> Setting:
    ranks = {rank for rank, _ in load_cascade(cascade).ranks} | {"B"}
    extents = {rank: extent for rank, extent in EXTENTS.items() if rank in ranks}
    plan = make_plan(Request(hardware=hardware, cascade=cascade, extents=extents))
    (step,) = plan.workload.steps
    assert isinstance(plan.hardware, SpatialArray)
    return setting_of(step, plan.hardware, LoopNest(name="assumed", target=Target(cascade=step.cascade.name)))


@pytest.mark.parametrize(("hardware", "cascade"), CASES)
def test_cycles_of_all_tiles_are_those_of_each_tile(hardware: str, cascade: str) -> None:
    small = setting(hardware, cascade)
    for nest in nests_of_segment(small, (0, len(small.units))):
        form = form_of(small, nest)
        for cycles, tile in tiles_by_size(small, form)[::7]:
            assert cycles == pytest.approx(least_cycles(small, nest, tile, form.works), rel=1e-12)


@pytest.mark.parametrize(("hardware", "cascade"), CASES)
def test_tiles_come_with_the_fewest_cycles_first_and_none_is_left_out(hardware: str, cascade: str) -> None:
    small = setting(hardware, cascade)
    form = form_of(small, nests_of_segment(small, (0, len(small.units)))[0])
    ordered = list(tiles_by_cycles(small, form, 0.0))
    assert [cycles for cycles, _ in ordered] == sorted(cycles for cycles, _ in ordered)
    assert sorted((tile.x0, tile.y0) for _, tile in ordered) == sorted(
        (tile.x0, tile.y0) for _, tile in tiles_by_size(small, form)
    )


@pytest.mark.parametrize(("hardware", "cascade"), CASES)
def test_words_of_blocks_are_those_of_the_model(hardware: str, cascade: str) -> None:
    small = setting(hardware, cascade)
    for nest in nests_of_segment(small, (0, len(small.units))):
        form = form_of(small, nest)
        tile = Tile(x0=7, y0=5, x1=3)
        space, sizes = space_of(small, form, tile), sizes_of(small, form, tile)
        for access, (place, loop) in product(form.accesses.values(), enumerate([None, *nest.order])):
            inner = frozenset(nest.order[place:]) if loop is not None else frozenset[str]()
            words = block_words(block_of(form.space, access, nest.order, loop), sizes, form.space.symbols)
            assert words == tensor_words(space, access, inner)


@pytest.mark.parametrize(("hardware", "cascade"), CASES)
def test_no_choice_of_blocks_moves_less_than_the_bound_of_its_tile(hardware: str, cascade: str) -> None:
    small = setting(hardware, cascade)
    for nest in nests_of_segment(small, (0, len(small.units))):
        form = form_of(small, nest)
        least = least_moved(small, form)
        for x0, y0 in list(least.seconds)[::11]:
            placement = placements_of(small, nest, Tile(x0=x0, y0=y0), form.works, least_energy=False)
            tiles = [Tile(x0=x0, y0=y0, x1=x1) for x1 in block_sizes(small, nest, Tile(x0=x0, y0=y0))]
            found = [residency_of(small, form, tile, placement, small.capacity_bytes) for tile in tiles]
            moved = [one for one in found if not isinstance(one, str)]
            assert least.seconds[x0, y0] <= min((one.move_s for one in moved), default=math.inf) * (1 + 1e-9)
            assert least.joules[x0, y0] <= min((one.energy_j for one in moved), default=math.inf) * (1 + 1e-9)
