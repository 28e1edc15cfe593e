"""The tables of the page on what no fit has seen: GPUs with constants of others, and withheld slices."""

from __future__ import annotations

from attnsim.measured_validation.judge import OURS, PREDICTORS
from attnsim.measured_validation.unseen import SLICE_MEDIAN, TRANSFER_MAPE
from attnsim.report import markdown
from attnsim.report.gpu_measured import cases
from attnsim.report.gpu_measured.sections import NOTHING, share
from attnsim.report.tables import Row, Tables, number, select, text

THREE = "three_constants_ms"
_PHASES = {**cases.PHASES, "both": "both"}


def transfer(tables: Tables) -> str:
    """Every GPU with constants of others only, beside three constants that come from others too."""
    rows = []
    for row in select(tables["transfer"], predictor=OURS):
        if not row["rows"]:
            continue
        gpu, phase = text(row, "gpu"), text(row, "phase")
        three = next(select(tables["transfer"], predictor=THREE, gpu=gpu, phase=phase), None)
        rows.append(
            (
                cases.GPUS[gpu],
                _PHASES[phase],
                str(row["rows"]),
                *(share(row[name]) for name in ("mape", "median", "p90")),
                share(three["mape"]) if three is not None else NOTHING,
                _verdict(row, "mape", TRANSFER_MAPE) if phase == "both" else NOTHING,
            )
        )
    headings = ("GPU", "phase", "rows", "MAPE", "median", "p90", "MAPE of 3 constants", "verdict")
    return markdown.table(headings, rows, left=2) if rows else NOT_COLLECTED


def sources(tables: Tables) -> str:
    """Where each kernel's constants come from, the error with them, and the error with its own."""
    rows = [
        (
            cases.GPUS[text(row, "gpu")],
            f"`{row['kernel']}`",
            _origin(row),
            str(row["rows"]),
            share(row["mape"]),
            share(row["fitted_mape"]),
        )
        for row in tables["sources"]
    ]
    headings = ("GPU", "kernel", "constants of", "rows", "MAPE", "MAPE with its own")
    return markdown.table(headings, rows, left=3) if rows else NOT_COLLECTED


def _origin(row: Row) -> str:
    """GPUs whose constants are taken, and whether defaults have a share in them."""
    if not row["from"]:
        return "defaults"
    places = ", ".join(cases.GPUS.get(name, name) for name in text(row, "from").split(", "))
    return f"{places}; half defaults" if row["defaults"] else places


def slices(tables: Tables) -> str:
    """Median errors on the held-out rows of each slice, of constants and tables that know nothing of it."""
    rows = []
    for row in select(tables["slices"], predictor=OURS):
        found = {
            text(other, "predictor"): other
            for other in select(tables["slices"], slice=row["slice"], framework=row["framework"])
        }
        others = (share(found[name]["median"]) or "no answer" for name in PREDICTORS if name in found)
        shown = (cases.SLICES[text(row, "slice")], cases.FRAMEWORKS[text(row, "framework")], str(row["rows"]))
        rows.append((*shown, *others, _verdict(row, "median", SLICE_MEDIAN)))
    headings = ("slice", "framework", "rows", *PREDICTORS.values(), "verdict")
    return markdown.table(headings, rows, left=2) if rows else NOT_COLLECTED


def _verdict(row: Row, column: str, aim: float) -> str:
    return "met" if number(row, column) <= aim else "**missed**"


NOT_COLLECTED = "Not collected: `attnsim validate measured --unseen --out validation/measured/unseen.json`."
