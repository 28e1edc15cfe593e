"""Every report: how its numbers are collected, and how page and figures are made from them. One row a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from attnsim.report import fusemax, gpu_measured, gpu_published, npu_pim, offloading, study
from attnsim.report.tables import Tables
from attnsim.validate import Track


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report. `collect` simulates; `page` (markdown) and `figures` (svg by name) only show what was collected.

    needs_timings: `collect` needs the optional package of measured timings.
    """

    name: str
    title: str
    says: str
    collect: Callable[[Track], Tables]
    page: Callable[[Tables], str]
    figures: Callable[[Tables], Mapping[str, str]]
    needs_timings: bool = False


def report_of(name: str, title: str, says: str = "") -> Report:
    """The report of a study; `collect` runs it."""
    return Report(
        name=f"study_{name}",
        title=title,
        says=says,
        collect=partial(study.collect, name),
        page=study.page,
        figures=study.figures,
    )


_ALL = (
    Report(
        name="fusemax",
        title="FuseMax on a spatial array",
        says="five mappings of attention, four models, 1K to 1M tokens, with the published values",
        collect=fusemax.collect,
        page=fusemax.page,
        figures=fusemax.figures,
    ),
    Report(
        name="gpu_measured",
        title="Measured kernel timings on GPUs",
        says="predicted and measured times of attention kernels on six GPUs, on rows that no constant was fitted on",
        collect=gpu_measured.collect,
        page=gpu_measured.page,
        figures=gpu_measured.figures,
        needs_timings=True,
    ),
    Report(
        name="gpu_published",
        title="Published GPU kernels",
        says="throughputs, times and ratios that papers print of attention kernels, beside ours",
        collect=gpu_published.collect,
        page=gpu_published.page,
        figures=gpu_published.figures,
    ),
    Report(
        name="npu_pim",
        title="NPUs with compute in the DRAM banks",
        says="NeuPIMs and what it is compared with, by model and batch, under released and under fair assumptions",
        collect=npu_pim.collect,
        page=npu_pim.page,
        figures=npu_pim.figures,
    ),
    Report(
        name="offloading",
        title="Attention on memory devices",
        says="Lamina and what it is compared with, what each assumption is worth, the network, loads, other systems",
        collect=offloading.collect,
        page=offloading.page,
        figures=offloading.figures,
    ),
)
_STUDIES = (
    ("fusemax_array", "How large an array for FuseMax", "arrays, buffers, bandwidths and mappings"),
    ("flat_or_fusemax", "FLAT or FuseMax, by length", "two machines, four mappings and their buffers, 1K to 1M tokens"),
    ("gpu_decode", "What a GPU for decode needs", "SMs, clock, L2, DRAM and exp at 16K tokens"),
    ("gpu_prefill", "What a GPU for prefill needs", "SMs, clock, L2, DRAM and exp for prompts of 8K tokens"),
    (
        "tile_shapes",
        "Tiles of FlashAttention-3 for other head dimensions",
        "rows, keys and stages of a tile for 160 and 320",
    ),
    (
        "split_keys",
        "How many CTAs share the keys of a decode step",
        "split-KV rules and their limits by batch and length",
    ),
    ("pim_channels", "Channels of PIM for a batch", "channels and schedules by batch"),
    ("offload_pools", "Which memory devices for attention", "pools of devices for a model of 70B within a price"),
    ("algorithm_by_length", "Which attention algorithm at which length", "six algorithms on three machines"),
)
"""Shipped studies that have a page; a search has none, since another machine may round its way to other designs."""
REPORTS: dict[str, Report] = {
    report.name: report
    for report in (*_ALL, *(report_of(name, title, f"a study: {says}") for name, title, says in _STUDIES))
}
