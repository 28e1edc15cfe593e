"""Transfer: no constant of a GPU reaches its own prediction."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from attnsim.calibrate.choose import Target, pairs
from attnsim.families.gpu_tile.borrow import OF_LAUNCHES
from attnsim.families.gpu_tile.constant_vector import default_values
from attnsim.families.gpu_tile.constants import Chosen, choose_constants
from attnsim.measured.rows import GPUS
from attnsim.measured_validation.transfer import three_constants_elsewhere, transferred_rows
from attnsim.specs.constants import CONSTANTS, DEFAULT_CLOCK_HZ
from attnsim.specs.gpu_tile import GpuTile
from attnsim.specs.hardware import load_gpu
from attnsim.specs.kernel import Kernel


def borrow(kernel: Kernel, gpu: GpuTile) -> Chosen:
    return choose_constants(kernel, gpu, apart=True)


def is_fused(target: Target) -> bool:
    return target.kernel.attention is not None


@pytest.mark.parametrize("gpu", GPUS)
def test_constants_are_never_those_of_the_gpu_itself(gpu: str) -> None:
    found = {target.kernel.name: borrow(target.kernel, target.gpu) for target in pairs(gpus=(gpu,)) if is_fused(target)}
    assert found
    assert [name for name, one in found.items() if gpu in one.sources] == []


def test_another_gpu_of_the_architecture_gives_its_constants_as_they_are() -> None:
    (target,), (source,) = (pairs(("vllm_fa3_prefill",), (gpu,)) for gpu in ("h100_sxm", "h200_sxm"))
    found = borrow(target.kernel, target.gpu)
    assert (found.sources, found.defaults) == (("h200_sxm",), 0.0)
    assert found.values == pytest.approx(choose_constants(source.kernel, source.gpu).values)


def test_a_gpu_without_calibrations_takes_what_the_transfer_is_judged_by() -> None:
    h20 = load_gpu("h20")
    (target,) = pairs(("vllm_fa3_prefill",), ("h100_sxm",))
    found = choose_constants(target.kernel, h20)
    assert (found.calibration, found.sources) == (None, ("h100_sxm", "h200_sxm"))
    assert found.origin == "constants of h100_sxm, h200_sxm"
    assert np.array_equal(found.values, borrow(target.kernel, h20).values)


def test_other_architectures_are_taken_half() -> None:
    (target,) = pairs(("vllm_fa2_prefill",), ("a100_sxm",))
    found = borrow(target.kernel, target.gpu)
    row, default = list(CONSTANTS).index("row"), CONSTANTS["row"].default
    elsewhere = [
        choose_constants(target.kernel, one.gpu).values[row]
        for one in pairs(("vllm_fa2_prefill",), ("l40s", "rtx_pro_6000_server"))
    ]
    assert found.values[row] == pytest.approx(np.sqrt(np.sqrt(np.prod(elsewhere)) * default))


def test_a_kernel_of_one_gpu_has_defaults_but_for_its_framework_s_launches() -> None:
    (target,) = pairs(("vllm_trtllm_gen_prefill",), ("b200_sxm",))
    found, defaults = borrow(target.kernel, target.gpu), default_values(target.kernel)
    values = zip(CONSTANTS.items(), found.values, defaults, strict=True)
    changed = {name: mine / plain for (name, _row), mine, plain in values if mine != plain}
    assert (found.sources, found.defaults) == ((), 1.0)
    assert "launch" in changed
    others = {name: ratio for name, ratio in changed.items() if name not in OF_LAUNCHES}
    assert others == pytest.approx(dict.fromkeys(others, DEFAULT_CLOCK_HZ / target.gpu.clock_hz))
    assert all(CONSTANTS[name].cycles for name in others)


def test_what_takes_so_many_cycles_is_shorter_on_a_faster_clock() -> None:
    (target,) = pairs(("vllm_fa2_decode",), ("a100_sxm",))
    faster = target.gpu.model_copy(update={"clock_hz": 2 * target.gpu.clock_hz})
    for apart in (False, True):
        was, now = (choose_constants(target.kernel, gpu, apart=apart).values for gpu in (target.gpu, faster))
        ratios = {name: one / other for name, one, other in zip(CONSTANTS, now, was, strict=True) if other}
        fitted = {name: ratios[name] for name in target.kernel.constants.fit}
        assert fitted == pytest.approx({name: 0.5 if CONSTANTS[name].cycles else 1 for name in fitted})


def test_rows_are_predicted_with_the_borrowed_constants(make_rows) -> None:
    rows = make_rows(isl=[1024, 8192])
    made, borrowed = transferred_rows(rows, "h100_sxm")
    (target,) = pairs(("vllm_fa3_prefill",), ("h100_sxm",))
    own = choose_constants(target.kernel, target.gpu).values
    assert not np.array_equal(borrowed["vllm_fa3_prefill"].values, own)
    assert (made["predicted_ms"] != rows["latency_ms"]).all()


def test_three_constants_of_a_gpu_do_not_come_from_its_own_rows(make_rows) -> None:
    asked, other = make_rows(isl=[1024, 2048]), make_rows(isl=[512, 1024, 4096, 8192], gpu="h200_sxm")
    spoiled = asked.with_columns(latency_ms=pl.col("latency_ms") * 50)
    answers = [three_constants_elsewhere(asked, pl.concat([own, other])) for own in (asked, spoiled)]
    assert answers[0]["three_constants_ms"].to_list() == answers[1]["three_constants_ms"].to_list()
    assert answers[0]["three_constants_ms"].is_not_nan().all()
