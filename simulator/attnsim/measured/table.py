"""The anchor of those who have measured everything: interpolation in the table of timings, the row itself left out.

Known rows + asked rows -> milliseconds. Along each axis (length, batch, query heads) a row has measured neighbours that
equal it in all else; the logarithm of the time is taken as linear in that of the axis between the nearest on both
sides. The axes' answers are averaged, a narrow gap counting for more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from attnsim.measured.split import GEMM_NUMBERS, key_columns, key_length

_Values = NDArray[np.float64]
_Indices = NDArray[np.int64]
_LENGTH = "_length"
ATTENTION_AXES = (_LENGTH, "batch_size", "num_heads")
GEMM_AXES = GEMM_NUMBERS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    """One axis: log time between the neighbours on both sides, beyond those on one side, and that of the nearest.

    NaN where there is no such neighbour; `gap` is the distance of the two sides in logarithms.
    """

    between: _Values
    beyond: _Values
    nearest: _Values
    gap: _Values


def interpolate_ms(known: pl.DataFrame, asked: pl.DataFrame) -> _Values:
    """Latency in ms of each asked row from the known rows of other keys, shape (asked,).

    Between neighbours where an axis has them on both sides; else extrapolated from the two nearest on one side, else
    that of the nearest neighbour; NaN for a row without any. A known row is not used for an asked one of its own key.
    """
    axes = GEMM_AXES if "m" in asked.columns else ATTENTION_AXES
    points, rows = _with_length(known), _with_length(asked)
    answers = [_along(points, rows, axis) for axis in axes]
    weights = [1 / np.maximum(answer.gap, 1e-9) ** 2 for answer in answers]
    between = _mean([answer.between for answer in answers], weights)
    beyond = _mean([answer.beyond for answer in answers], [np.ones(rows.height)] * len(axes))
    nearest = _mean([answer.nearest for answer in answers], [np.ones(rows.height)] * len(axes))
    logs = np.where(np.isfinite(between), between, np.where(np.isfinite(beyond), beyond, nearest))
    return np.asarray(np.exp(logs), dtype=np.float64)


def line_residuals(rows: pl.DataFrame, axis: str = _LENGTH) -> _Values:
    """log(measured / interpolated) along one axis between neighbours at equal distances on both sides, else NaN."""
    points = _with_length(rows)
    answer = _along(points, points, axis)
    return _log_ms(points) - answer.between


def _with_length(rows: pl.DataFrame) -> pl.DataFrame:
    return rows if "m" in rows.columns else rows.with_columns(key_length().alias(_LENGTH))


def _along(known: pl.DataFrame, asked: pl.DataFrame, axis: str) -> _Answers:
    """Answers of one axis; rows that differ in nothing else form a line, on which neighbours are looked up."""
    lines = _line_numbers(known, asked, axis)
    place_known, place_asked = (np.asarray(frame[axis].to_numpy(), dtype=np.int64) for frame in (known, asked))
    step = int(max(place_known.max(initial=0), place_asked.max(initial=0))) + 1
    keys = lines[: known.height] * step + place_known
    order = np.argsort(keys, kind="stable")
    asked_keys = lines[known.height :] * step + place_asked
    left = np.searchsorted(keys[order], asked_keys, side="left") - 1
    right = np.searchsorted(keys[order], asked_keys, side="right")
    table = _Line(line=keys[order] // step, place=np.log(place_known[order]), log_ms=_log_ms(known)[order])
    return _answers(table, asked_keys // step, np.log(place_asked), left, right)


def _log_ms(rows: pl.DataFrame) -> _Values:
    return np.asarray(np.log(rows["latency_ms"].to_numpy()), dtype=np.float64)


def _line_numbers(known: pl.DataFrame, asked: pl.DataFrame, axis: str) -> _Indices:
    """Number of the line of each row, known rows first: equal for rows that differ along the axis only."""
    moved = ("isl", "step") if axis == _LENGTH else (axis,)
    others = [name for name in key_columns(known) if name not in moved]
    both = pl.concat([known.select(others), asked.select(others)])
    return both.select(pl.struct(others).rank("dense").cast(pl.Int64)).to_series().to_numpy()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """Known points sorted by line and place: shape (known,) each."""

    line: _Indices
    place: _Values
    log_ms: _Values


def _answers(table: _Line, line: _Indices, place: _Values, left: _Indices, right: _Indices) -> _Answers:
    (x_left, y_left), (x_right, y_right) = _point(table, line, left), _point(table, line, right)
    (x_left2, y_left2), (x_right2, y_right2) = _point(table, line, left - 1), _point(table, line, right + 1)
    below = _on_line(place, x_left2, y_left2, x_left, y_left)
    above = _on_line(place, x_right, y_right, x_right2, y_right2)
    return _Answers(
        between=_on_line(place, x_left, y_left, x_right, y_right),
        beyond=np.where(np.isfinite(below), below, above),
        nearest=np.where(np.isfinite(y_left), y_left, y_right),
        gap=x_right - x_left,
    )


def _point(table: _Line, line: _Indices, index: _Indices) -> tuple[_Values, _Values]:
    """Place and log time of the known points with these indices, NaN where they are of another line or do not exist."""
    if not table.line.size:
        nothing = np.full(len(index), np.nan)
        return nothing, nothing
    inside = np.clip(index, 0, table.line.size - 1)
    valid = (inside == index) & (table.line[inside] == line)
    return np.where(valid, table.place[inside], np.nan), np.where(valid, table.log_ms[inside], np.nan)


def _on_line(x: _Values, x0: _Values, y0: _Values, x1: _Values, y1: _Values) -> _Values:
    return np.asarray(y0 + (y1 - y0) * (x - x0) / (x1 - x0), dtype=np.float64)


def _mean(values: list[_Values], weights: list[_Values]) -> _Values:
    """Weighted mean of the finite values of each row; NaN where none is."""
    finite = [np.isfinite(value) for value in values]
    total = sum(np.where(ok, weight, 0.0) for ok, weight in zip(finite, weights, strict=True))
    summed = sum(np.where(ok, value * weight, 0.0) for ok, value, weight in zip(finite, values, weights, strict=True))
    known = np.asarray(total) > 0
    return np.where(known, np.asarray(summed) / np.where(known, total, 1.0), np.nan)
