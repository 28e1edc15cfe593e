"""Traffic as a function of capacity: what must hold for every cascade and every size."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnsim.analysis import analyse, traffic_bytes, traffic_curve
from attnsim.analysis.traffic import capacity_for
from attnsim.specs.cascade import load_cascade
from attnsim.specs.library import names

SIZES = st.integers(1, 300)
CAPACITIES = st.integers(1, 1 << 26)


@st.composite
def sized(draw: st.DrawFn) -> tuple[str, dict[str, int]]:
    """A shipped cascade with drawn extents."""
    name = draw(st.sampled_from(names("cascade")))
    cascade = load_cascade(name)
    inner = {part for split in cascade.splits for part in split.parts[1:]}
    aliases = {first for first, _ in cascade.same}
    ranks = {rank for rank, _ in cascade.ranks} - inner - aliases
    return name, {rank: draw(SIZES) for rank in sorted(ranks)}


@settings(max_examples=40)
@given(sized(), CAPACITIES, CAPACITIES)
def test_a_larger_buffer_never_moves_more(case: tuple[str, dict[str, int]], one: int, other: int) -> None:
    traffic = analyse(load_cascade(case[0]), case[1]).traffic
    assert traffic_bytes(traffic, max(one, other)) <= traffic_bytes(traffic, min(one, other))


@settings(max_examples=40)
@given(sized(), CAPACITIES)
def test_no_buffer_moves_less_than_inputs_and_outputs_once(case: tuple[str, dict[str, int]], capacity: int) -> None:
    analysis = analyse(load_cascade(case[0]), case[1])
    assert traffic_bytes(analysis.traffic, capacity) >= analysis.compulsory_bytes


@settings(max_examples=40)
@given(sized())
def test_a_large_enough_buffer_moves_inputs_and_outputs_once(case: tuple[str, dict[str, int]]) -> None:
    analysis = analyse(load_cascade(case[0]), case[1])
    enough = capacity_for(analysis.traffic)
    assert enough is not None
    assert traffic_bytes(analysis.traffic, enough) == analysis.compulsory_bytes


@pytest.mark.parametrize("capacity_bytes", [1 << 12, 1 << 16, 1 << 20])
def test_a_matrix_product_moves_no_more_than_its_blocked_bound(capacity_bytes: int) -> None:
    n = 4096
    traffic = analyse(load_cascade("gemm"), {"M": n, "N": n, "K": n}).traffic
    blocked_words = 2 * n**3 / (capacity_bytes / 2) ** 0.5
    assert traffic_bytes(traffic, capacity_bytes) == pytest.approx(2 * max(blocked_words, 3 * n * n))


def test_one_pass_attention_needs_no_score_in_memory_where_three_passes_do() -> None:
    extents = {"P": 1 << 16, "M": 1 << 16, "E": 64, "F": 64}
    capacity = 1 << 20
    one = traffic_bytes(analyse(load_cascade("attention_1pass"), extents).traffic, capacity)
    three = traffic_bytes(analyse(load_cascade("attention_3pass"), extents).traffic, capacity)
    scores_bytes = 2 * (1 << 32)
    assert one < scores_bytes < three


def test_the_curve_ends_at_compulsory_traffic() -> None:
    analysis = analyse(load_cascade("attention_1pass"), {"P": 4096, "M": 4096, "E": 64, "F": 64})
    assert traffic_curve(analysis)[-1][1] == analysis.compulsory_bytes == 2 * 4096 * (64 + 64) * 2
