"""Fit a kernel's constants on published series, for kernels and GPUs that the measured package does not time.

Claims about series (`validation/<dataset>/claims.yaml`) -> rows like measured ones -> Calibration. Every other length
calibrates: those whose binary logarithm is odd (512, 2K, 8K, 32K). The lengths between them are held out. Claims about
single values, ratios, sums and altered kernels are never fitted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import polars as pl

from attnsim.calibrate.choose import Target
from attnsim.calibrate.fit import errors_of, fit_constants
from attnsim.claims import Point, points_of
from attnsim.components.attention import UNLIMITED, AttentionShape, attention_shape
from attnsim.errors import AttnSimError, Problem
from attnsim.families.gpu_tile.attention import require_types, visible_pairs
from attnsim.families.gpu_tile.constants import shared_values
from attnsim.families.gpu_tile.fused import attention_ranks
from attnsim.pipeline import Request, require_mapping_fits, simulate
from attnsim.specs.calibration import Calibration
from attnsim.specs.cascade import load_cascade
from attnsim.specs.claims import RunRequest, load_claims
from attnsim.specs.hardware import load_gpu
from attnsim.specs.kernel import Kernel
from attnsim.specs.library import shipped_files
from attnsim.specs.mapping import gpu_kernels
from attnsim.workload import cascade_step

_MS_PER_S = 1e3
_METRICS = ("latency_s", "useful_flops_per_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A published point of a dataset, and the run that it times; `before` is a run whose time is in it too."""

    dataset: str
    point: Point
    run: RunRequest
    before: RunRequest | None = None


def published_targets(kernels: tuple[str, ...] = (), gpus: tuple[str, ...] = ()) -> tuple[Target, ...]:
    """Kernels and GPUs that published series time; raises AttnSimError if none of those asked for is among them."""
    found = dict.fromkeys((str(timed.run.mapping), str(timed.run.hardware)) for timed in _timed())
    own = [(kernel, gpu) for kernel, gpu in found if _fits_its_own(kernel)]
    taken = [(k, g) for k, g in own if (not kernels or k in kernels) and (not gpus or g in gpus)]
    if not taken:
        known = ", ".join(f"{kernel} on {gpu}" for kernel, gpu in sorted(own))
        raise AttnSimError(
            Problem(what="no published series times these kernels on these GPUs", remedy=f"take {known}")
        )
    return tuple(Target(kernel=gpu_kernels()[kernel], gpu=load_gpu(gpu)) for kernel, gpu in sorted(taken))


def _fits_its_own(kernel: str) -> bool:
    known = gpu_kernels().get(kernel)
    return known is not None and bool(known.constants.fit)


def calibrate_published(target: Target) -> Calibration:
    """Fit and judge a kernel on a GPU, on the two halves of its published series."""
    kernel, gpu = target.kernel, target.gpu
    require_types(kernel, gpu)
    rows = published_rows(kernel, gpu.name)
    calibrates = pl.Series([int(length).bit_length() % 2 == 0 for length in rows["isl"] + rows["step"]])
    fit = fit_constants(kernel, gpu, rows.filter(calibrates), shared_values(kernel, gpu))
    datasets = ", ".join(sorted(rows["framework"].unique().to_list()))
    half = f"{int(calibrates.sum())} of {rows.height} points, every other length"
    return Calibration(
        family="gpu_tile",
        kernel=kernel.name,
        hardware=gpu.name,
        source=f"series of {datasets} in validation/; {half}",
        constants=fit.fitted,
        fitted=errors_of(kernel, gpu, rows.filter(calibrates), fit.values, None),
        held_out=errors_of(kernel, gpu, rows.filter(~calibrates), fit.values, None),
    )


def published_rows(kernel: Kernel, gpu: str) -> pl.DataFrame:
    """Points of published series that time a kernel on a GPU, in the columns of measured rows.

    `framework` is the dataset. Of several datasets that with most points is taken: the others tell how far laboratories
    agree.
    """
    mine = [timed for timed in _timed() if timed.run.mapping == kernel.name and timed.run.hardware == gpu]
    counts = Counter(timed.dataset for timed in mine)
    ((dataset, _),) = counts.most_common(1)
    return pl.DataFrame([_row(timed) for timed in mine if timed.dataset == dataset])


@cache
def _timed() -> tuple[Timed, ...]:
    """All points of datasets that are the time or the throughput of one run of a kernel."""
    return tuple(timed for name in shipped_files("validation") for timed in _timed_in(name))


def _timed_in(dataset: str) -> Iterator[Timed]:
    for point in points_of(load_claims(dataset)):
        if point.claim.tolerance.mean_relative is None or len(point.terms) != 1:
            continue
        (term,) = point.terms
        altered = any(path.startswith("mapping.") for path in term.run.set)
        if term.over or term.less or term.metric not in _METRICS or not term.run.cascade or altered:
            continue
        if term.plus is not None:
            yield Timed(dataset=dataset, point=point, run=term.plus, before=term.run)
        else:
            yield Timed(dataset=dataset, point=point, run=term.run)


def _row(timed: Timed) -> dict[str, str | int | float]:
    run = timed.run
    cascade = load_cascade(str(run.cascade))
    shape = attention_shape(cascade, attention_ranks(cascade), cascade_step("attention", cascade, run.extents).extents)
    return {
        "framework": timed.dataset,
        "phase": _phase(shape),
        "batch_size": shape.batch,
        "isl": shape.queries,
        "step": shape.keys - shape.queries,
        "num_heads": shape.kv_heads * shape.group,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.qk_dim,
        "value_head_dim": shape.v_dim,
        "window_size": 0,
        "latency_ms": _MS_PER_S * (_seconds(timed.point, shape) - _before_s(timed)),
    }


def _before_s(timed: Timed) -> float:
    """Predicted seconds of the run before, 0 if there is none."""
    if timed.before is None:
        return 0.0
    run = timed.before
    request = Request(cascade=run.cascade, hardware=run.hardware, mapping=run.mapping, extents=run.extents)
    return require_mapping_fits(simulate(request)).metrics.latency_s


def _phase(shape: AttentionShape) -> str:
    if shape.queries == 1:
        return "generation"
    return "encoder" if shape.past >= UNLIMITED else "context"


def _seconds(point: Point, shape: AttentionShape) -> float:
    if point.terms[0].metric == "latency_s":
        return point.value
    return 2.0 * visible_pairs(shape) * (shape.qk_dim + shape.v_dim) / point.value
