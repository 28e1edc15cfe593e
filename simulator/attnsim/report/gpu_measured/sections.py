"""The tables of the page on measured timings, each from the collected numbers."""

from __future__ import annotations

from collections.abc import Iterable

from attnsim.measured_validation.judge import OURS, PREDICTORS
from attnsim.report import markdown
from attnsim.report.gpu_measured import cases
from attnsim.report.tables import Cell, Row, Tables, number, select, text

NOTHING = ""
ERRORS = ("mape", "median_ape", "p90_ape")
HEADINGS = ("MAPE", "median", "p90")


def targets(tables: Tables) -> str:
    """What is aimed at, ours and the anchors on the same rows."""
    rows = [
        (
            text(row, "target"),
            PREDICTORS.get(text(row, "predictor"), "attnsim, cells apart too"),
            str(row["rows"]),
            *(share(row[name]) for name in ERRORS),
            *_aim(row),
        )
        for row in tables["targets"]
        if row["predictor"] != cases.WITH_APART or row["target"] != "prefill"
    ]
    return markdown.table(("rows of", "predictor", "rows", *HEADINGS, "target", "verdict"), rows, left=2)


def _aim(row: Row) -> tuple[str, str]:
    """The target and whether it is met, beside our own line only."""
    if row["predictor"] != OURS:
        return NOTHING, NOTHING
    aim = f"MAPE {share(row['aim_mape'])}"
    aim += f", median {share(row['aim_median'])}" if row["aim_median"] is not None else ""
    return aim, "met" if row["met"] else "**missed**"


def anchors(tables: Tables) -> str:
    """Mean and median of every predictor by GPU and phase."""
    rows = []
    for row in select(tables["anchors"], predictor=OURS):
        gpu, phase = text(row, "gpu"), text(row, "phase")
        found = {text(one, "predictor"): one for one in select(tables["anchors"], gpu=gpu, phase=phase)}
        if row["rows"]:
            rows.append((cases.GPUS[gpu], cases.PHASES[phase], str(row["rows"]), *_pairs(found)))
    return markdown.table(("GPU", "phase", "rows", *PREDICTORS.values()), rows, left=2)


def _pairs(found: dict[str, Row]) -> Iterable[str]:
    return (
        f"{share(found[name]['mape'])} ({share(found[name]['median_ape'])})" if name in found else NOTHING
        for name in PREDICTORS
    )


def cells(tables: Tables, *, apart: bool) -> str:
    """Errors by GPU, framework, kernel and phase; the cells reported apart, or all others."""
    keys = {(row["gpu"], row["framework"], row["phase"]) for row in tables["noise"]}
    rows = [
        (
            cases.GPUS[text(row, "gpu")],
            cases.FRAMEWORKS[text(row, "framework")],
            cases.PHASES[text(row, "phase")],
            f"`{row['kernel']}`",
            str(row["rows"]),
            *(share(row[name]) for name in (*ERRORS, "within_10", "within_20")),
            *(_rank(row[name]) for name in ("spearman", "kendall")),
        )
        for row in tables["cells"]
        if row["rows"] and ((row["gpu"], row["framework"], row["phase"]) in keys) == apart
    ]
    headings = ("GPU", "framework", "phase", "kernel", "rows", *HEADINGS, "in 10 %", "in 20 %", "Spearman", "Kendall")
    return markdown.table(headings, rows, left=4) if rows else "No row of these is answered."


def unanswered(tables: Tables) -> str:
    """Kernels of the package that no kernel here stands for, with how many of the sampled rows."""
    silent = [row for row in tables["cells"] if not row["rows"]]
    names = dict.fromkeys((text(row, "framework"), text(row, "phase"), text(row, "kernel")) for row in silent)
    rows = []
    for framework, phase, kernel in names:
        of = list(select(silent, framework=framework, phase=phase, kernel=kernel))
        gpus = ", ".join(cases.GPUS[text(row, "gpu")] for row in of)
        count = sum(int(number(row, "unanswered")) for row in of)
        rows.append((cases.FRAMEWORKS[framework], cases.PHASES[phase], f"`{kernel}`", gpus, str(count)))
    if not rows:
        return "Every sampled row is answered."
    return markdown.table(("framework", "phase", "kernel, types", "GPUs", "rows"), rows, left=4)


def lengths(tables: Tables, phase: str) -> str:
    """Mean error by the number of keys, a line for each GPU."""
    found = list(select(tables["lengths"], phase=phase))
    labels = sorted({text(row, "length_bin") for row in found}, key=lambda label: int(label.split("-")[0].rstrip("+")))
    rows = [
        (name, *(_only(select(found, gpu=gpu, length_bin=label)) for label in labels))
        for gpu, name in cases.GPUS.items()
    ]
    return markdown.table(("GPU", *labels), rows)


def _only(rows: Iterable[Row]) -> str:
    return next((share(row["mape"]) for row in rows), NOTHING)


def limits(tables: Tables) -> str:
    """Errors by the part that limits a row, as the model says."""
    rows = [
        (
            cases.PHASES[text(row, "phase")],
            cases.LIMITS.get(text(row, "bottleneck"), text(row, "bottleneck")),
            str(row["rows"]),
            *(share(row[name]) for name in ERRORS),
            signed(row["bias_log"]),
        )
        for row in tables["limits"]
    ]
    return markdown.table(("phase", "what takes longest", "rows", *HEADINGS, "bias"), rows, left=2)


def worst(tables: Tables) -> str:
    """The rows with the largest errors, and where the model sees their time."""
    rows = [
        (
            cases.GPUS[text(row, "gpu")],
            f"`{row['kernel_name']}`",
            *(str(row[name]) for name in cases.SHAPE),
            markdown.short(number(row, "measured_us")),
            markdown.short(number(row, "predicted_us")),
            f"{100 * number(row, 'error'):+.0f} %",
            text(row, "parts"),
        )
        for row in tables["worst"]
    ]
    headings = ("GPU", "kernel", *cases.SHAPE.values(), "measured, us", "predicted, us", "error", "parts, us")
    return markdown.table(headings, rows, left=2)


def misses(tables: Tables) -> str:
    """Kernels above the target of their phase: by how much, at which lengths, and what their bad rows wait for."""
    rows = [
        (
            f"`{row['kernel']}`",
            cases.GPUS[text(row, "gpu")],
            str(row["rows"]),
            share(row["mape"]),
            share(row["short"]),
            share(row["long"]),
            signed(row["bias_log"]),
            share(row["bad"]),
            share(row["bad_too_slow"]),
            f"{row['bad_limit']}, {share(row['bad_of_limit'])}" if row["bad_limit"] else NOTHING,
        )
        for row in tables["misses"]
    ]
    headings = ("kernel", "GPU", "rows", "MAPE", "below 256 keys", "from 256 keys", "bias", "off by over 20 %")
    return markdown.table((*headings, "of these predicted too slow", "of these limited by"), rows, left=2)


def noise(tables: Tables) -> str:
    """Estimates of the noise of the cells that are reported apart."""
    rows = [
        (
            cases.GPUS[text(row, "gpu")],
            cases.FRAMEWORKS[text(row, "framework")],
            *(share(row[name]) or "no such rows" for name in ("repeat", "twin", "line")),
        )
        for row in tables["noise"]
    ]
    headings = (
        "GPU",
        "framework, decode",
        "keys measured twice",
        "windows that hide nothing",
        "line through neighbours",
    )
    return markdown.table(headings, rows, left=2)


def constants(tables: Tables) -> str:
    """How many constants are fitted of each kernel, and on which GPUs."""
    rows = [(f"`{row['kernel']}`", _gpus(text(row, "gpus")), str(row["fitted"])) for row in tables["constants"]]
    return markdown.table(("kernel", "calibrated on", "constants"), rows, left=2)


def _gpus(names: str) -> str:
    return ", ".join(cases.GPUS.get(name, name) for name in names.split(", ")) if names else "none"


def share(value: Cell) -> str:
    """A share in percent with one digit; nothing for null."""
    return f"{100 * float(value):.1f} %" if value is not None else NOTHING


def signed(value: Cell) -> str:
    """A mean of log ratios as a percentage with its sign."""
    return f"{100 * float(value):+.1f} %" if value is not None else NOTHING


def _rank(value: Cell) -> str:
    return f"{float(value):.3f}" if value is not None else NOTHING
