"""Cycles of systolic arrays are those of SCALE-Sim's analytical model, and of counting the passes by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnsim.components.systolic import isolated_cycles, pass_cycles, passes_of
from attnsim.specs.npu_pim import Arrays, Dataflow

WEIGHT: Dataflow = "weight_stationary"
OUTPUT: Dataflow = "output_stationary"
INPUT: Dataflow = "input_stationary"


def arrays(dataflow: Dataflow, *, count: int = 1, size: int = 128, overlapped: bool = False) -> Arrays:
    return Arrays(count=count, rows=size, columns=size, dataflow=dataflow, overlapped=overlapped)


@pytest.mark.parametrize(
    ("dataflow", "cycles"),
    [
        # SCALE-Sim v2 on a GEMM of 1024^3 with an array of 128 x 128 counts 89,983 and 81,791 cycles: 64 passes of
        # 128 + 1024 + 254 cycles, and of 1024 + 254, the last one of which ends in cycle number n - 1.
        ("weight_stationary", 89_983),
        ("output_stationary", 81_791),
    ],
)
def test_a_product_on_one_array_takes_the_cycles_of_scale_sim(dataflow: Dataflow, cycles: int) -> None:
    assert isolated_cycles(arrays(dataflow), 1024, 1024, 1024) == cycles


sizes = st.integers(1, 600)


@given(m=sizes, n=sizes, k=sizes, count=st.integers(1, 8), overlapped=st.booleans())
def test_input_stationary_is_weight_stationary_of_the_transposed_product(
    m: int, n: int, k: int, count: int, overlapped: bool
) -> None:
    by_input, by_weight = (arrays(d, count=count, overlapped=overlapped) for d in (INPUT, WEIGHT))
    assert passes_of(by_input, m, n, k) == passes_of(by_weight, n, m, k)
    assert isolated_cycles(by_input, m, n, k) == isolated_cycles(by_weight, n, m, k)


@given(m=sizes, n=sizes, k=sizes, dataflow=st.sampled_from([WEIGHT, OUTPUT, INPUT]), count=st.integers(1, 8))
def test_no_array_multiplies_faster_than_its_cells(m: int, n: int, k: int, dataflow: Dataflow, count: int) -> None:
    for overlapped in (True, False):
        device = arrays(dataflow, count=count, size=16, overlapped=overlapped)
        passes = passes_of(device, m, n, k)
        busy = passes.count * pass_cycles(device, passes)
        assert busy * count * 16 * 16 >= m * n * k
        assert isolated_cycles(device, m, n, k) + 1 >= busy


@pytest.mark.parametrize(
    ("dimension", "first", "second"),
    [(127, 1, 1), (128, 1, 1), (129, 2, 2), (256, 2, 2), (257, 3, 3)],
)
def test_what_is_left_of_a_tile_takes_a_pass_of_its_own(dimension: int, first: int, second: int) -> None:
    passes = passes_of(arrays(WEIGHT), 7, dimension, dimension)
    assert (passes.first, passes.second, passes.count) == (first, second, first * second)
    # Each with the whole tile loaded, however little of it is used: 128 + 7 + 254.
    assert passes.alone_cycles == 389


def test_arrays_that_hold_one_tile_share_what_streams() -> None:
    # 1000 vectors on 8 arrays: 125 each, 126 on the fullest of 1001.
    assert passes_of(arrays(WEIGHT, count=8), 1000, 128, 128).streaming == 125
    assert passes_of(arrays(WEIGHT, count=8), 1001, 128, 128).streaming == 126
    # Two passes of 128 + 125 + 254 cycles.
    assert isolated_cycles(arrays(WEIGHT, count=8), 1000, 128, 256) == 2 * 507 - 1


@pytest.mark.parametrize(
    ("count", "overlapped", "streamed", "cycles"),
    [
        # With a second set of registers the longer of loading and streaming decides.
        (1, True, 1000, 1000),
        (1, True, 100, 128),
        (8, True, 1000, 128),
        # Without it the tile is loaded, and all but the first 128 / count vectors stream behind it.
        (1, False, 1000, 128 + 1000 - 128),
        (8, False, 1000, 128 + 125 - 16),
        (8, False, 40, 128),
    ],
)
def test_a_pass_begins_when_its_tile_is_loaded(count: int, overlapped: bool, streamed: int, cycles: int) -> None:
    device = arrays(WEIGHT, count=count, overlapped=overlapped)
    assert pass_cycles(device, passes_of(device, streamed, 128, 128)) == cycles


def test_output_stationary_arrays_load_nothing() -> None:
    device = arrays(OUTPUT, count=8)
    passes = passes_of(device, 256, 384, 1000)
    assert (passes.loading, passes.first, passes.second, passes.streaming) == (0, 2, 3, 125)
