"""Kernel specs: mappings for GPUs, what `workloads/mappings/gpu_tile/<name>.yaml` may say.

A kernel runs a cascade as launches, one after the other. A launch is a grid of CTAs: what a CTA computes (its tile),
how many fit an SM (from threads, registers and shared memory), in which order they are dispatched, and how the keys are
split over them. Rates that a data sheet does not give are constants, which `attnsim calibrate` fits and a calibration
file holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from attnsim.errors import Problem
from attnsim.specs.constants import CONSTANTS
from attnsim.specs.gpu_tile import DATA_TYPES, INSTRUCTIONS, Architecture
from attnsim.specs.library import suggest
from attnsim.specs.mapping_file import MappingFile
from attnsim.specs.ranges import is_range
from attnsim.specs.spec import Source, Spec, Text, problem_at

Mask = Literal["none", "causal", "window", "windowed"]
"""`windowed`: a window is asked for, whether the keys exceed it or not; the others say what the mask leaves out."""
Order = Literal["ascending", "descending", "longest_first", "across", "dealt", "streamed"]
SplitRule = Literal[
    "none",
    "wave_efficiency",
    "dynamic",
    "work_items",
    "square_root",
    "clusters",
    "at_most",
    "segments",
    "fill",
]
Overlap = Literal["none", "two_stage", "ping_pong", "both", "specialized"]


class TileRule(Spec):
    """A tile and the problems that take it; the first rule that holds is taken. What is left out holds for all.

    head_dim: range of the query dimension, `..64`. rows: range of rows of a head (queries, times the group if packed).
    keys: range of keys. data_types: of the products. m, n: query rows and keys of a tile. registers: per thread.
    stages: K and V tiles held at once. q_shared: Q is kept in shared memory, not in registers. held: share of the
    width of K and V that is there at once. ctas: at most so many on an SM, for launch bounds and persistent kernels.
    spilled: registers of a thread that do not fit and go through local memory on every tile. overlap: instead of the
    launch's. search: its CTAs search for their row block under any mask. mask_all: as that of the launch, or `alike`:
    the mask is part of every softmax and no tile takes longer. split: only of grids for which splits are asked. grid:
    only of grids of fewer CTAs for each SM, before splits. v_columns: columns of V that a CTA takes, each with all of
    Q K^T; 0 for all. bulk: a bulk copy (TMA) brings its rows of Q, split or not. row_warps: warps with rows of their
    own, each of which converts all K and V of a tile that comes in another type. key_warps: warps that share the
    keys of a tile, whose results a CTA merges in the end. through_lanes: times that elements of
    K and V pass the lanes of the SM (rearranged, or multiplied without tensor cores).
    """

    architectures: list[Architecture] = Field(default_factory=list)
    head_dim: str = ".."
    rows: str = ".."
    keys: str = ".."
    masks: list[Mask] = Field(default_factory=list)
    data_types: list[str] = Field(default_factory=list)
    m: PositiveInt
    n: PositiveInt
    threads: PositiveInt
    registers: PositiveInt
    stages: PositiveInt = 1
    q_shared: bool = True
    held: float = 1.0
    ctas: PositiveInt = 32
    spilled: NonNegativeInt = 0
    v_columns: NonNegativeInt = 0
    through_lanes: NonNegativeInt = 0
    row_warps: PositiveInt = 1
    key_warps: PositiveInt = 1
    search: bool = False
    mask_all: bool | Literal["alike"] = False
    bulk: bool = False
    split: bool = False
    grid: float = math.inf
    overlap: Overlap | None = None


class Split(Spec):
    """How the keys of a row block are divided over CTAs; docs/gpu.md has the rules with their sources.

    slots_per_sm: CTAs of an SM that the rule counts on, 0 for those that an SM holds. limit: most splits. least_tiles:
    fewer tiles are never split, and a split of `fill` has as many. bound: splits that the caller asks for instead of
    the rule's own heuristic while the batch is at most `bound_batch`; beyond `batch_limit` nothing is split. keys:
    keys that the rule counts as one step, 0 for the tile's. only_packed: only grids whose tiles hold a group are
    split. pages: keys of a page of the cache. still_asked: beyond `batch_limit` the kernel for splits runs all the
    same, with one. longest: keys that the rule counts at least, where the server passes the longest sequence that it
    allows. clusters: up to so many splits are a cluster, which combines its results through shared memory;
    cluster_rows: of tiles of at most so many rows, and only if all clusters of the grid run at once, each in one of
    `gpcs` GPCs of at least `gpc_sms` SMs.
    """

    rule: SplitRule
    slots_per_sm: NonNegativeInt = 1
    limit: PositiveInt = 128
    least_tiles: PositiveInt = 1
    bound: int = 0
    bound_batch: int = 0
    batch_limit: PositiveInt = 1 << 30
    keys: int = 0
    pages: PositiveInt = 1
    only_packed: bool = False
    still_asked: bool = False
    longest: NonNegativeInt = 0
    clusters: NonNegativeInt = 0
    cluster_rows: PositiveInt = 1 << 30
    gpcs: NonNegativeInt = 0
    gpc_sms: PositiveInt = 16


class AttentionLaunch(Spec):
    """The fused launch: Q K^T, the softmax and P V over tiles of keys.

    instructions: class of tensor-core instructions by architecture. score_products, value_products: products of a tile
    as large as Q K^T and as P V; a backward pass has 3 and 2 (Dao, FlashAttention-2, 2023, algorithm 2).
    overlap: of products and softmax, inside a warpgroup (`two_stage`), between two of them (`ping_pong`), or `both`, or
    by warps of their own (`specialized`). pack: rows of a tile are the queries of one head, of all heads of a `group`,
    or of a group for `single` queries without a window. order: of the row blocks of a head, longest first over all
    heads, the same block of all heads before the next (`across`), or ascending and dealt out to the SMs in turn
    beforehand (`dealt`), or with the tiles of all heads in one line of which every CTA that runs at once takes an equal
    stretch (`streamed`, stream-K). l2_sections: as many heads take turns in a block as keep their K and V in 32 MiB.
    windows: windows that the caller passes, others are left out. exact_start: tiles begin at a window's first key.
    mask_all: the mask is computed on every tile, those before a window included. pads_head: head dimensions are
    computed as a power of two. scans_batch: a scheduler on the GPU walks the sequences, or only where splits are asked
    for. transposes_v: tiles of V are transposed in shared memory. bulk_groups: sizes of a packed group whose rows of Q
    a bulk copy (TMA) can bring. reuse: what repeated runs find in the L2: K and V as far as they fit (`keys`), or any
    line unless too many bytes are touched between two uses (`distance`). reads_new: K and V are read as they come in,
    not from the cache. repacks: a packed group of single queries is rearranged by a launch before and one after, where
    it is not contiguous. search: masks under which a CTA looks for its row block in sections of heads, longest first.
    whole_rows: the rows of a tile take their time whether they are there or not. waits: a CTA mostly waits, before its
    tiles too, so that all its time, not that of its tiles alone, holds the pipes for the share `busy`; or
    `before` them only, when it holds nothing. head_lines: heads lie side by side in the cache, so that each brings
    its neighbours in a line of 128 bytes from DRAM, which may have to come again. sharpness: exponent of `reuse` by
    distance, high where all keys are walked once and in turn.
    """

    kind: Literal["attention"]
    name: Text = "attention"
    instructions: dict[Architecture, str]
    score_products: PositiveInt = 1
    value_products: PositiveInt = 1
    overlap: Overlap = "none"
    pack: Literal["query", "group", "single"] = "query"
    order: Order = "ascending"
    l2_sections: bool = False
    exact_start: bool = False
    windows: str = ".."
    mask_all: bool = False
    pads_head: bool = False
    scans_batch: bool | Literal["split"] = False
    transposes_v: bool = False
    whole_rows: bool = False
    head_lines: bool = False
    waits: bool | Literal["before"] = False
    search: list[Mask] = Field(default_factory=list)
    bulk_groups: list[PositiveInt] = Field(default_factory=list)
    reuse: Literal["keys", "distance"] = "keys"
    sharpness: float = 8.0
    reads_new: bool = False
    repacks: bool = False
    split: Split = Split(rule="none")
    tiles: list[TileRule] = Field(min_length=1)
    source: Source | None = None


class WriteLaunch(Spec):
    """The launch that writes new K and V to the cache: a CTA for every `tokens` of them.

    queries: what it does to Q besides: nothing, or read and write it (to rotate, quantize or rearrange it), or read it
    twice (`quantized`: for the largest value first), after K and V. heads: heads of a CTA, K and V apart; 0 for
    all. by_head: each warp writes a head at a time. crowded: CTAs of an SM hold one another up, so that few CTAs are
    faster. uneven: Q is rewritten only where the heads of a group are no power of two.
    apart: K and V of different widths are written by launches of their own. further: head dimensions for which all are.
    """

    kind: Literal["write"]
    name: Text = "cache_write"
    tokens: PositiveInt = 1
    most_threads: PositiveInt = 512
    queries: Literal["left", "rewritten", "quantized"] = "left"
    heads: NonNegativeInt = 0
    by_head: bool = False
    crowded: bool = False
    uneven: bool = False
    apart: bool = False
    further: list[PositiveInt] = Field(default_factory=list)
    source: Source | None = None


class CombineLaunch(Spec):
    """The launch that combines the results of splits: a CTA for every `rows` of the output; `always` launched, or only
    where there are splits. columns: elements of a row that it takes, more rows in proportion where rows are narrower, 0
    for whole rows. sequences: its CTAs take outputs of one sequence only (`apart`), or look for it (`walked`).
    single: the result of one split is the output, or a partial result like any. at_once: partial results of a row that
    its threads take together. inside: the CTAs of the splits combine them, each a part of the rows.
    """

    kind: Literal["combine"]
    name: Text = "combine"
    rows: PositiveInt = 8
    columns: NonNegativeInt = 0
    sequences: Literal["flat", "apart", "walked"] = "flat"
    always: bool = False
    single: Literal["written", "kept"] = "written"
    inside: bool = False
    at_once: PositiveInt = 1
    source: Source | None = None


class Types(Spec):
    """Data types: of the two products, of K and V in the cache, and of what comes in and goes out.

    scores: of Q K^T, where it is not that of P V.
    """

    products: str = "bf16"
    scores: str | None = None
    cache: str = "bf16"
    output: str = "bf16"


class Constants(Spec):
    """The constants that `attnsim calibrate` fits for a GPU, and values of others that are the kernel's own.

    of: kernel whose calibrations hold for this one too, because only the schedule or the cascade differs.
    """

    of: Text | None = None
    fit: list[str] = Field(default_factory=list, max_length=12)
    fixed: dict[str, float] = Field(default_factory=dict)


class MeasuredRows(Spec):
    """Rows of the measured package that time a kernel; what is left out holds for all.

    group: query heads of a key/value head. blocks: whole blocks of 128 keys, at least one, of all sequences and
    key/value heads, where a framework takes another kernel for less.
    """

    framework: Text
    kernel_source: Text
    phase: Literal["context", "generation", "encoder"]
    attn_dtype: str = "bf16"
    kv_cache_dtype: str = "bf16"
    gpus: list[str] = Field(default_factory=list)
    group: str = ".."
    blocks: str = ".."


class GemmTiles(Spec):
    """Tiles of a library on some architectures. outputs: elements of the tiles that an SM holds at once, which gives
    its CTAs. cluster: CTAs along each side that share operand tiles. epilogue_hidden: a tile is written while the next
    one is computed.
    """

    architectures: list[Architecture]
    tiles: list[list[PositiveInt]] = Field(min_length=1)
    cluster: PositiveInt = 1
    outputs: PositiveInt
    epilogue_hidden: bool = False


class GemmLaunch(Spec):
    """A matrix product: the fastest of the tiles of its architecture and of the splits of k.

    step_bytes: of a row of a tile in a step of k. stages: steps in flight at most.
    """

    kind: Literal["gemm"]
    name: Text = "gemm"
    tiles: list[GemmTiles] = Field(min_length=1)
    splits: list[PositiveInt]
    step_bytes: PositiveInt = 64
    stages: PositiveInt = 4
    source: Source | None = None


class EinsumLaunches(Spec):
    """One launch for each Einsum: products as GEMMs, everything else as a stream over its operands and its result.

    together: Einsums that follow one another and that one kernel computes. dense: products know no masks: they compute
    what a mask leaves out, and another kernel adds the mask to what they wrote. copied: tensors that a kernel of its
    own brings into the layout of products, or back. stream, mask, copy_rate: shares of the DRAM bandwidth that these
    kernels reach.
    """

    kind: Literal["each_einsum"]
    together: list[list[Text]] = Field(default_factory=list)
    dense: bool = False
    copied: list[Text] = Field(default_factory=list)
    stream: float = Field(default=0.9, gt=0, le=1)
    mask: float = Field(default=0.9, gt=0, le=1)
    copy_rate: float = Field(default=0.9, gt=0, le=1)
    source: Source | None = None


class KernelChoice(Spec):
    """A kernel to use when the extents lie in the given ranges (`P: "1"` for decode); the first that holds is taken."""

    when: dict[str, int | str] = Field(default_factory=dict)
    use: Text


Launch = Annotated[
    WriteLaunch | AttentionLaunch | CombineLaunch | EinsumLaunches | GemmLaunch, Field(discriminator="kind")
]


class Kernel(MappingFile):
    """A kernel of GPUs: launches in order, and the measured rows that time it; or a choice of other kernels."""

    family: Literal["gpu_tile"]
    data_types: Types = Types()
    launches: list[Launch] = Field(default_factory=list)
    choose: list[KernelChoice] = Field(default_factory=list)
    constants: Constants = Constants()
    measured: list[MeasuredRows] = Field(default_factory=list)

    @property
    def attention(self) -> AttentionLaunch | None:
        """The fused launch, if there is one."""
        return next((launch for launch in self.launches if isinstance(launch, AttentionLaunch)), None)

    @property
    def gemm(self) -> GemmLaunch | None:
        """The matrix product, if the kernel is one."""
        return next((launch for launch in self.launches if isinstance(launch, GemmLaunch)), None)

    @property
    def write(self) -> WriteLaunch | None:
        """The launch that writes the cache, if there is one."""
        return next((launch for launch in self.launches if isinstance(launch, WriteLaunch)), None)

    @property
    def combine(self) -> CombineLaunch | None:
        """The launch that combines splits, if there is one."""
        return next((launch for launch in self.launches if isinstance(launch, CombineLaunch)), None)


def kernel_problems(kernel: Kernel) -> list[Problem]:
    """Contradictions inside a kernel, before any cascade or hardware is looked at."""
    if bool(kernel.launches) == bool(kernel.choose):
        what = "has both `launches` and `choose`" if kernel.launches else "has neither `launches` nor `choose`"
        return [problem_at(kernel, "", what, "give one of the two")]
    return [
        problem for path, launch in _attention_launches(kernel) for problem in _launch_problems(kernel, path, launch)
    ]


def _attention_launches(kernel: Kernel) -> Iterator[tuple[str, AttentionLaunch]]:
    for position, launch in enumerate(kernel.launches):
        if isinstance(launch, AttentionLaunch):
            yield f"launches.{position}", launch


def _launch_problems(kernel: Kernel, path: str, launch: AttentionLaunch) -> Iterator[Problem]:
    for name in (*kernel.constants.fit, *kernel.constants.fixed):
        if name not in CONSTANTS:
            what = f"there is no constant {name!r}"
            yield problem_at(kernel, "constants", what, suggest(name, tuple(CONSTANTS)))
    for architecture, name in launch.instructions.items():
        usable = tuple(known for known, having in INSTRUCTIONS.items() if architecture in having)
        if name not in usable:
            what = f"{architecture} has no instruction {name!r}"
            yield problem_at(kernel, f"{path}.instructions.{architecture}", what, suggest(name, usable))
    for number, rule in enumerate(launch.tiles):
        yield from _tile_problems(kernel, f"{path}.tiles.{number}", rule)


def _tile_problems(kernel: Kernel, path: str, rule: TileRule) -> Iterator[Problem]:
    for key in ("head_dim", "rows", "keys"):
        text = getattr(rule, key)
        if not is_range(text):
            what = f"{text!r} is no range"
            yield problem_at(kernel, f"{path}.{key}", what, "write low..high, ..high, low.. or a number")
    for kind in rule.data_types:
        if kind not in DATA_TYPES:
            what = f"no tensor core knows the data type {kind!r}"
            yield problem_at(kernel, f"{path}.data_types", what, suggest(kind, tuple(DATA_TYPES)))
