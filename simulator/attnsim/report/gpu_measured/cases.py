"""What the report on measured timings shows: names of GPUs, phases, predictors and shapes, and how many rows."""

from __future__ import annotations

PER_CELL = 2000
"""Held-out rows of each GPU, framework and phase."""
POINTS = 80
"""Points of each GPU and phase in the scatter."""
WORST_ROWS = 12

GPUS = {
    "a100_sxm": "A100 SXM",
    "h100_sxm": "H100 SXM",
    "h200_sxm": "H200",
    "b200_sxm": "B200",
    "l40s": "L40S",
    "rtx_pro_6000_server": "RTX Pro 6000",
}
PHASES = {"context": "prefill", "generation": "decode"}
FRAMEWORKS = {"vllm": "vLLM", "trtllm": "TensorRT-LLM", "sglang": "SGLang"}
WITH_APART = "with_apart"
"""Key of ours with the cells reported apart, which stay outside all other means."""
SHAPE = {
    "batch_size": "batch",
    "isl": "queries",
    "step": "history",
    "num_heads": "heads",
    "num_key_value_heads": "KV heads",
    "head_dim": "head dim",
    "window_size": "window",
}
SLICES = {
    "decode_batch_64": "decode, batch >= 64",
    "decode_kv_8k": "decode, keys >= 8K",
    "decode_head_dim_128": "decode, head dim 128",
    "prefill_head_dim_128": "prefill, head dim 128",
    "prefill_length_8k": "prefill, length >= 8K",
}
LIMITS = {
    "launch": "launches and what precedes the first tile",
    "sm": "what SMs compute",
    "l2": "bytes through the L2",
    "dram": "bytes through the DRAM",
    "write": "the launch that writes new K and V",
    "combine": "the launch that combines splits",
}
