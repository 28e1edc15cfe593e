"""Which published points calibrate a kernel, and that none of the others can."""

from __future__ import annotations

import pytest

from attnsim.calibrate.published import published_rows, published_targets
from attnsim.errors import AttnSimError
from attnsim.specs.mapping import gpu_kernels


def test_a_kernel_takes_the_dataset_with_most_points_of_it() -> None:
    rows = published_rows(gpu_kernels()["flash_attention_3"], "h100_sxm")
    assert (rows.height, set(rows["framework"])) == (24, {"flash_attention"})


def test_throughput_becomes_the_time_of_the_visible_products() -> None:
    rows = published_rows(gpu_kernels()["flash_attention_3"], "h100_sxm")
    full = rows.filter((rows["phase"] == "encoder") & (rows["isl"] == 16384) & (rows["head_dim"] == 128))
    assert full["latency_ms"].item() == pytest.approx(4 * 16 * 16384**2 * 128 / 648e12 * 1e3)


def test_points_of_the_ablation_calibrate_nothing() -> None:
    assert 8448 not in set(published_rows(gpu_kernels()["flash_attention_3"], "h100_sxm")["isl"])


def test_a_pair_that_no_series_times_is_refused_with_those_that_are() -> None:
    with pytest.raises(
        AttnSimError, match=r"no published series times these kernels on these GPUs; take .*on h100_sxm"
    ):
        published_targets(("flash_attention_3",), ("a100_sxm",))
