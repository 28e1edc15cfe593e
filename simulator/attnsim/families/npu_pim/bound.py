"""A workload bound to an NPU with PIM: what each step does, and where the requests lie."""

from __future__ import annotations

from dataclasses import dataclass

from attnsim.components.attention import AttentionShape
from attnsim.components.products import GemmShape
from attnsim.families.base import Bound
from attnsim.families.npu_pim.arrays import Rules
from attnsim.families.npu_pim.banks import Placed
from attnsim.families.npu_pim.layout import Layout
from attnsim.specs.npu_pim import NpuPim, Pim
from attnsim.specs.npu_schedule import Attention


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A matrix product of the whole batch. summed_over: devices whose results have to be added up."""

    step: str
    shape: GemmShape
    summed_over: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Work of the vector units of the whole batch: words read and written, and operations."""

    step: str
    read_words: float
    written_words: float
    operations: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """Attention of the batch. maps: operations on each score; reductions: sums and maxima over the scores of a row.

    layout and pim are None where both products run on the arrays.
    """

    step: str
    shape: AttentionShape
    maps: int
    reductions: int
    chosen: Attention
    layout: Layout | None
    pim: Pim | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundWorkload(Bound):
    """Operations in order with the requests of the batch, and the rules for the arrays. handed_over: times that the
    results of the last one go to the next stage of a pipeline.
    """

    device: NpuPim
    work: tuple[Product | Stream | Heads, ...]
    requests: tuple[Placed, ...]
    rules: Rules
    sub_batches: int
    handed_over: int = 0
