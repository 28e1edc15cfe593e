"""Where K and V lie: tiles and fills of a request, counted by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnsim.components.attention import AttentionShape
from attnsim.errors import MappingError
from attnsim.families.npu_pim.layout import Block, Layout, layout_of, score_blocks, value_blocks, value_parts
from attnsim.specs.hardware import load_hardware
from attnsim.specs.npu_pim import NpuPim, Pim


def neupims() -> tuple[NpuPim, Pim]:
    device = load_hardware("neupims")
    assert isinstance(device, NpuPim)
    assert device.pim is not None
    return device, device.pim


DEVICE, PIM = neupims()


def shape(heads: int, group: int = 1, dim: int = 128) -> AttentionShape:
    return AttentionShape(batch=1, kv_heads=heads, group=group, queries=1, keys=512, qk_dim=dim, v_dim=dim)


def layout(of: AttentionShape, pim: Pim = PIM) -> Layout:
    return layout_of(of, DEVICE, pim, "request")


def test_heads_lie_side_by_side_in_a_row_and_tokens_in_banks() -> None:
    # A row of 1 KiB has 512 words, four heads of 128. Eight heads are two rows; 500 tokens in 32 banks 16 of each.
    assert score_blocks(layout(shape(8)), shape(8), 500) == [Block(fills=1, tiles=16, steps=(8, 8, 8, 8))] * 2


def test_the_last_row_of_heads_may_have_fewer() -> None:
    # Ten heads: two rows of four and one of two.
    blocks = score_blocks(layout(shape(10)), shape(10), 32)
    assert [block.steps for block in blocks] == [(8,) * 4, (8,) * 4, (8,) * 2]
    assert [block.tiles for block in blocks] == [1, 1, 1]


def test_a_row_holds_as_many_tokens_of_a_head_as_words() -> None:
    # 1300 tokens are rows of 512, 512 and 276, of which the last takes 276 / 16 = 17.25 steps; 128 elements in 32 banks
    # are four rows each; once for each of two heads.
    one_head = [Block(fills=1, tiles=4, steps=(32,)), Block(fills=1, tiles=4, steps=(32,))]
    one_head.append(Block(fills=1, tiles=4, steps=(18,)))
    assert value_blocks(layout(shape(2)), shape(2), 1300) == one_head * 2
    assert [value_parts(layout(shape(2)), keys) for keys in (1, 512, 513, 1300)] == [1, 1, 2, 3]


def test_each_query_of_a_group_opens_the_rows_again_unless_the_buffer_holds_several() -> None:
    grouped = shape(4, group=4)
    # One row of buffer: four fills, and the tiles of four heads each time.
    assert score_blocks(layout(grouped), grouped, 64) == [Block(fills=1, tiles=2, steps=(8,) * 4)] * 4
    assert value_blocks(layout(grouped), grouped, 64) == [Block(fills=1, tiles=4, steps=(4,))] * 16
    # Three rows of buffer: three queries at once, then the last one.
    wide = layout(grouped, PIM.model_copy(update={"buffer_bytes": 3 * 1024.0}))
    assert score_blocks(wide, grouped, 64) == [
        Block(fills=3, tiles=2, steps=(8,) * 12),
        Block(fills=1, tiles=2, steps=(8,) * 4),
    ]
    three, one = Block(fills=3, tiles=4, steps=(4,) * 3), Block(fills=1, tiles=4, steps=(4,))
    assert value_blocks(wide, grouped, 64) == [three, one] * 4


@pytest.mark.parametrize("dim", [96, 80, 1024, 513])
def test_heads_that_do_not_tile_a_row_are_refused_with_those_that_do(dim: int) -> None:
    with pytest.raises(MappingError) as caught:
        layout(shape(8, dim=dim))
    message = str(caught.value)
    assert f"neupims.yaml:20: memory.row: heads of {dim} elements do not tile a row of 512" in message
    assert "take heads of 16, 32, 64, 128, 256, 512" in message


@given(
    heads=st.integers(1, 40),
    group=st.integers(1, 9),
    dim=st.sampled_from([16, 64, 128, 512]),
    keys=st.integers(1, 3000),
    rows=st.integers(1, 5),
)
def test_every_score_and_weight_is_computed_and_no_more_than_fills_up_tiles(
    heads: int, group: int, dim: int, keys: int, rows: int
) -> None:
    asked = shape(heads, group, dim)
    chosen = layout(asked, PIM.model_copy(update={"buffer_bytes": rows * 1024.0}))
    scores, values = score_blocks(chosen, asked, keys), value_blocks(chosen, asked, keys)
    # A compute step multiplies 16 words in each of 32 banks.
    multiplied = [32 * 16 * sum(block.tiles * sum(block.steps) for block in blocks) for blocks in (scores, values)]
    tokens, elements = 32 * math.ceil(keys / 32), 32 * math.ceil(dim / 32)
    words = 512 * (keys // 512) + 16 * math.ceil(keys % 512 / 16)
    assert multiplied == [heads * group * dim * tokens, heads * group * elements * words]
    # Each row of queries is brought once for each row of heads, each row of weights once for each head.
    assert sum(block.fills for block in scores) == group * math.ceil(heads / (512 // dim))
    assert sum(block.fills for block in values) == group * heads * math.ceil(keys / 512)


def test_a_dense_layout_deals_a_token_out_over_the_banks_of_a_group_and_leaves_no_gaps() -> None:
    # Four banks of a group hold 32 words of a head of 128 each: two steps a token, and eight groups with a token each.
    # 700 tokens are 88 in the fullest group, 176 steps: five rows of 32 steps and one of 16.
    one = shape(1)
    dense = layout_of(one, DEVICE, PIM, "head")
    blocks = [Block(fills=1, tiles=5, steps=(32,)), Block(fills=0, tiles=1, steps=(16,))]
    assert score_blocks(dense, one, 700) == value_blocks(dense, one, 700) == blocks
    assert value_parts(dense, 700) == 1
    # No gaps are left by heads that do not tile a row: 80 words of a head are 20 in each bank, two steps.
    assert score_blocks(layout_of(shape(1, dim=80), DEVICE, PIM, "head"), shape(1, dim=80), 700) == blocks
