"""What a GPU cannot run is said with its place, what is needed and what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from attnsim.errors import AttnSimError, MappingError, SpecError
from attnsim.mapping.infeasible import Infeasible
from attnsim.pipeline import Request, simulate

SHAPE = {"B": 1, "H": 2, "G": 4, "P": 256, "M": 256, "E": 128, "F": 128}

UNGROUPED = {rank: size for rank, size in SHAPE.items() if rank != "G"}


def request(**changed: object) -> Request:
    base = {"cascade": "flash_attention", "hardware": "h100_sxm", "mapping": "vllm_fa3_prefill", "extents": SHAPE}
    return Request(**{**base, **changed})  # type: ignore[arg-type]


def test_a_head_dimension_that_no_tile_takes_is_infeasible_with_what_it_would_need() -> None:
    result = simulate(request(extents={**SHAPE, "E": 320, "F": 320}))
    assert isinstance(result, Infeasible)
    assert result.demand_bytes > result.capacity_bytes
    assert "shared memory" in result.memory
    assert "..256" in str(result)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"hardware": "l40s"}, "does not run on l40s"),
        ({"hardware": "fusemax"}, "written for gpu_tile"),
        ({"mapping": "binding"}, "written for spatial_array"),
        ({"overrides": ("mapping.data_types.products=fp4",)}, "has no wgmma for fp4"),
        ({"cascade": "attention_3pass", "extents": UNGROUPED}, "passes 3 times"),
    ],
)
def test_what_does_not_go_together_is_refused(changed: dict[str, object], why: str) -> None:
    with pytest.raises(MappingError, match=why):
        simulate(request(**changed))


def test_a_length_of_zero_is_refused() -> None:
    with pytest.raises(AttnSimError, match="not a positive number"):
        simulate(request(extents={**SHAPE, "P": 0}))


def test_a_calibration_of_another_kernel_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    errors = "{rows: 1, mape: 0.1, median: 0.1, p90: 0.1}"
    file.write_text(
        "kernel: gemm_cublas\nfamily: gpu_tile\nhardware: h100_sxm\nsource: mine\n"
        f"constants: {{launch: 3.0e-06}}\nfitted: {errors}\nheld_out: {errors}\n",
        encoding="utf-8",
    )
    with pytest.raises(SpecError, match=r"mine.yaml:1: kernel: holds the constants of gemm_cublas"):
        simulate(request(calibration=str(file)))
