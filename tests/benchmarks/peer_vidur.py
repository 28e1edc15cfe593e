"""Vidur (Agrawal et al., MLSys 2024) on a file of requests: how long its simulation takes.

Run by `bench_serving.py` with the Python of an environment that has the package vidur, which attnsim does not need.
From a CSV, prefill tokens of an iteration, pages of memory and `measured` or `bare` (nothing written down) to JSON, the
last line on standard output. One simulation a process: Vidur numbers its replicas from the start of the process.

Vidur looks step times up in tables that it trains on measured profiles, which it downloads; here the tables are filled
with bounds of an H100 instead, so that neither the download nor the training is in its time.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path

from vidur.config import (
    CacheConfig,
    ClusterConfig,
    MetricsConfig,
    RandomForrestExecutionTimePredictorConfig,
    ReplicaConfig,
    SarathiSchedulerConfig,
    SimulationConfig,
    TraceRequestGeneratorConfig,
)
from vidur.execution_time_predictor.sklearn_execution_time_predictor import SklearnExecutionTimePredictor
from vidur.metrics import MetricsStore
from vidur.simulator import Simulator

MODEL, DEVICES, DAY = "meta-llama/Llama-3-70B", 4, "2000-01-01"
LONGEST, LARGEST_BATCH, STEP = 16384, 512, 256
WIDTH, HIDDEN, QKV, KV = 8192, 28672, 10240, 2048
BYTES_PER_MS, OPS_PER_MS, LINK_BYTES_PER_MS = 0.8 * 3.35e9, 0.7 * 989e9, 0.3e9
"""H100 SXM5 by its data sheet, at shares that kernels reach, and the link as an all-reduce uses it."""

Table = dict[tuple[int, ...], float]


def main() -> None:
    """Simulate, and tell how long it took."""
    trace, chunk, pages, metrics = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "measured"
    SklearnExecutionTimePredictor._load_predictions_from_hf = lambda _self: tables(chunk)
    with tempfile.TemporaryDirectory() as folder:
        rewrite(trace, Path(folder) / "requests.csv")
        found = run(Path(folder), chunk, pages, metrics=metrics)
    print(json.dumps({"version": version("vidur"), **found}))  # noqa: T201


def rewrite(trace: Path, to: Path) -> None:
    """The requests under the names that Vidur reads."""
    with trace.open(newline="") as source, to.open("w", newline="") as target:
        rows = [list(row.values()) for row in csv.DictReader(source)]
        writer = csv.writer(target)
        writer.writerow(["Date", "Time", "PromptTokenCount", "CompletionTokenCount"])
        writer.writerows([DAY, *row] for row in rows)
    assert all(int(prompt) + int(generated) <= LONGEST for _, prompt, generated in rows)


def run(folder: Path, chunk: int, pages: int, *, metrics: bool) -> dict[str, float]:
    """Processor seconds of the simulation and of what comes before it, iterations, and seconds simulated."""
    batches = 0
    original = MetricsStore.on_batch_end

    def counted(*arguments: object, **named: object) -> None:
        nonlocal batches
        batches += 1
        original(*arguments, **named)

    MetricsStore.on_batch_end = counted
    began = time.process_time()
    simulator = Simulator(configuration(folder, chunk, pages, metrics=metrics))
    ready = time.process_time()
    simulator.run()
    ended = time.process_time()
    return {"setup_s": ready - began, "run_s": ended - ready, "iterations": batches, "simulated_s": simulator._time}


def configuration(folder: Path, chunk: int, pages: int, *, metrics: bool) -> SimulationConfig:
    """One replica of the model on four H100, prompts in chunks, its predictor in C++, no plots."""
    return SimulationConfig(
        log_level="error",
        cluster_config=ClusterConfig(
            replica_config=ReplicaConfig(
                model_name=MODEL,
                num_pipeline_stages=1,
                tensor_parallel_size=DEVICES,
                device="h100",
                network_device="h100_dgx",
            ),
            cache_config=CacheConfig(num_blocks=pages),
            replica_scheduler_config=SarathiSchedulerConfig(batch_size_cap=LARGEST_BATCH, chunk_size=chunk),
        ),
        request_generator_config=TraceRequestGeneratorConfig(
            trace_file=str(folder / "requests.csv"),
            date=DAY,
            prefill_scale_factor=1,
            decode_scale_factor=1,
            time_scale_factor=1,
            max_tokens=LONGEST,
        ),
        execution_time_predictor_config=RandomForrestExecutionTimePredictorConfig(
            use_native_execution_time_predictor=True,
            kv_cache_prediction_granularity=STEP,
            prediction_max_tokens_per_request=LONGEST,
            prediction_max_prefill_chunk_size=chunk,
            prediction_max_batch_size=LARGEST_BATCH,
            cache_dir=str(folder / "cache"),
        ),
        metrics_config=MetricsConfig(
            write_metrics=metrics, enable_chrome_trace=False, store_plots=False, output_dir=str(folder)
        ),
    )


def tables(chunk: int) -> dict[str, Table]:
    """Milliseconds of each operation of a layer on one device, by tokens, or by (sequences or keys, keys or tokens)."""
    counts = range(1, chunk + LARGEST_BATCH + 9)
    heads = WIDTH // DEVICES
    found = {
        "attn_pre_proj": _by_tokens(counts, lambda tokens: _product_ms(tokens, WIDTH, QKV)),
        "attn_post_proj": _by_tokens(counts, lambda tokens: _product_ms(tokens, WIDTH, WIDTH)),
        "mlp_up_proj": _by_tokens(counts, lambda tokens: _product_ms(tokens, WIDTH, 2 * HIDDEN)),
        "mlp_down_proj": _by_tokens(counts, lambda tokens: _product_ms(tokens, HIDDEN, WIDTH)),
        "mlp_act": _by_tokens(counts, lambda tokens: tokens * 6 * HIDDEN / DEVICES / BYTES_PER_MS),
        "attn_rope": _by_tokens(counts, lambda tokens: tokens * 4 * QKV / DEVICES / BYTES_PER_MS),
        "attn_kv_cache_save": _by_tokens(counts, lambda tokens: tokens * 4 * KV / DEVICES / BYTES_PER_MS),
        "all_reduce": _by_tokens(counts, lambda tokens: tokens * 3 * WIDTH / LINK_BYTES_PER_MS),
    }
    for name in ("input_layernorm", "post_attention_layernorm", "add"):
        found[name] = _by_tokens(counts, lambda tokens: tokens * 4 * WIDTH / BYTES_PER_MS)
    lengths = range(0, LONGEST + 1, STEP)
    found["attn_decode"] = {
        (sequences, keys): sequences * keys * 2 * KV / DEVICES / BYTES_PER_MS
        for sequences in range(1, LARGEST_BATCH + 1)
        for keys in lengths
    }
    found["attn_prefill"] = {
        (keys, tokens): 4 * tokens * (keys + tokens / 2) * heads / OPS_PER_MS
        for keys in lengths
        for tokens in range(32, chunk + 32, 32)
    }
    return found


def _by_tokens(counts: Iterable[int], time_ms: Callable[[int], float]) -> Table:
    return {(tokens,): time_ms(tokens) for tokens in counts}


def _product_ms(tokens: int, columns: int, rows: int) -> float:
    weights = columns * rows / DEVICES
    return max(2 * tokens * weights / OPS_PER_MS, 2 * weights / BYTES_PER_MS)


if __name__ == "__main__":
    main()
