"""What a fused kernel takes from a cascade: its shape, its mask and its work, or why it cannot run it."""

from __future__ import annotations

import pytest

from attnsim.components.attention import UNLIMITED, AttentionShape, attention_shape
from attnsim.errors import MappingError
from attnsim.families.gpu_tile.fused import attention_ranks, tile_work
from attnsim.specs.cascade import load_cascade

EXTENTS = {"B": 2, "H": 4, "G": 3, "P": 10, "M": 40, "E": 64, "F": 32}


def shape_of(cascade: str, **extents: int) -> AttentionShape:
    loaded = load_cascade(cascade)
    return attention_shape(loaded, attention_ranks(loaded), {**EXTENTS, **extents})


def test_a_group_of_query_heads_shares_its_keys() -> None:
    shape = shape_of("flash_attention", PAST=30, W=8)
    assert (shape.batch, shape.kv_heads, shape.group) == (2, 4, 3)
    assert (shape.queries, shape.keys, shape.qk_dim, shape.v_dim) == (10, 40, 64, 32)


@pytest.mark.parametrize(
    ("cascade", "extents", "past", "window"),
    [
        ("flash_attention", {"PAST": 30, "W": 8}, 30, 8),
        ("flash_attention", {"PAST": 30, "W": 1 << 30}, 30, UNLIMITED),
        ("attention_1pass_causal", {}, 0, UNLIMITED),
        ("attention_1pass", {}, UNLIMITED, UNLIMITED),
        ("sigmoid_attention", {}, UNLIMITED, UNLIMITED),
    ],
)
def test_the_mask_is_read_from_the_conditions(cascade: str, extents: dict[str, int], past: int, window: int) -> None:
    shape = shape_of(cascade, **extents)
    assert (shape.past, shape.window) == (past, window)


def test_softmax_costs_an_exponential_and_three_more_a_score_and_sigmoid_less() -> None:
    softmax, sigmoid = (load_cascade(name) for name in ("attention_1pass", "sigmoid_attention"))
    online, pointwise = (tile_work(cascade, attention_ranks(cascade)) for cascade in (softmax, sigmoid))
    assert online.score == (1, 3)  # exp; max, subtraction, sum
    assert online.tile_row_element == (0, 2)  # the output is rescaled and added to
    assert pointwise.score == (1, 2)
    assert pointwise.tile_row == pointwise.tile_row_element == (0, 0)


@pytest.mark.parametrize(
    ("cascade", "why"),
    [
        ("attention_3pass", "passes 3 times"),
        ("grouped_query_attention", "passes 2 times"),
        ("topk_attention", "data-dependent"),
        ("gemm", "1 products"),
        ("decoder_layer", "products"),
    ],
)
def test_a_cascade_that_no_fused_kernel_can_run_says_why(cascade: str, why: str) -> None:
    with pytest.raises(MappingError, match=why):
        attention_ranks(load_cascade(cascade))
