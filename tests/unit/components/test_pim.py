"""Tiles in the banks: their times are those of their commands one by one, and for NeuPIMs the ones by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnsim.components.pim import clock_of, command_graph, fill_calendar, fill_ps, gemv_tile, tile_calendar
from attnsim.engine import run
from attnsim.specs.hardware import load_hardware
from attnsim.specs.npu_pim import Memory, NpuPim, Pim

NEUPIMS = load_hardware("neupims")
assert isinstance(NEUPIMS, NpuPim)
assert NEUPIMS.pim is not None
MEMORY, PIM = NEUPIMS.memory, NEUPIMS.pim
# Four heads of 128 words, 16 words a step, side by side in a row; 512 tokens of one head; a short row of tokens.
SCORE, VALUE, SHORT = (8, 8, 8, 8), (32,), (2,)
PATTERNS = (SCORE, VALUE, SHORT, (8,))
NS = 1000


def memory_with(timing: dict[str, float] | None = None, **changed: object) -> Memory:
    """The memory of NeuPIMs with other numbers; times in nanoseconds."""
    times = {f"{name}_s": value * 1e-9 for name, value in (timing or {}).items()}
    return MEMORY.model_copy(update={**changed, "timing": MEMORY.timing.model_copy(update=times)})


def pim_with(**changed: object) -> Pim:
    return PIM.model_copy(update=changed)


def read_ends_ps(memory: Memory, pim: Pim, tiles: Sequence[Sequence[int]]) -> list[int]:
    """When the last read of each tile has been issued, one command after the other; a composite command reads too."""
    graph = command_graph(memory, pim, tiles)
    ends = run(graph).end_ps
    origins = graph.origins
    named = np.array([*origins.labels])[origins.label_ids]
    with_read = pim.composite or pim.operands == "beside"
    reads = ends[: len(named)][named == ("compute" if with_read else "read")]
    each = len(reads) // len(tiles)
    assert each * len(tiles) == len(reads), "tiles of one kind"
    return [int(end) for end in reads[each - 1 :: each]]


def settled_ps(memory: Memory, pim: Pim, steps: Sequence[int]) -> int:
    """From tile to tile once they follow one another at equal distances."""
    ends = read_ends_ps(memory, pim, [steps] * 8)
    assert ends[7] - ends[6] == ends[6] - ends[5]
    return ends[7] - ends[6]


@pytest.mark.parametrize(
    ("steps", "period_ns", "reserve_ns"),
    [
        # 5 rtp + 32 precharges + header + (second rank + 3 x 30 faw + 14 rcd) = 143; the controller keeps
        # 32 x 5 rtp + 3 x 30 faw + 14 rcd + 32 x 2 = 328.
        (VALUE, 143, 328),
        # Three more heads of 2 x (8 + 1) each; its estimate counts 3 x 2 ccd between the four.
        (SCORE, 143 + 54, 334),
        # A tile of two steps fills the adder tree, six steps, in the shade of its precharges.
        (SHORT, 143, 160 + 90 + 14 + 12),
    ],
)
def test_tiles_of_neupims_take_the_times_computed_by_hand(
    steps: tuple[int, ...], period_ns: int, reserve_ns: int
) -> None:
    tile = gemv_tile(MEMORY, PIM, steps)
    assert (tile.period_ps, tile.reserve_ps) == (period_ns * NS, reserve_ns * NS)
    assert settled_ps(MEMORY, PIM, steps) == period_ns * NS


def test_without_composite_commands_every_step_and_read_is_waited_for() -> None:
    # 143 as above, 32 steps of 2 until the read; of the heads 4 x 8 steps of 2 and 3 x 2 behind each read.
    single = pim_with(composite=False)
    assert gemv_tile(MEMORY, single, VALUE).period_ps == (143 + 64) * NS
    assert gemv_tile(MEMORY, single, SCORE).period_ps == (143 + 64 + 6) * NS
    # Two steps wait for the six that fill the adder tree.
    assert gemv_tile(MEMORY, single, SHORT).period_ps == (143 + 12) * NS


def test_commands_of_a_tile_are_counted_by_kind() -> None:
    # 32 precharges, a header, 8 activates of four banks, and four composite commands or 4 x (8 + 1).
    composite, single = gemv_tile(MEMORY, PIM, SCORE), gemv_tile(MEMORY, pim_with(composite=False), SCORE)
    assert (composite.commands, composite.host_commands) == (32 + 1 + 8 + 4, 1 + 4)
    assert (single.commands, single.host_commands) == (32 + 1 + 8 + 36, 1 + 36)
    for tile in (composite, single):
        assert (tile.activates, tile.steps, tile.reads) == (32, 32, 4)


@pytest.mark.parametrize("composite", [True, False])
@pytest.mark.parametrize("steps", PATTERNS)
def test_a_command_graph_has_the_commands_that_are_counted(steps: tuple[int, ...], composite: bool) -> None:
    pim = pim_with(composite=composite)
    origins = command_graph(MEMORY, pim, [steps, steps]).origins
    of_kind = [origins.kinds[kind] for kind in origins.kind_ids].count("command")
    assert of_kind == 2 * gemv_tile(MEMORY, pim, steps).commands - MEMORY.banks_per_channel


@pytest.mark.parametrize("composite", [True, False])
@pytest.mark.parametrize("steps", PATTERNS)
def test_the_first_tile_of_a_channel_has_nothing_to_precharge(steps: tuple[int, ...], composite: bool) -> None:
    pim = pim_with(composite=composite)
    tile = gemv_tile(MEMORY, pim, steps)
    assert tile.opening_ps == (5 + 32 - 1) * NS
    assert read_ends_ps(MEMORY, pim, [steps]) == [tile.period_ps - tile.opening_ps]


@pytest.mark.parametrize(
    ("timing", "pim", "period_ns"),
    [
        # Sixteen banks are precharged in as many ns; the last group waits 40 for its row to close: from the read
        # 5 + 15, 40 rp, 14 rcd.
        ({"rp": 40.0, "faw": 4.0, "ras": 1.0}, {}, 5 + 15 + 40 + 14),
        # The last activate comes 14 rcd before the composite command; 100 ras after it the last four precharges may
        # begin, then header and activates as ever.
        ({"ras": 100.0}, {}, 100 - 14 + 4 + 1 + 90 + 14),
        # 32 steps and one more of 8 ns keep the multipliers busy for longer than the rows take to change.
        ({}, {"step_s": 8e-9}, 8 * 33),
    ],
)
def test_every_time_between_commands_may_be_the_one_that_decides(
    timing: dict[str, float], pim: dict[str, object], period_ns: int
) -> None:
    memory, changed = memory_with(timing, ranks=1), pim_with(**pim)
    assert gemv_tile(memory, changed, VALUE).period_ps == period_ns * NS
    assert settled_ps(memory, changed, VALUE) == period_ns * NS


def test_banks_that_share_multipliers_take_turns() -> None:
    # Four banks of a group: 4 x 32 steps of 2 and one more for the read, which is more than the 143 of the rows.
    shared = pim_with(level="group")
    assert gemv_tile(MEMORY, shared, VALUE).period_ps == (4 * 32 + 1) * 2 * NS
    assert settled_ps(MEMORY, shared, VALUE) == 258 * NS
    one_by_one = pim_with(level="group", composite=False)
    assert gemv_tile(MEMORY, one_by_one, VALUE).period_ps == (143 + 256) * NS
    assert settled_ps(MEMORY, one_by_one, VALUE) == 399 * NS


times = st.fixed_dictionaries(
    {
        name: st.integers(1, most).map(float)
        for name, most in {"rcd": 40, "rp": 60, "ras": 90, "rtp": 20, "faw": 60, "ccd": 8}.items()
    }
)


@given(
    timing=times,
    clock=st.sampled_from([0.5e9, 1e9, 2e9]),
    ranks=st.integers(1, 2),
    groups=st.sampled_from([1, 2, 4]),
    banks_per_activate=st.sampled_from([1, 2, 4]),
    step=st.integers(1, 8),
    pipeline=st.integers(1, 8),
    composite=st.booleans(),
    level=st.sampled_from(["bank", "group"]),
    opening=st.sampled_from(["groups", "all"]),
    operands=st.sampled_from(["row", "host", "beside"]),
    steps=st.sampled_from([*PATTERNS, (1,), (3, 9)]),
)
def test_a_tile_takes_as_long_as_its_commands_one_by_one(
    timing: dict[str, float],
    clock: float,
    ranks: int,
    groups: int,
    banks_per_activate: int,
    step: int,
    pipeline: int,
    composite: bool,
    level: str,
    opening: str,
    operands: str,
    steps: tuple[int, ...],
) -> None:
    memory = memory_with(timing, clock_hz=clock, ranks=ranks, groups=groups)
    pim = pim_with(
        banks_per_activate=banks_per_activate,
        step_s=step * 1e-9,
        pipeline=pipeline,
        composite=composite and operands != "beside",
        level=level,
        opening=opening,
        operands=operands,
    )
    tile = gemv_tile(memory, pim, steps)
    assert settled_ps(memory, pim, steps) == tile.period_ps
    assert read_ends_ps(memory, pim, [steps]) == [tile.period_ps - tile.opening_ps]


def test_between_two_refreshes_no_tile_begins_for_251_ns_of_every_1950() -> None:
    # A rank: 16 precharges, 14 rp, 260 rfc; 5 rtp, 32 precharges, header and activate pass anyway.
    calendar = tile_calendar(MEMORY, PIM, 328 * NS)
    assert (calendar.period_ps, calendar.closed_ps, calendar.first_ps) == (1950 * NS, 251 * NS, 1950 * NS)
    assert calendar.reserve_ps == 328 * NS


def test_the_global_buffer_waits_for_the_refresh_of_one_rank() -> None:
    # 16 precharges, 14 rp, 260 rfc and 14 rcd to open the row of the operands again, once in 3900 ns.
    calendar = fill_calendar(MEMORY, PIM)
    assert (calendar.period_ps, calendar.closed_ps, calendar.first_ps) == (3900 * NS, 304 * NS, 1950 * NS)
    assert calendar.reserve_ps == (96 + 14 + 14) * NS


def test_a_fill_opens_a_row_of_its_own_unless_there_are_two_row_buffers() -> None:
    assert fill_ps(MEMORY, PIM, row_buffers=2) == (96 + 2) * NS
    assert fill_ps(MEMORY, PIM, row_buffers=1) == (96 + 2 + 14 + 14) * NS


@pytest.mark.parametrize(("banks", "ns"), [(1, 7.5), (2, 15), (4, 30)])
def test_four_banks_of_a_rank_open_in_a_window_however_many_a_command_opens(banks: int, ns: float) -> None:
    assert clock_of(MEMORY, pim_with(banks_per_activate=banks)).between_activates == ns * NS


def test_one_command_may_open_all_banks_at_once() -> None:
    # 5 rtp, 14 rp, 14 rcd, then 32 steps of 2 to the read; ras is over by then.
    tile = gemv_tile(MEMORY, pim_with(composite=False, opening="all"), VALUE)
    assert tile.period_ps == (5 + 14 + 14 + 64) * NS
    # One step after another, the last one with its result: 31 times 2.
    beside = gemv_tile(MEMORY, pim_with(composite=False, opening="all", operands="beside"), VALUE)
    assert beside.period_ps == (5 + 14 + 14 + 62) * NS
    # A precharge, an activate, 32 steps, and a read unless results go beside the compute.
    assert (tile.commands, beside.commands) == (2 + 33, 2 + 32)


def test_banks_that_are_opened_ahead_change_rows_while_others_compute() -> None:
    # Four banks take turns with 32 steps of 2: 4 x 64 for all. A row changes while the other three banks compute.
    shared = pim_with(composite=False, opening="ahead", operands="beside", banks_per_unit=4)
    assert gemv_tile(MEMORY, shared, VALUE).period_ps == 4 * 64 * NS
    # Two banks with 2 steps each hide little of it: 34 - 14 - 2 until ras is over, 14 rp, 14 rcd and the own 2.
    short = pim_with(composite=False, opening="ahead", operands="beside", banks_per_unit=2)
    assert gemv_tile(MEMORY, short, SHORT).period_ps == (34 - 14 - 2 + 14 + 14 + 2) * NS
