"""Decoder blocks of GPT-3 on NPUs with and without PIM, longer contexts and grouped heads, and claims, as rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from attnsim.pipeline import Request, Run, require_mapping_fits, simulate
from attnsim.report.tables import Row, Tables, rounded
from attnsim.requests import load_requests, mean_keys
from attnsim.validate import Track, validate

DATASETS = ("neupims", "attacc")
MODELS: Mapping[str, int] = {"gpt3-7b": 32, "gpt3-30b": 48, "gpt3-175b": 96}
"""Models with their decoder blocks."""
BATCHES = (64, 128, 256, 512)
TRACE, SEED = "share-gpt", 0
DRAWS = 10
"""Batches that the paper takes the mean of."""
_DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A system of the comparison: its mapping, and what is set. released: as the simulator of NeuPIMs has it.

    mapping: None for a GPU, whose requests all have the mean length.
    """

    title: str
    mapping: str | None
    released: bool = False
    set: Mapping[str, str] = field(default_factory=dict)


GPU = "a100_sxm"
OVERLAPPED = {"mapping.attention.serial_passes": "false", "mapping.attention.spare_block": "false"}
SYSTEMS: Mapping[str, System] = {
    "gpu": System(title="A100, all of the mean length", mapping=None),
    "npu_released": System(title="NPU alone, released", mapping="npu_only", released=True),
    "npu": System(
        title="NPU alone, passes overlap",
        mapping="npu_only",
        set=OVERLAPPED,
    ),
    "npu_abreast": System(title="NPU alone, a head an array", mapping="heads_abreast"),
    "blocked_released": System(title="one row buffer, released", mapping="blocked", released=True),
    "blocked": System(
        title="one row buffer, a command bus a channel",
        mapping="blocked",
        set={"mapping.attention.pim_command_issue": "per_channel", "mapping.attention.placement": "min_load"},
    ),
    "concurrent_in_turn": System(
        title="two row buffers, channels in turn",
        mapping="concurrent",
        released=True,
        set={"mapping.attention.placement": "round_robin"},
    ),
    "concurrent": System(title="two row buffers", mapping="concurrent", released=True),
    "subbatch": System(title="two row buffers, two sub-batches", mapping="concurrent_subbatch", released=True),
}
HARMLESS = System(
    title="two sub-batches, reads lose nothing", mapping="concurrent_subbatch", set={"hardware.pim.interference": "0"}
)
GROUPED: Mapping[str, str] = {"gpt3-7b": "1", "llama3_8b": "4", "llama3_70b": "8"}
"""Models with the query heads that share keys and values."""
CONTEXTS = (2048, 8192, 32768)
GROUPED_BATCH = 32
PLACES: Mapping[str, System] = {
    "gpu": System(title="A100", mapping=None),
    "npu": System(title="arrays, passes overlap", mapping="npu_only", set=OVERLAPPED),
    "banks": System(title="banks", mapping="concurrent"),
    "wide": System(title="banks, a buffer for 8 queries", mapping="concurrent", set={"hardware.pim.buffer": "8 KiB"}),
}
"""Where attention of grouped heads is computed."""


def collect(_track: Track) -> Tables:
    """Simulate every system on every model and batch, and judge the claims."""
    return {
        "systems": [row for model in MODELS for batch in BATCHES for row in _systems(model, batch)],
        "draws": [_draw(batch, seed) for batch in BATCHES for seed in range(DRAWS)],
        "interference": [_interference(model, batch) for model in MODELS for batch in BATCHES],
        "contexts": [_attention(model, keys, name) for model in GROUPED for keys in CONTEXTS for name in PLACES],
        "claims": [row for dataset in DATASETS for row in _claims(dataset)],
    }


def _draw(batch: int, seed: int) -> Row:
    """Two row buffers over one as released, on one batch of requests of the 7B model."""
    slow, fast = (
        require_mapping_fits(simulate(replace(_request("gpt3-7b", batch, SYSTEMS[name]), seed=seed))).metrics.latency_s
        for name in ("blocked_released", "concurrent_in_turn")
    )
    return {"batch": batch, "seed": seed, "speedup": rounded(slow / fast, _DIGITS)}


def _systems(model: str, batch: int) -> Iterator[Row]:
    for name, system in SYSTEMS.items():
        run = require_mapping_fits(simulate(_request(model, batch, system)))
        yield {"model": model, "batch": batch, "system": name, **_numbers(model, batch, run)}


def _request(model: str, batch: int, system: System) -> Request:
    if system.mapping is None:
        requests = load_requests(TRACE, batch=batch, usual_batch=batch, seed=SEED)
        keys = round(mean_keys(requests))
        return Request(model=model, hardware=GPU, scope="layer", batch=batch, phase="decode", seq_len=keys)
    return Request(
        model=model,
        hardware="neupims",
        mapping=system.mapping,
        scope="layer",
        batch=batch,
        trace=TRACE,
        seed=SEED,
        overrides=tuple(f"{path}={value}" for path, value in system.set.items()),
    )


def _interference(model: str, batch: int) -> Row:
    """What sub-batches reach of the DRAM's bandwidth beside PIM, and what they would if reads lost nothing to it."""
    row: dict[str, str | int | float] = {"model": model, "batch": batch}
    for name, system in {"beside": SYSTEMS["subbatch"], "harmless": HARMLESS}.items():
        metrics = require_mapping_fits(simulate(_request(model, batch, system))).metrics
        row |= {
            f"{name}_s": rounded(metrics.latency_s, _DIGITS),
            f"{name}_bytes_per_s": rounded(metrics.bytes["dram"] / metrics.latency_s, _DIGITS),
        }
    return row


def _attention(model: str, keys: int, place: str) -> Row:
    """Attention of one decode step, all of a model's heads on one device."""
    system = PLACES[place]
    request = Request(
        model=model,
        hardware=GPU if system.mapping is None else "neupims",
        mapping=system.mapping,
        phase="decode",
        seq_len=keys,
        batch=GROUPED_BATCH,
        tensor_parallel=1,
        overrides=tuple(f"{path}={value}" for path, value in system.set.items()),
    )
    metrics = require_mapping_fits(simulate(request)).metrics
    return {
        "model": model,
        "keys": keys,
        "place": place,
        "latency_s": rounded(metrics.latency_s, _DIGITS),
        "energy_j": rounded(metrics.total_energy_j or 0.0, _DIGITS),
    }


def _numbers(model: str, batch: int, run: Run) -> Row:
    metrics = run.metrics
    attention = [phase.latency_s for phase in metrics.phases if phase.step == "attention"]
    return {
        "latency_s": rounded(metrics.latency_s, _DIGITS),
        "attention_s": rounded(sum(attention), _DIGITS),
        "tokens_per_s": rounded(batch / (metrics.latency_s * MODELS[model]), _DIGITS),
        "energy_j": rounded(metrics.total_energy_j or 0.0, _DIGITS),
        "power_w": rounded(metrics.average_power_w or 0.0, _DIGITS),
        **{name: rounded(metrics.utilization.get(name, 0.0), _DIGITS) for name in ("arrays", "pim", "dram")},
    }


def _claims(dataset: str) -> Iterator[Row]:
    for result in validate(dataset).results:
        series = result.series[0] if result.series else None
        worst = max(result.comparisons, key=lambda comparison: abs(comparison.relative_error))
        yield {
            "dataset": dataset,
            "claim": result.claim.name,
            "statement": result.claim.statement,
            "points": len(result.comparisons),
            "mean": rounded(sum(abs(one.relative_error) for one in result.comparisons) / len(result.comparisons), 2),
            "worst": rounded(abs(worst.relative_error), 2),
            "where": worst.point.where,
            "allowed": result.claim.tolerance.mean_relative if series else result.claim.tolerance.relative,
            "of_mean": series is not None,
            "holds": result.holds,
        }
