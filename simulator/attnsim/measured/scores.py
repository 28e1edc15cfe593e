"""How far predictions are from measured latencies: errors, shares, bias and rank correlations, by any columns.

Measured and predicted milliseconds -> Scores, or a table of them with a row for each group. A prediction of NaN is no
answer: it is counted, and the errors are of the others.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from attnsim.measured.split import key_length

LENGTHS = (64, 256, 1024, 4096, 16384)
BATCHES = (2, 8, 32, 128, 512)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Errors of predictions as fractions of the measured latency; NaN where there are too few rows to say.

    `bias_log` is the mean of log(predicted / measured): positive where predictions are too slow.
    """

    rows: int
    unanswered: int
    mape: float
    median_ape: float
    p90_ape: float
    within_10: float
    within_20: float
    bias_log: float
    spearman: float
    kendall: float


def score(measured_ms: NDArray[np.float64], predicted_ms: NDArray[np.float64]) -> Scores:
    """Scores of predictions, both of shape (rows,); `measured_ms` must be positive."""
    answered = np.isfinite(predicted_ms)
    measured, predicted = measured_ms[answered], predicted_ms[answered]
    if not measured.size:
        return _no_answers(len(measured_ms))
    errors = np.abs(predicted / measured - 1)
    spearman, kendall = _rank_correlations(measured, predicted)
    return Scores(
        rows=len(measured),
        unanswered=int(len(measured_ms) - len(measured)),
        mape=float(errors.mean()),
        median_ape=float(np.median(errors)),
        p90_ape=float(np.quantile(errors, 0.9)),
        within_10=float((errors <= 0.1).mean()),
        within_20=float((errors <= 0.2).mean()),
        bias_log=float(np.log(np.maximum(predicted, np.finfo(float).tiny) / measured).mean()),
        spearman=spearman,
        kendall=kendall,
    )


def _no_answers(unanswered: int) -> Scores:
    nan = float("nan")
    return Scores(
        rows=0,
        unanswered=unanswered,
        mape=nan,
        median_ape=nan,
        p90_ape=nan,
        within_10=nan,
        within_20=nan,
        bias_log=nan,
        spearman=nan,
        kendall=nan,
    )


def scores_by(rows: pl.DataFrame, by: Sequence[str], predicted: str = "predicted_ms") -> pl.DataFrame:
    """A row of scores for each group of `by`, sorted; `rows` has `latency_ms` and the predicted column."""
    groups = rows.group_by(list(by), maintain_order=True)
    table = [
        dict(zip(by, key, strict=True)) | asdict(score(group["latency_ms"].to_numpy(), group[predicted].to_numpy()))
        for key, group in groups
    ]
    kept = {name: rows.schema[name] for name in by}
    return pl.DataFrame(table, schema_overrides=kept, infer_schema_length=None).sort(list(by))


def with_bins(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with `length_bin` (keys that a query may see) and `batch_bin`, which sort by size."""
    length = _bin(key_length(), LENGTHS)
    return rows.with_columns(length_bin=length, batch_bin=_bin(pl.col("batch_size"), BATCHES))


def _bin(value: pl.Expr, edges: Sequence[int]) -> pl.Expr:
    """Label of the bin of `value`: each edge is the first value of its bin."""
    between = [f"{low}-{high - 1}" for low, high in itertools.pairwise(edges)]
    labels = [f"1-{edges[0] - 1}" if edges[0] > 2 else "1", *between, f"{edges[-1]}+"]
    passed = pl.sum_horizontal((value >= edge).cast(pl.Int64) for edge in edges)
    return passed.replace_strict(dict(enumerate(labels)), return_dtype=pl.Enum(labels))


def _rank_correlations(measured: NDArray[np.float64], predicted: NDArray[np.float64]) -> tuple[float, float]:
    """Spearman's and Kendall's; NaN where all measured or all predicted values are equal."""
    if len(measured) < 2 or np.ptp(measured) == 0 or np.ptp(predicted) == 0:
        return float("nan"), float("nan")
    from scipy import stats

    return float(stats.spearmanr(measured, predicted)[0]), float(stats.kendalltau(measured, predicted)[0])
