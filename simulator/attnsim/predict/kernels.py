"""Which kernel a row of a table stands for: by its name, or by the framework and kernel source that timed it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import polars as pl

from attnsim.errors import AttnSimError
from attnsim.mapping.choose import resolve
from attnsim.specs.hardware import load_gpu
from attnsim.specs.kernel import Kernel, MeasuredRows
from attnsim.specs.library import shipped_files
from attnsim.specs.mapping import gpu_kernels, load_mapping
from attnsim.specs.ranges import bounds

Key = tuple[str, str, str, str, str]
"""framework, kernel_source, phase, attn_dtype, kv_cache_dtype of a row."""


@cache
def candidates(key: Key, gpu: str) -> tuple[tuple[str, tuple[float, float], tuple[float, float]], ...]:
    """(kernel, smallest and largest group, fewest and most blocks) of the kernels that a row's key may stand for on a
    GPU."""
    return tuple(
        (kernel.name, bounds(rows.group), bounds(rows.blocks))
        for kernel in gpu_kernels().values()
        for rows in _matching(kernel, key, gpu)
    )


def _matching(kernel: Kernel, key: Key, gpu: str) -> Iterator[MeasuredRows]:
    for rows in kernel.measured:
        named = (rows.framework, rows.kernel_source, rows.phase, rows.attn_dtype, rows.kv_cache_dtype)
        if named == key and (not rows.gpus or not stand_ins(gpu).isdisjoint(rows.gpus)):
            yield rows


@cache
def stand_ins(gpu: str) -> frozenset[str]:
    """Measured GPUs whose frameworks are taken to run the same kernels on `gpu`: itself, or those of the nearest
    architecture; none for an unknown GPU."""
    rows = [rows for kernel in gpu_kernels().values() for rows in kernel.measured]
    measured = {name for one in rows for name in one.gpus} & set(shipped_files("hardware"))
    wanted = _architecture(gpu) if gpu not in measured else None
    if wanted is None:
        return frozenset({gpu})
    far = {name: abs(found - wanted) for name in measured if (found := _architecture(name)) is not None}
    return frozenset(name for name, distance in far.items() if distance == min(far.values()))


def _architecture(gpu: str) -> int | None:
    """Number of a GPU's architecture, 90 of `sm90`; None if it is no GPU."""
    try:
        return int(load_gpu(gpu).architecture.removeprefix("sm"))
    except AttnSimError:
        return None


def kernel_of(key: Key, gpu: str, group: float, blocks: float = 1.0) -> str | None:
    """The kernel that a row stands for, or None; group, blocks: as in `MeasuredRows`."""
    for name, groups, counts in candidates(key, gpu):
        if groups[0] <= group <= groups[1] and counts[0] <= blocks <= counts[1]:
            return name
    return None


@cache
def default_kernel(gpu: str, phase: str, types: tuple[str, str]) -> str | None:
    """The kernel that `run` takes on a GPU for a phase, if it has these types of products and cache; else None."""
    try:
        mapping = load_mapping(load_gpu(gpu).default_mapping or "")
        kernel = resolve(mapping, {"P": 1 if phase == "generation" else 2}, load_mapping)
    except AttnSimError:
        return None
    if not isinstance(kernel, Kernel):
        return None
    known = {(rows.attn_dtype, rows.kv_cache_dtype) for rows in kernel.measured}
    return kernel.name if types in known else None


@cache
def no_kernel(gpu: str, framework: str | None, phase: str) -> str:
    """Why a row has no kernel, with the names that would have been understood."""
    if _architecture(gpu) is None:
        return f"no GPU is called {gpu}; see `attnsim list hardware`"
    if framework is None:
        return "no default kernel for these types; fill in `kernel`, or `framework` and `kernel_source`"
    rows = [rows for kernel in gpu_kernels().values() for rows in kernel.measured if rows.phase == phase]
    here = [one for one in rows if not one.gpus or not stand_ins(gpu).isdisjoint(one.gpus)]
    found = sorted(
        {f"{one.kernel_source} {one.attn_dtype}/{one.kv_cache_dtype}" for one in here if one.framework == framework}
    )
    known = ", ".join(found) or "nothing"
    return f"no kernel of this kernel_source and types; {framework} has on {gpu} in {phase}: {known}"


def blocks_of() -> pl.Expr:
    """Blocks of 128 keys of the rows of a table, as in `MeasuredRows`."""
    blocks = pl.max_horizontal(pl.lit(1), (pl.col("isl") + pl.col("step")) // 128)
    return blocks * pl.col("num_key_value_heads") * pl.col("batch_size")
