"""Held-out timings of collectives with our prediction beside two simpler ones, and what tells versions apart.

MeasuredPackage -> JudgedLinks: one row a timing with a column for each predictor. Nothing is fitted here but the two
constants a GPU of latency and bandwidth, on rows that may be fitted on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import least_squares

from attnsim.calibrate.links import GPUS_OF, row_seconds
from attnsim.components.collectives import wire_bytes_of
from attnsim.measured.collectives import SHAPE, is_fitted_on, is_held_out, load_collectives
from attnsim.measured.package import MeasuredPackage
from attnsim.measured.scores import Scores, score
from attnsim.specs.link import library_methods, load_link

Floats = NDArray[np.float64]

UNSEEN: Mapping[str, tuple[str, ...]] = {"nvlink5": ("b300_sxm", "gb200", "gb300")}
"""GPUs on a link whose timings no constant was fitted to."""
OURS = "predicted_ms"
PREDICTORS: Mapping[str, str] = {
    OURS: "attnsim",
    "alpha_beta_ms": "alpha-beta",
    "table_ms": "table",
}
"""Columns with predictions, ours first, and what each is called."""
TARGET_MAPE = 0.15
"""Mean error that is aimed at over all held-out rows."""
_CURVE = ("gpu", "library", "version", "operation", "devices", "floating")


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionNoise:
    """How far timings of other versions of a library on a GPU are from those of the newest one, shape by shape."""

    gpu: str
    library: str
    version: str
    newest: str
    rows: int
    mape: float
    median: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedLinks:
    """Held-out rows with predictions; rows of other versions and of unseen GPUs with ours; what cleaning dropped."""

    held_out: pl.DataFrame
    other_versions: pl.DataFrame
    unseen: pl.DataFrame
    noise: tuple[VersionNoise, ...]
    dropped: Mapping[str, int]
    package: MeasuredPackage

    @property
    def scores(self) -> dict[str, Scores]:
        """Scores of every predictor over all held-out rows."""
        return {name: score_of(self.held_out, name) for name in PREDICTORS}

    @property
    def met(self) -> bool:
        """Whether the mean error over all held-out rows is within the target."""
        return self.scores[OURS].mape <= TARGET_MAPE


def judge_links(package: MeasuredPackage, gpus: Sequence[str] = (), *, unseen: bool = True) -> JudgedLinks:
    """Predict the timings of some GPUs (all that links are fitted to, if none); raises MeasuredDataError."""
    wanted = [gpu for group in GPUS_OF.values() for gpu in group if not gpus or gpu in gpus]
    apart = [gpu for group in UNSEEN.values() for gpu in group if not gpus or gpu in gpus] if unseen else []
    loaded = load_collectives(package, [*wanted, *apart])
    rows = loaded.rows.with_columns(predicted_ms=_predicted(loaded.rows))
    seen = rows.filter(pl.col("gpu").is_in(wanted))
    fitted, held = seen.filter(pl.Series(is_fitted_on(seen))), seen.filter(pl.Series(is_held_out(seen)))
    known = seen.filter(pl.col("newest"))
    return JudgedLinks(
        held_out=held.with_columns(alpha_beta_ms=_alpha_beta(held, fitted), table_ms=_interpolated(held, known)),
        other_versions=seen.filter(~pl.col("newest")),
        unseen=rows.filter(pl.col("gpu").is_in(apart) & pl.col("newest")),
        noise=_noise(seen),
        dropped=loaded.dropped,
        package=package,
    )


def score_of(rows: pl.DataFrame, predictor: str = OURS) -> Scores:
    """Scores of a predictor on judged rows."""
    return score(rows["latency_ms"].to_numpy(), rows[predictor].to_numpy())


def _predicted(rows: pl.DataFrame) -> pl.Series:
    """Milliseconds of each row by the link of its GPU and its library."""
    made = np.full(rows.height, np.nan)
    of_gpu = {gpu: link for known in (GPUS_OF, UNSEEN) for link, group in known.items() for gpu in group}
    places = rows.with_row_index("_at").partition_by("gpu", "library", maintain_order=True)
    for part in places:
        link = load_link(of_gpu[part["gpu"][0]])
        made[part["_at"].to_numpy()] = row_seconds(link, library_methods(link, part["library"][0]), part) * 1e3
    return pl.Series(made)


def _wire_bytes(rows: pl.DataFrame) -> Floats:
    """Bytes that a device sends for each row around a ring, or in an exchange."""
    message: Floats = rows["message_bytes"].to_numpy().astype(np.float64)
    devices: Floats = rows["devices"].to_numpy().astype(np.float64)
    times: Floats = (
        pl.select(pl.when(rows["operation"] == "all_reduce").then(2.0).otherwise(1.0)).to_series().to_numpy()
    )
    return times * wire_bytes_of("ring", "all_gather", message, devices)


def _alpha_beta(asked: pl.DataFrame, fitted: pl.DataFrame) -> pl.Series:
    """Milliseconds by a latency and a bandwidth for each GPU, fitted by least squares on the logarithm."""
    made = np.full(asked.height, np.nan)
    for part in asked.with_row_index("_at").partition_by("gpu", maintain_order=True):
        own = fitted.filter(pl.col("gpu") == part["gpu"][0])
        sent, measured = _wire_bytes(own), own["latency_ms"].to_numpy()

        def errors(logs: Floats, sent: Floats = sent, measured: Floats = measured) -> Floats:
            errors: Floats = np.log((np.exp(logs[0]) + sent * np.exp(logs[1])) / measured)
            return errors

        latency_ms, ms_per_byte = np.exp(least_squares(errors, np.log([1e-2, 1e-8])).x)
        made[part["_at"].to_numpy()] = latency_ms + _wire_bytes(part) * ms_per_byte
    return pl.Series(made)


def _interpolated(asked: pl.DataFrame, known: pl.DataFrame) -> pl.Series:
    """Milliseconds between the neighbours of each row along message bytes, itself left out, in logarithms."""
    made = np.full(asked.height, np.nan)
    curves = known.partition_by(_CURVE, as_dict=True)
    for at, row in enumerate(asked.iter_rows(named=True)):
        curve = curves[tuple(row[name] for name in _CURVE)].sort("message_bytes")
        others = curve.filter(pl.col("message_bytes") != row["message_bytes"])
        made[at] = _between(np.log(others["message_bytes"]), np.log(others["latency_ms"]), np.log(row["message_bytes"]))
    return pl.Series(np.exp(made))


def _between(places: Floats, values: Floats, place: float) -> float:
    """The line through the two places around `place`, or through the two nearest to it beyond the ends."""
    if len(places) < 2:
        return float("nan")
    right = int(np.clip(np.searchsorted(places, place), 1, len(places) - 1))
    slope = (values[right] - values[right - 1]) / (places[right] - places[right - 1])
    return float(values[right - 1] + slope * (place - places[right - 1]))


def _noise(rows: pl.DataFrame) -> tuple[VersionNoise, ...]:
    """Every older version against the newest one of its GPU and library."""
    shape = [name for name in SHAPE if name != "version"]
    newest = rows.filter(pl.col("newest")).select(*shape, "latency_ms", newest_version=pl.col("version"))
    both = rows.filter(~pl.col("newest")).join(newest, on=shape, suffix="_newest")
    apart = both.with_columns(_apart=(pl.col("latency_ms") / pl.col("latency_ms_newest") - 1).abs())
    grouped = apart.group_by("gpu", "library", "version", "newest_version", maintain_order=True)
    table = grouped.agg(pl.len().alias("rows"), mape=pl.col("_apart").mean(), median=pl.col("_apart").median())
    return tuple(
        VersionNoise(
            gpu=line["gpu"],
            library=line["library"],
            version=line["version"],
            newest=line["newest_version"],
            rows=line["rows"],
            mape=line["mape"],
            median=line["median"],
        )
        for line in table.iter_rows(named=True)
    )
