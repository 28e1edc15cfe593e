"""The constants of a kernel on a GPU: what no data sheet says. One literal table: names, meanings, defaults, bounds.

`attnsim calibrate` fits those that a kernel names; all others keep the value of the kernel's file, or the default here.
Shares are of a data-sheet rate, times are seconds, rates bytes per second; `vector`, `rescale`, `mask` and `convert`
multiply instruction counts that come from the cascade.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """One constant: what it stands for, its value when nothing else is said, and the bounds of a fit.

    cycles: whether it is a time that takes so many cycles, and so is shorter where the clock is faster.
    """

    meaning: str
    default: float
    low: float
    high: float
    cycles: bool = False


def _row(meaning: str, default: float, low: float, high: float) -> Constant:
    return Constant(meaning=meaning, default=default, low=low, high=high)


def _time(meaning: str, default: float, low: float, high: float) -> Constant:
    return Constant(meaning=f"s {meaning}", default=default, low=low, high=high, cycles=True)


DEFAULT_CLOCK_HZ = 1.83e9
"""Clock at which the defaults of times hold: that of an H100 SXM under load."""


CONSTANTS: Mapping[str, Constant] = {
    "launch": _time("from the replay of a graph to the first CTA and from the last to the end", 5e-6, 5e-7, 2.5e-5),
    "spread": _time("that the slowest of n CTAs in flight is late, by ln n", 2e-7, 1e-9, 2e-6),
    "scan": _time("that a scheduler on the GPU needs for 31 sequences of the batch", 0.0, 1e-9, 3e-6),
    "cta": _time("of a CTA beside its tiles: block table, set-up, epilogue", 1.5e-6, 1e-8, 1e-5),
    "idle": _row("what a CTA without keys takes, over `cta`", 0.3, 0.01, 1.5),
    "search": _time("of a CTA to find its row block among sections of heads, longest first", 0.0, 1e-9, 5e-6),
    "row": _row("bytes/s at which one CTA reads its rows of Q and writes those of O", 8e10, 5e9, 5e12),
    "tensor": _row("share of the tensor-core rate that the products reach", 0.9, 0.3, 1.0),
    "vector": _row("cycles of the softmax over those of its instructions at full rate", 1.0, 0.02, 20.0),
    "rescale": _row("cycles of rescaling the output over those of its instructions at full rate", 1.0, 0.01, 30.0),
    "tile": _time("of a tile that nothing overlaps: synchronization, first use of loaded data", 5e-8, 1e-10, 3e-6),
    "mask": _row("further cycles of a tile on the mask's edge, over those of its softmax", 0.5, 0.001, 12.0),
    "window_mask": _row("what comes to that in kernels for windows, in the same unit", 0.0, 0.001, 12.0),
    "convert": _row("cycles to convert or transpose K and V of a tile, per element and lane", 0.0, 0.001, 50.0),
    "serial": _row("share of the shorter of products and softmax that warps of their own do not hide", 0.3, 0.001, 1.0),
    "residence": _time("that a byte of K or V holds its place in shared memory", 0.0, 1e-9, 1e-5),
    "spill": _time("of a tile for each register of a thread that is kept in local memory", 0.0, 1e-11, 1e-6),
    "merge": _time("of a CTA to merge what its warps have of an element of the output", 0.0, 1e-12, 5e-9),
    "bulk": _row("time of rows of Q that a bulk copy brings, over that of rows fetched one by one", 1.0, 0.01, 1.5),
    "fill": _row("time of the first loads of all CTAs at once, over that at the L2 bandwidth", 0.0, 1e-3, 30.0),
    "cap": _row("bytes/s of K and V that one CTA draws: bytes in flight over latency", 1.5e11, 5e9, 3e12),
    "busy": _row("share of a tile's time in which its CTA holds the SM's pipes, so that others cannot", 1.0, 0.2, 1.0),
    "dram": _row("share of the DRAM bandwidth that a launch reaches", 0.9, 0.3, 1.1),
    "l2": _row("share of the L2 bandwidth that a launch reaches", 0.8, 0.05, 3.0),
    "copy": _time("of a launch that rearranges Q or O", 2e-6, 1e-7, 1e-5),
    "miss": _time("of a CTA to wait for its first bytes from DRAM rather than L2", 0.0, 1e-9, 5e-6),
    "warm": _row("share of the L2 up to which repeated runs find K and V in it", 0.7, 0.1, 1.5),
    "cold": _row("share of the L2 refilled from DRAM first, once a run touches more than half of it", 0.0, 1e-3, 3.0),
    "exposed": _row("share of loads before the first product, and of products after the last load", 0.05, 0.001, 1.0),
    "step": _row("waves of CTAs that begin in step, so that what precedes their tiles hides no loads", 0.0, 0.01, 10.0),
    "write": _time("of a CTA of the launch that writes new K and V to the cache", 1.5e-6, 1e-9, 1e-5),
    "issue": _row("further s of such a CTA if it has 1024 threads of work, less in proportion", 0.0, 1e-9, 2e-5),
    "dispatch": _time("between two CTAs that start in the launch that writes K and V", 0.0, 1e-11, 1e-8),
    "apart_rate": _row("bytes/s that those launches move beside their fixed time", 1e15, 1e11, 1e15),
    "apart": _time("that two launches that write K and V apart take longer than one", 7e-6, 1e-7, 2e-5),
    "write_rate": _row("bytes/s of the launch that writes new K and V", 2e12, 5e10, 3e13),
    "query_rate": _row("bytes/s of that launch for Q, where it rewrites it", 2e12, 5e10, 3e13),
    "cluster": _time("in which a cluster of CTAs combines its results", 1e-6, 1e-8, 1e-5),
    "combine": _time("of the launch that combines splits, where there are any", 2e-6, 1e-9, 1e-5),
    "combine_split": _time("of a CTA of that launch for each split", 1e-7, 1e-9, 3e-6),
    "sag": _row("by how much time grows when the tensor cores are always busy and the clock has sunk", 0.0, 0.001, 1.5),
    "sag_after": _row("s of load after which half of that is reached", 1e-3, 5e-6, 1e-1),
    "operand": _row("bytes a cycle that bring the operands of a product to an SM", 48.0, 5.0, 200.0),
    "latency": _row("cycles from asking for the operands of a step of a product to having them", 600.0, 20.0, 4000.0),
    "epilogue": _row("cycles of a CTA to write an element of a product", 0.12, 0.005, 1.5),
}
"""All constants, in the order of the vector that compiled functions take."""
