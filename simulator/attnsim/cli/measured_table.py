"""The judgement of held-out rows for people: by cell, by target beside the anchors, and the worst rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import polars as pl

from attnsim.cli.tables import render, table
from attnsim.measured.noise import Noise, reported_apart
from attnsim.measured.scores import Scores, scores_by, with_bins
from attnsim.measured_validation.cells import CELL, cells, coverage, noise_apart
from attnsim.measured_validation.explain import Explained, worst_rows
from attnsim.measured_validation.judge import OURS, PREDICTORS, Judged, answered
from attnsim.measured_validation.targets import Verdict, verdicts
from attnsim.measured_validation.unseen import SLICE_MEDIAN, TRANSFER_MAPE, Line, Unseen

if TYPE_CHECKING:
    from rich.console import RenderableType

WORST_ROWS = 10
SHAPE = {
    "batch_size": "batch",
    "isl": "isl",
    "step": "step",
    "num_heads": "heads",
    "num_key_value_heads": "kv",
    "head_dim": "dim",
    "window_size": "window",
}
_SHARES = {"mape": "MAPE", "median_ape": "median", "p90_ape": "p90", "within_10": "in 10 %", "within_20": "in 20 %"}
_RANKS = {"spearman": "Spearman", "kendall": "Kendall"}
_WIDTH = 220


def measured_table(judged: Judged) -> str:
    """Tables of a judgement: cells, targets and the worst rows."""
    rows, version = judged.rows, judged.package.version
    title = f"held-out rows of aiconfigurator-core {version}: {rows.height} of {judged.held_out}, "
    title += f"{_percent(coverage(rows))} of them answered; errors are |predicted / measured - 1|"
    apart = rows.filter(reported_apart())
    parts: list[RenderableType] = [title, ""]
    if apart.height < rows.height:
        parts += [*_cells(rows.filter(~reported_apart())), ""]
    if not apart.is_empty():
        parts += ["apart, outside the means below (validation/measured/README.md)", *_cells(apart)]
        parts += [*(_noise(noise) for noise in noise_apart(rows, judged.package)), ""]
    parts += ["means, with the anchors on the same rows", _targets(verdicts(rows)), ""]
    parts += [*_bins(rows.filter(~reported_apart())), ""]
    parts += ["worst rows, at most two of a kernel on a GPU", _worst(worst_rows(rows, WORST_ROWS)), ""]
    dropped = sum(one.rows for one in judged.dropped)
    parts.append(f"{dropped} rows were dropped before the split, by the rules of validation/measured/README.md")
    return render(*parts, least_width=_WIDTH)


def _cells(rows: pl.DataFrame) -> list[RenderableType]:
    """Cells with answers; those without stand in one line below."""
    scored = cells(rows)
    lines = [
        [
            *(str(line[name]) for name in CELL),
            str(line["rows"]),
            str(line["unanswered"] or ""),
            *(_percent(line[name]) for name in _SHARES),
            *(_rank(line[name]) for name in _RANKS),
        ]
        for line in scored.filter(pl.col("rows") > 0).iter_rows(named=True)
    ]
    headings = (*CELL, "rows", "no answer", *_SHARES.values(), *_RANKS.values())
    return [table(headings, lines, left=CELL), *_unanswered(scored.filter(pl.col("rows") == 0))]


def _unanswered(silent: pl.DataFrame) -> list[RenderableType]:
    """Kernels that we have no model of, with their GPUs and rows."""
    by_kernel = silent.group_by("framework", "phase", "kernel", maintain_order=True)
    named = by_kernel.agg(pl.col("gpu"), pl.col("unanswered").sum()).sort("framework", "phase", "kernel")
    return [
        f"no answer: {line['framework']} {line['phase']} {line['kernel']}, {line['unanswered']} rows of "
        + ", ".join(line["gpu"])
        for line in named.iter_rows(named=True)
    ]


def _noise(noise: Noise) -> str:
    """One line: what repeated and equal work says of a cell."""
    known = {
        "repeated keys": noise.repeat,
        "windows that hide nothing": noise.twin,
        "line through neighbours": noise.line,
    }
    told = ", ".join(f"{name} {_percent(value)}" for name, value in known.items() if math.isfinite(value))
    return f"noise of {noise.gpu} {noise.framework} {noise.phase}: {told}"


def _targets(found: tuple[Verdict, ...]) -> RenderableType:
    lines = []
    for verdict in found:
        aim = f"{_percent(verdict.target.mape)}"
        aim += f", {_percent(verdict.target.median)}" if verdict.target.median is not None else ""
        for name, scores in verdict.scores.items():
            ours = name == OURS
            told = ("met" if verdict.met else "MISSED") if ours else ""
            lines.append([verdict.target.name, PREDICTORS[name], *_numbers(scores), aim if ours else "", told])
        if verdict.with_apart.rows > verdict.scores[OURS].rows:
            lines.append([verdict.target.name, "attnsim, cells apart too", *_numbers(verdict.with_apart)])
    headings = ("rows of", "predictor", "rows", "MAPE", "median", "p90", "target", "verdict")
    return table(headings, lines, left=("rows of", "predictor", "verdict"))


def _numbers(scores: Scores) -> list[str]:
    return [str(scores.rows), *(_percent(share) for share in (scores.mape, scores.median_ape, scores.p90_ape))]


def _bins(rows: pl.DataFrame) -> list[RenderableType]:
    """Mean errors of each GPU and phase by the keys that a query may see, and by batch."""
    binned = with_bins(answered(rows))
    if binned.is_empty():
        return []
    shown: list[RenderableType] = []
    for column, title in (("length_bin", "MAPE by the number of keys"), ("batch_bin", "MAPE by batch")):
        scored = scores_by(binned, ("gpu", "phase", column))
        labels = binned[column].unique().sort().cast(pl.String).to_list()
        wide = scored.pivot(column, index=["gpu", "phase"], values="mape", sort_columns=False)
        lines = [
            [line["gpu"], line["phase"], *(_percent(line.get(label)) for label in labels)]
            for line in wide.iter_rows(named=True)
        ]
        shown += [title, table(("gpu", "phase", *labels), lines, left=("gpu", "phase"))]
    return shown


def _worst(worst: Iterable[Explained]) -> RenderableType:
    """The rows with the largest errors, and what the model says they wait for."""
    lines = [
        [
            str(one.row["gpu"]),
            str(one.row["kernel_name"]),
            *(str(one.row[name]) for name in SHAPE),
            f"{one.row['latency_ms']:.4g}",
            f"{one.row['predicted_ms']:.4g}",
            f"{one.error * 100:+.0f} %",
            str(one.row["bottleneck"]),
            ", ".join(f"{part} {time:.3g}" for part, time in one.parts_us.items()),
        ]
        for one in worst
    ]
    headings = ("gpu", "kernel", *SHAPE.values(), "ms", "predicted", "error", "limited by", "parts in us")
    return table(headings, lines, left=("gpu", "kernel", "limited by", "parts in us"))


def unseen_table(found: Unseen) -> str:
    """Tables of GPUs judged with constants of others, where those come from, and of withheld slices."""
    parts: list[RenderableType] = [f"GPUs without a constant of their own; target: MAPE {_percent(TRANSFER_MAPE)}"]
    parts += [_plain(found.transfer, ("gpu", "phase", "predictor")), "", "where the constants come from"]
    parts += [_plain(found.sources, ("gpu", "kernel", "from")), ""]
    parts += [f"withheld slices; target: median {_percent(SLICE_MEDIAN)}"]
    return render(*parts, _plain(found.slices, ("slice", "framework", "predictor")), least_width=_WIDTH)


def _plain(lines: Sequence[Line], left: Sequence[str]) -> RenderableType:
    """A table of lines that have the same columns; shares in percent."""
    headings = list(lines[0]) if lines else list(left)
    return table(headings, [[_cell(line[name]) for name in headings] for line in lines], left=left)


def _cell(value: str | float | None) -> str:
    if isinstance(value, str):
        return PREDICTORS.get(value, value) or "-"
    if value is None:
        return "-"
    return _percent(value) if isinstance(value, float) else str(value)


def _percent(share: float | None) -> str:
    return f"{share * 100:.1f} %" if share is not None and math.isfinite(share) else "-"


def _rank(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "-"
