"""CTAs that an SM holds at once, from what a CTA needs of it (CUDA C++ Programming Guide, hardware multithreading)."""

from __future__ import annotations

from attnsim.mapping.infeasible import Infeasible
from attnsim.specs.gpu_tile import GpuTile

WARP_THREADS = 32
_REGISTER_UNIT = 256
_SHARED_UNIT_BYTES = 1024


def resident_ctas(gpu: GpuTile, *, threads: int, registers_per_thread: int, shared_bytes: float) -> int:
    """CTAs of an SM by its threads, slots, registers (given out to warps in units of 256) and shared memory; 0: none.

    shared_bytes: per CTA, without what the runtime reserves.
    """
    if registers_per_thread > gpu.max_registers_per_thread or shared_bytes > gpu.shared_memory_per_cta_bytes:
        return 0
    warps = -(-threads // WARP_THREADS)
    registers = warps * -(-registers_per_thread * WARP_THREADS // _REGISTER_UNIT) * _REGISTER_UNIT
    held = shared_bytes + gpu.shared_memory_reserved_bytes
    held = -(-held // _SHARED_UNIT_BYTES) * _SHARED_UNIT_BYTES
    return int(
        min(
            gpu.max_ctas,
            gpu.max_threads // (warps * WARP_THREADS),
            gpu.registers // registers if registers else gpu.max_ctas,
            gpu.shared_memory_bytes // held,
        )
    )


def too_large(
    gpu: GpuTile, kernel: str, launch: str, *, registers_per_thread: int, parts: dict[str, int], lever: str
) -> Infeasible:
    """Why no CTA of a launch fits an SM: its registers, or else its shared memory with its parts in bytes."""
    if registers_per_thread > gpu.max_registers_per_thread:
        return Infeasible(
            mapping=kernel,
            phase=launch,
            memory="registers of a thread",
            demand_bytes=4 * registers_per_thread,
            capacity_bytes=4 * gpu.max_registers_per_thread,
            parts=(("registers", 4 * registers_per_thread),),
            levers=(lever,),
        )
    return Infeasible(
        mapping=kernel,
        phase=launch,
        memory=f"the shared memory of a CTA on {gpu.name}",
        demand_bytes=sum(parts.values()),
        capacity_bytes=int(gpu.shared_memory_per_cta_bytes),
        parts=tuple(sorted(parts.items(), key=lambda part: -part[1])),
        levers=(lever,),
    )
