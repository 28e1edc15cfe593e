"""What the model says of what no fit has seen, as tables: GPUs without a constant of their own, and withheld slices.

Package -> `transfer` (a row a GPU and phase), `sources` (a row a GPU and kernel), `slices` (a row a slice, framework
and predictor). Each slice fits kernels, which takes minutes; the tables are kept in validation/measured/unseen.json.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from attnsim.families.gpu_tile.constants import Chosen, choose_constants
from attnsim.measured.dataset import attention_dataset
from attnsim.measured.noise import reported_apart
from attnsim.measured.package import MeasuredPackage
from attnsim.measured.rows import Selection
from attnsim.measured.scores import Scores, score
from attnsim.measured.split import sample
from attnsim.measured_validation.judge import OURS, answered
from attnsim.measured_validation.targets import GPUS, scores_of
from attnsim.measured_validation.transfer import three_constants_elsewhere, transferred_rows
from attnsim.measured_validation.withheld import FRAMEWORKS, GPU, SLICES, withheld_rows
from attnsim.specs.hardware import load_gpu
from attnsim.specs.mapping import gpu_kernels

TRANSFER_MAPE = 0.15
SLICE_MEDIAN = 0.10
FILE = "validation/measured/unseen.json"
PER_CELL = 1000
Line = dict[str, str | int | float | bool | None]
Track = Callable[[Sequence[str]], Iterable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """The three tables."""

    transfer: list[Line]
    sources: list[Line]
    slices: list[Line]


def unseen(package: MeasuredPackage, *, per_cell: int = PER_CELL, track: Track = iter) -> Unseen:
    """Judge every GPU of the targets with the others' constants, and refit without each slice."""
    everything = attention_dataset(package=package)
    transfer, sources = [], []
    for gpu in track(GPUS):
        held_out = everything.parts.held_out.filter((pl.col("gpu") == gpu) & ~reported_apart())
        rows, borrowed = transferred_rows(sample(held_out, per_cell), gpu)
        known = answered(three_constants_elsewhere(rows, everything.parts.calibration))
        transfer += _transfer(gpu, known)
        sources += [_source(gpu, name, found, known) for name, found in sorted(borrowed.items())]
    slices = [line for name in track(SLICES) for line in _slice(name, package, per_cell)]
    return Unseen(transfer=transfer, sources=sources, slices=slices)


def _transfer(gpu: str, rows: pl.DataFrame) -> list[Line]:
    lines = []
    for phase in ("context", "generation", "both"):
        taken = rows if phase == "both" else rows.filter(pl.col("phase") == phase)
        for predictor, scores in scores_of(taken).items():
            lines.append({"gpu": gpu, "phase": phase, "predictor": predictor, **_numbers(scores)})
    return lines


def _source(gpu: str, name: str, borrowed: Chosen, rows: pl.DataFrame) -> Line:
    """Where a kernel's constants came from, the error with them, and with its own where it has any."""
    own = choose_constants(gpu_kernels()[name], load_gpu(gpu)).calibration
    taken = rows.filter(pl.col("kernel_name") == name)
    scores = score(taken["latency_ms"].to_numpy(), taken[OURS].to_numpy())
    return {
        "gpu": gpu,
        "kernel": name,
        "from": ", ".join(borrowed.sources),
        "defaults": borrowed.defaults,
        **_numbers(scores),
        "fitted_mape": own.held_out.mape if own is not None else None,
    }


def _slice(name: str, package: MeasuredPackage, per_cell: int) -> list[Line]:
    phase = "generation" if name.startswith("decode") else "context"
    dataset = attention_dataset(Selection(gpus=(GPU,), frameworks=FRAMEWORKS, phases=(phase,)), package=package)
    rows = answered(withheld_rows(dataset, name, per_cell=per_cell))
    return [
        {"slice": name, "framework": framework, "predictor": predictor, **_numbers(scores)}
        for framework in FRAMEWORKS
        if framework in rows["framework"]
        for predictor, scores in scores_of(rows.filter(pl.col("framework") == framework)).items()
    ]


def _numbers(scores: Scores) -> Line:
    known = bool(scores.rows)
    return {
        "rows": scores.rows,
        "unanswered": scores.unanswered,
        "mape": _rounded(scores.mape) if known else None,
        "median": _rounded(scores.median_ape) if known else None,
        "p90": _rounded(scores.p90_ape) if known else None,
    }


def _rounded(share: float) -> float:
    """Four digits after the point: hundredths of a percent."""
    return round(share, 4)
