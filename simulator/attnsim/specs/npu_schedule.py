"""Schedules: mappings for NPUs with PIM, what `workloads/mappings/npu_pim/<name>.yaml` may say."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from attnsim.errors import Problem
from attnsim.specs.mapping_file import MappingFile
from attnsim.specs.spec import Spec, problem_at

Place = Literal["array", "pim"]
Layout = Literal["request", "head"]


class Attention(Spec):
    """How a batch of attention runs: where its products are computed; all else runs on the vector units.

    score, value: where Q K^T and P V run. row_buffers: how many the products use, at most what the banks have; with
    one, PIM and ordinary reads exclude each other. pim_command_issue: overrides who hands over commands. placement: of
    requests that name no channel: in turn, or the longest first to the channel with least estimated work. barrier: P V
    of all requests waits for the softmax of all. sub_batches: 2 computes attention of one half of the batch beside the
    rest of the layer of the other half. layout: of K and V: a request on one channel, its heads side by side; or each
    head on one channel, its rows filled up and each token dealt out over the banks of a group (AttAcc, ASPLOS 2024).
    heads: of attention on the arrays, which all work on one in turn, or each on one of its own.

    serial_passes, spare_block: as the released simulator of NeuPIMs runs an NPU alone: a pass over the arrays begins
    when the one before has drained, and P V takes one block of keys more than there are. store_results: results of
    products go back to DRAM; its GEMMs write a fraction of theirs.
    """

    score: Place = "pim"
    value: Place = "pim"
    row_buffers: Literal[1, 2] = 2
    pim_command_issue: Literal["per_channel", "per_device"] | None = None
    placement: Literal["round_robin", "min_load"] = "min_load"
    barrier: bool = True
    sub_batches: Literal[1, 2] = 1
    layout: Layout = "request"
    heads: Literal["in_turn", "abreast"] = "in_turn"
    serial_passes: bool = False
    spare_block: bool = False
    store_results: bool = True


class Schedule(MappingFile):
    """A mapping for an NPU with PIM; products of the other steps of a layer run on the arrays."""

    family: Literal["npu_pim"]
    attention: Attention = Field(default_factory=Attention)


def schedule_problems(schedule: Schedule) -> list[Problem]:
    """Contradictions inside a schedule."""
    chosen = schedule.attention
    if chosen.sub_batches == 2 and "pim" not in (chosen.score, chosen.value):
        what = "two sub-batches share the arrays, which leaves nothing to overlap"
        return [problem_at(schedule, "attention.sub_batches", what, "compute a product in the banks, or take 1")]
    if chosen.sub_batches == 2 and chosen.layout == "head":
        what = "sub-batches are of whole requests, whose heads lie on many channels"
        return [problem_at(schedule, "attention.layout", what, "take layout: request, or one sub-batch")]
    return []
