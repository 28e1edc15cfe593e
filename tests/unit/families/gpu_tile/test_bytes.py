"""What moves: Q and O through DRAM once a run outgrows the L2, K and V from shared memory to each warp with rows."""

from __future__ import annotations

import pytest

from attnsim.components.attention import attention_shape
from attnsim.families.gpu_tile.columns import AT
from attnsim.families.gpu_tile.fused import attention_ranks, tile_work
from attnsim.families.gpu_tile.problems import bind_problems, one_problem
from attnsim.pipeline import Request, Run, simulate
from attnsim.specs.cascade import load_cascade
from attnsim.specs.gpu_tile import GpuTile
from attnsim.specs.hardware import load_hardware
from attnsim.specs.kernel import Kernel
from attnsim.specs.mapping import load_mapping


def dram_bytes(mapping: str, hardware: str, tokens: int) -> float:
    extents = {"B": 1, "H": 16, "P": tokens, "M": tokens, "E": 128, "F": 128}
    found = simulate(Request(hardware=hardware, mapping=mapping, cascade="attention_1pass", extents=extents))
    assert isinstance(found, Run)
    return found.metrics.bytes["dram"]


def operand_cycles(mapping: str, hardware: str, head_dim: int) -> float:
    kernel, gpu, cascade = load_mapping(mapping), load_hardware(hardware), load_cascade("attention_1pass")
    assert isinstance(kernel, Kernel)
    assert isinstance(gpu, GpuTile)
    ranks = attention_ranks(cascade)
    extents = {"B": 1, "H": 1, "P": 4096, "M": 4096, "E": head_dim, "F": head_dim}
    problems = one_problem(attention_shape(cascade, ranks, extents))
    return float(bind_problems(problems, kernel, gpu, tile_work(cascade, ranks)).columns[0, AT["operand_cycles"]])


@pytest.mark.parametrize("mapping", ["flash_attention_2", "flash_attention_3"])
def test_q_and_o_go_through_dram_once_a_run_is_many_times_the_l2(mapping: str) -> None:
    q_and_o = 2 * 16 * 65536 * 128 * 2  # twice as much with K and V, ten times the 50 MB of the L2
    assert dram_bytes(mapping, "h100_sxm", 65536) == pytest.approx(q_and_o * 2, rel=0.01)


def test_what_a_repeated_run_finds_in_the_l2_does_not_go_through_dram() -> None:
    assert dram_bytes("flash_attention_3", "h100_sxm", 512) < 1e-3 * 4 * 16 * 512 * 128 * 2


@pytest.mark.parametrize(
    ("mapping", "hardware", "head_dim", "warps", "keys"),
    [
        ("flash_attention_2", "h100_sxm", 128, 4, 64),  # 128 rows, 4 warps
        ("flash_attention_2", "a100_sxm", 256, 8, 64),  # 128 rows, 8 warps
        ("flash_attention_2", "h100_sxm", 256, 4, 64),  # 64 rows, 4 warps
        ("flash_attention_3", "h100_sxm", 128, 0, 0),  # wgmma
    ],
)
def test_each_warp_with_rows_of_its_own_loads_keys_and_values(
    mapping: str, hardware: str, head_dim: int, warps: int, keys: int
) -> None:
    width = 2 * head_dim * 2
    assert operand_cycles(mapping, hardware, head_dim) == warps * keys * width / 128
