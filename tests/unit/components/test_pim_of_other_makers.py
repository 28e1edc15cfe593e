"""Tiles where one command opens all banks, banks are opened ahead, and operands or results go beside the compute."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnsim.components.pim import banks_in_turn, command_graph, fill_calendar, fill_ps, gemv_tile, tile_calendar
from attnsim.engine import run
from attnsim.specs.hardware import load_hardware
from attnsim.specs.npu_pim import Memory, NpuPim, Pim

NS = 1000


def parts_of(name: str) -> tuple[Memory, Pim]:
    device = load_hardware(name)
    assert isinstance(device, NpuPim)
    assert device.pim is not None
    return device.memory, device.pim


def settled_ps(memory: Memory, pim: Pim, steps: tuple[int, ...]) -> int:
    """From the last compute command or read of a tile to that of the next one, command by command."""
    ends = []
    for tiles in (7, 8):
        graph = command_graph(memory, pim, [steps] * tiles)
        named = [graph.origins.kinds[kind] == "command" for kind in graph.origins.kind_ids]
        ends.append(int(run(graph).end_ps[: len(named)][named].max()))
    return ends[1] - ends[0]


def test_a_row_of_attacc_takes_its_steps_and_a_change_of_rows() -> None:
    # 31 times 4.614 ns between 32 steps; then 6.15 to the precharge, 14.6 to the activate, 14.6 to the first step.
    memory, pim = parts_of("attacc")
    tile = gemv_tile(memory, pim, (32,))
    assert tile.period_ps == 31 * 4614 + 6150 + 14600 + 14600
    assert tile.opening_ps == 6150 + 14600 - 769  # alone it begins with its activate and ends with its last command
    assert (tile.commands, tile.activates, tile.reads) == (2 + 32, 64, 1)
    assert settled_ps(memory, pim, (32,)) == tile.period_ps


def test_banks_that_are_opened_ahead_hide_all_but_the_first_row() -> None:
    memory, pim = parts_of("attacc_group")
    tile = gemv_tile(memory, pim, (32,))
    assert tile.period_ps == 4 * 32 * 4614
    assert tile.opening_ps == 4614 - 14600 - 769  # the first tile of all has to wait for its row
    # With one step a row, rows take longer to change than three other banks to compute.
    assert gemv_tile(memory, pim, (1,)).period_ps == max(4 * 4614, 34600 + 14600)


@pytest.mark.parametrize(
    ("name", "turns"), [("attacc", 1), ("attacc_group", 4), ("attacc_buffer", 32), ("hbm_pim", 2), ("gddr6_aim", 1)]
)
def test_banks_of_a_unit_take_turns(name: str, turns: int) -> None:
    assert banks_in_turn(*parts_of(name)) == turns


def test_fills_cost_what_their_way_into_the_buffer_does() -> None:
    memory, pim = parts_of("gddr6_aim")
    assert fill_ps(memory, pim, row_buffers=1) == (64 + 2 * 0.5) * NS
    from_row = pim.model_copy(update={"operands": "row"})
    assert fill_ps(memory, from_row, row_buffers=1) == (64 + 2 * 0.5 + 14.8 + 14.8) * NS
    assert fill_ps(*parts_of("attacc"), row_buffers=1) == 0


def test_a_refresh_of_a_whole_channel_closes_it_and_what_was_begun_stays_done() -> None:
    # 6.15 to close the rows, 14.6 rp, 350 rfc, 14.6 rcd, and half of a tile of 178.384 ns that runs on.
    memory, pim = parts_of("attacc")
    tile = gemv_tile(memory, pim, (32,))
    calendar = tile_calendar(memory, pim, tile.reserve_ps)
    assert (tile.parts, tile.reserve_ps) == (1, tile.period_ps // 2)
    assert calendar.closed_ps == 385350 + tile.period_ps // 2
    assert (calendar.period_ps, calendar.first_ps, calendar.reserve_ps) == (3900 * NS, 3900 * NS, 0)
    assert fill_calendar(memory, pim).closed_ps == 385350


def test_a_long_tile_has_parts_so_that_a_refresh_breaks_off_little() -> None:
    memory, pim = parts_of("attacc_buffer")
    tile = gemv_tile(memory, pim, (32,))
    assert tile.period_ps == 32 * 32 * 1538  # 1.57 us, against 3.9 us between refreshes
    assert tile.parts == 4
    assert tile.reserve_ps == tile.period_ps // 4 // 2


@given(
    ras=st.integers(1, 400),
    rtp=st.integers(1, 30),
    step=st.integers(1, 8),
    pipeline=st.integers(1, 8),
    turns=st.sampled_from([1, 2, 4]),
    operands=st.sampled_from(["host", "beside"]),
    steps=st.sampled_from([(32,), (8, 8, 8, 8), (2,), (1,)]),
)
def test_a_tile_takes_as_long_as_its_commands_one_by_one(
    ras: int, rtp: int, step: int, pipeline: int, turns: int, operands: str, steps: tuple[int, ...]
) -> None:
    memory, pim = parts_of("gddr6_aim")
    timing = memory.timing.model_copy(update={"ras_s": ras * 1e-9, "rtp_s": rtp * 1e-9})
    memory = memory.model_copy(update={"timing": timing})
    changed = {"step_s": step * 1e-9, "pipeline": pipeline, "banks_per_unit": turns, "operands": operands}
    pim = pim.model_copy(update=changed)
    assert settled_ps(memory, pim, steps) == gemv_tile(memory, pim, steps).period_ps
