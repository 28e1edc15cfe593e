"""CTAs of an SM are limited by whatever runs out first: threads, registers, shared memory or slots."""

from __future__ import annotations

import pytest

from attnsim.families.gpu_tile.occupancy import resident_ctas
from attnsim.specs.hardware import load_gpu


@pytest.mark.parametrize(
    ("name", "threads", "registers", "shared_kib", "expected"),
    [
        # FlashAttention-2 of vLLM, d 128: 64 x 128 tile, 81,920 bytes, 255 registers (cuobjdump): 2 on A100, 1 on L40S.
        ("a100_sxm", 128, 255, 80, 2),
        ("l40s", 128, 255, 80, 1),
        # d 256 on A100: 98,304 bytes leave room for one.
        ("a100_sxm", 128, 255, 96, 1),
        ("h100_sxm", 1024, 32, 0, 2),  # threads
        ("h100_sxm", 128, 128, 0, 4),  # registers
        ("h100_sxm", 32, 16, 0, 32),  # slots
        ("h100_sxm", 128, 64, 228, 0),  # more shared memory than a CTA may have
        ("h100_sxm", 128, 256, 16, 0),  # more registers than a thread may have
    ],
)
def test_the_scarcest_resource_decides(name: str, threads: int, registers: int, shared_kib: int, expected: int) -> None:
    gpu = load_gpu(name)
    found = resident_ctas(gpu, threads=threads, registers_per_thread=registers, shared_bytes=shared_kib * 1024)
    assert found == expected
