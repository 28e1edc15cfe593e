"""Without fusion: which kernels run, and what they move and count, by hand."""

from __future__ import annotations

import pytest

from attnsim.families.gpu_tile.launch import Launch
from attnsim.families.gpu_tile.unfused import unfused_launches
from attnsim.specs.cascade import load_cascade
from attnsim.specs.hardware import load_gpu
from attnsim.specs.kernel import EinsumLaunches, Kernel
from attnsim.specs.mapping import load_mapping
from attnsim.workload import Step

TOKENS, DIM, HEADS = 2048, 64, 32
SCORES = HEADS * TOKENS * TOKENS
ROWS = HEADS * TOKENS * DIM


def launches(cascade: str, **changed: object) -> dict[str, Launch]:
    kernel = load_mapping("pytorch")
    assert isinstance(kernel, Kernel)
    (each,) = kernel.launches
    assert isinstance(each, EinsumLaunches)
    kernel = kernel.model_copy(update={"launches": [each.model_copy(update=changed)]})
    extents = {"B": 1, "H": HEADS, "P": TOKENS, "M": TOKENS, "E": DIM, "F": DIM}
    step = Step(name="attention", cascade=load_cascade(cascade), extents=extents)
    return {launch.name: launch for launch in unfused_launches(step, kernel, load_gpu("h100_sxm"))}


def test_kernels_run_in_the_order_of_the_text() -> None:
    expected = ["K copy", "Q copy", "QK", "GM+SN+SD+A", "V copy", "AV", "AV copy"]
    assert list(launches("attention_3pass")) == expected
    expected.insert(3, "QK mask")
    assert list(launches("attention_3pass_causal")) == expected


def test_each_einsum_is_a_kernel_where_nothing_is_said_of_it() -> None:
    bare = launches("attention_3pass_causal", together=[], copied=[], dense=False)
    assert list(bare) == ["QK", "GM", "SN", "SD", "A", "AV"]


def test_the_softmax_reads_the_scores_and_writes_the_weights_once() -> None:
    softmax = launches("attention_3pass")["GM+SN+SD+A"]
    assert softmax.activity.dram_bytes == 2 * 2 * SCORES
    assert softmax.activity.mufu_ops >= SCORES
    alone = launches("attention_3pass", together=[])
    parts = sum(alone[name].activity.dram_bytes for name in ("GM", "SN", "SD", "A"))
    assert parts == pytest.approx(2 * 6 * SCORES, rel=1e-3)


def test_a_mask_goes_over_all_of_the_scores_and_leaves_half_of_the_flops_useful() -> None:
    full, causal = launches("attention_3pass"), launches("attention_3pass_causal")
    assert causal["QK mask"].activity.dram_bytes == 2 * (2 * SCORES + SCORES / HEADS)
    below = TOKENS * (TOKENS + 1) / 2
    for name in ("QK", "AV"):
        assert full[name].activity.useful_flops == 2 * SCORES * DIM
        assert causal[name].activity.useful_flops == 2 * HEADS * below * DIM
        assert causal[name].activity.tensor_flops == full[name].activity.tensor_flops


def test_a_copy_moves_a_tensor_twice() -> None:
    assert launches("attention_3pass")["Q copy"].activity.l2_bytes == 2 * 2 * ROWS
