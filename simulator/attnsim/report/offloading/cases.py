"""What the report on offloading simulates: models, traces, settings and systems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DATASET = "lamina"
MODELS: Mapping[str, tuple[str, str]] = {
    "llama_33b": ("lamina_33b", "lamina_vllm_x2"),
    "llama_65b": ("lamina", "lamina_vllm_x4"),
    "llama3_70b": ("lamina", "lamina_vllm_x4"),
}
"""Models with the system that offloads and the one that does not, at about the same price."""
TRACES = ("azure-conv", "azure-code", "kimi-conv", "kimi-ta")
SWITCHED: Mapping[tuple[str, str], int] = {
    ("llama_33b", "kimi-ta"): 600,
    ("llama_65b", "azure-conv"): 1200,
    ("llama3_70b", "azure-conv"): 4000,
}
"""Model and trace of the table of switches, with the requests that are served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """An assumption: what is set for the system that offloads, and for the other one."""

    title: str
    offloaded: tuple[str, ...] = ()
    other: tuple[str, ...] = ()


_NONE = ("system.schedule.overhead=0 s", "system.kv.reserved=1 B")
_BOTH = ("system.schedule.overhead=9 ms", "system.kv.reserved=1 GB")
_IDEAL = ("system.kernels={times: ideal}",)
_REACHED = ("system.kernels={times: ideal, compute: 0.7, memory: 0.8}",)
SWITCHES = (
    Switch(title="as published: the host of vLLM takes 9 ms, of Lamina nothing"),
    Switch(title="the host takes 5 ms", other=("system.schedule.overhead=5 ms",)),
    Switch(title="the host takes 13 ms", other=("system.schedule.overhead=13 ms",)),
    Switch(title="fair: no overhead, all memory, on both", other=_NONE),
    Switch(title="fair: 9 ms and 1 GB kept free on both", offloaded=_BOTH, other=_BOTH),
    Switch(title="fair, and kernels at their lower bounds", offloaded=_IDEAL, other=(*_NONE, *_IDEAL)),
    Switch(
        title="fair, kernels at 70 % of the arithmetic and 80 % of the bandwidth",
        offloaded=_REACHED,
        other=(*_NONE, *_REACHED),
    ),
    Switch(
        title="fair, FlashAttention-3 on the memory devices",
        offloaded=("system.pools.memory.mapping=fa3",),
        other=_NONE,
    ),
    Switch(
        title="fair, messages by NCCL through the host", offloaded=("system.attention.network=roce_400g",), other=_NONE
    ),
    Switch(
        title="fair, queries leave with keys and values",
        offloaded=("system.attention.send_q_early=false",),
        other=_NONE,
    ),
    Switch(title="fair, one sub-batch", offloaded=("system.schedule.batches=1",), other=_NONE),
    Switch(
        title="fair, pages for whole answers at once",
        offloaded=("system.kv.admission=whole",),
        other=(*_NONE, "system.kv.admission=whole"),
    ),
)
NETWORK_BATCHES = (20, 100, 200, 300)
NETWORK_KEYS = (1024, 4096, 8192)
SLO = "tbt=60ms"
SLO_SYSTEMS = ("lamina", "lamina_vllm_x4")
LOADED = ("h100_x4", "h100_prefill_decode", "lamina_prefill")
RATES = (2.0, 4.0, 8.0)
LOAD_REQUESTS = 1500
CROSS = ("h100_x4", "h20_x8", "a100_x8", "lamina", "neupims_x8", "attacc_x8", "v6e_x8")
CROSS_BATCH, CROSS_KEYS = 64, 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Old:
    """A comparison of throughput per dollar in the first version of Lamina: consumer GPUs as memory devices."""

    model: str
    offloaded: str
    other: str
    set: Mapping[str, str] = field(default_factory=dict)


_ONE = {"system.pools.gpus.devices": "1", "system.layers.tensor_parallel": "1"}
_FAIR = {"system.schedule.overhead": "0 s", "system.kv.reserved": "1 B"}
OLD = (
    Old(model="llama_33b", offloaded="h100_rtx3090x4", other="lamina_vllm_x2", set={**_FAIR, **_ONE}),
    Old(model="llama_33b", offloaded="h100_rtx3090x4", other="lamina_vllm_x2", set=_FAIR),
    Old(model="llama_65b", offloaded="h100x2_rtx3090x8", other="lamina_vllm_x2", set=_FAIR),
    Old(model="llama_65b", offloaded="h100x2_rtx3090x8", other="lamina_vllm_x4", set=_FAIR),
    Old(model="llama3_70b", offloaded="h100x2_rtx3090x8", other="lamina_vllm_x2", set=_FAIR),
    Old(model="llama3_70b", offloaded="h100x2_rtx3090x8", other="lamina_vllm_x4", set=_FAIR),
)
OLD_KEYS = (1024, 4096, 16384)
