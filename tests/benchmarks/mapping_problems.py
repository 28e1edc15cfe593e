"""What `bench_mapping.py` maps: each problem in words of attnsim, and as the other mappers are asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILES = Path(__file__).with_name("mapping")

Numbers = dict[str, float | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another mapper, and the environment variable that names its Python."""

    name: str
    title: str
    variable: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """How another mapper is asked for a problem. variant: what it is allowed; mapping: file of what it found, where a
    mapping of attnsim says that; calls: searches in its process, the last of which is the warm one."""

    peer: str
    asked: Mapping[str, Any]
    variant: str = ""
    mapping: str = ""
    calls: int = 2

    def key(self, problem: str) -> str:
        """What the numbers of this comparison begin with."""
        return "_".join(part for part in (self.peer, problem, self.variant) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A cascade at a shape on a hardware. aim_s: how long a search inside a process may take."""

    title: str
    hardware: str
    cascade: str
    extents: dict[str, int] = field(default_factory=dict)
    model: str | None = None
    seq_len: int | None = None
    beside: tuple[Beside, ...] = ()
    aim_s: float | None = None


PEERS = (
    Peer(name="zigzag", title="ZigZag", variable="ATTNSIM_ZIGZAG"),
    Peer(name="accelforge", title="AccelForge", variable="ATTNSIM_ACCELFORGE"),
    Peer(name="stream", title="Stream", variable="ATTNSIM_STREAM"),
)

_TPU_V4I = str(FILES / "accelforge_tpu_v4i.yaml")
_UNFUSED = str(FILES / "accelforge_unfused.yaml")
_ONE = str(FILES / "softmax_as_one.yaml")
_BERT = {"B": 1, "H": 12, "G": 1, "P": 512, "M": 512, "E": 64, "F": 64}
_LLAMA = {"B": 1, "H": 8, "G": 4, "P": 8192, "M": 8192, "E": 128, "F": 128}

PROBLEMS = {
    "gemm": Problem(
        title="product of 1024 x 1024 x 1024 on ZigZag's TPU-like array",
        hardware=str(FILES / "zigzag_tpu_like.yaml"),
        cascade="gemm",
        extents={"M": 1024, "N": 1024, "K": 1024},
        beside=(
            Beside(
                peer="zigzag",
                asked={"products": [[1024, 1024, 1024, 1]]},
                mapping=str(FILES / "zigzag_gemm.yaml"),
            ),
        ),
    ),
    "bert": Problem(
        title="attention of BERT, 512 tokens, on AccelForge's TPUv4i",
        hardware=_TPU_V4I,
        cascade=_ONE,
        extents=_BERT,
        beside=(
            Beside(
                peer="accelforge",
                variant="fused",
                asked={"ranks": _BERT, "fused": True},
                mapping=str(FILES / "accelforge_bert.yaml"),
            ),
            Beside(
                peer="accelforge",
                variant="unfused",
                asked={"ranks": _BERT, "fused": False},
                mapping=_UNFUSED,
            ),
        ),
    ),
    "head": Problem(
        title="a head with its projections, 128 tokens, on Stream's FuseMax",
        hardware=str(FILES / "stream_fusemax.yaml"),
        cascade=str(FILES / "attention_head.yaml"),
        extents={"P": 128, "M": 128, "D": 512, "E": 64, "F": 64},
        beside=(Beside(peer="stream", asked={"tokens": 128, "width": 512, "head": 64}),),
    ),
    "prefill": Problem(
        title="attention of Llama 3 8B, 8K tokens, on AccelForge's TPUv4i",
        hardware=_TPU_V4I,
        cascade=_ONE,
        extents=_LLAMA,
        beside=(
            Beside(
                peer="accelforge",
                variant="fused",
                asked={"ranks": _LLAMA, "fused": True},
                mapping=_UNFUSED,
                calls=1,
            ),
            Beside(peer="zigzag", asked={"products": [[8192, 8192, 128, 32], [8192, 128, 8192, 32]]}, calls=1),
        ),
        aim_s=1,
    ),
    "softmax": Problem(
        title="the same, its softmax step by step, on `tpu_v4i_like`",
        hardware="tpu_v4i_like",
        cascade="grouped_query_attention",
        model="llama3_8b",
        seq_len=8192,
        aim_s=1,
    ),
    "layer": Problem(
        title="the whole decoder layer, 8K tokens, on `tpu_v4i_like`",
        hardware="tpu_v4i_like",
        cascade="decoder_layer",
        model="llama3_8b",
        seq_len=8192,
        aim_s=1,
    ),
}
