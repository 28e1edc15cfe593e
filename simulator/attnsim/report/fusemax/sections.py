"""Tables of the FuseMax page, each from the report's numbers to markdown."""

from __future__ import annotations

from collections.abc import Sequence

from attnsim.report import markdown
from attnsim.report.fusemax import cases
from attnsim.report.fusemax.words import limits
from attnsim.report.tables import Row, Tables, number, only, select, text

TOKENS = tuple(markdown.tokens(length) for length in cases.LENGTHS)
SHORT_LENGTHS = cases.LENGTHS[:3]
NOTHING = "-"
METRICS = {
    "latency_s": "latency",
    "utilization.array_2d": "utilization of the 2D array",
    "utilization.array_1d": "utilization of the 1D array",
    "bytes.dram": "DRAM traffic",
    "energy_j.total": "energy",
}


def headlines(tables: Tables) -> str:
    """The means of the abstract: printed, published, ours, and with all register files."""
    rows = [
        (
            text(row, "statement"),
            text(row, "printed"),
            markdown.short(number(row, "published")),
            markdown.short(number(row, "ours")),
            markdown.error(number(row, "error")),
            markdown.short(number(row, "all_files")) if row["all_files"] is not None else NOTHING,
        )
        for row in tables["headlines"]
    ]
    return markdown.table(("mean", "printed", "published", "ours", "error", "ours, all register files"), rows)


def attention(tables: Tables, metric: str, model: str) -> str:
    """Published over ours for each configuration and length."""
    rows = [list(select(tables["attention"], model=model, mapping=m, metric=metric)) for m in cases.MAPPINGS]
    return _pairs(dict(zip(cases.MAPPINGS.values(), rows, strict=True)))


def relative(tables: Tables, ratio: str, model: str) -> str:
    """Published over ours, relative to unfused, for each configuration and length."""
    at = {"scope": "attention", "model": model, "over": "unfused", "ratio": ratio}
    mappings = tuple(cases.MAPPINGS)[1:]
    return _pairs({cases.MAPPINGS[m]: list(select(tables["ratios"], mapping=m, **at)) for m in mappings})


def layer(tables: Tables, ratio: str) -> str:
    """The whole layer with +Binding relative to both baselines, all models; nothing is published of T5 and XLM."""
    at = {"scope": "layer", "mapping": "binding", "ratio": ratio}
    return _pairs(
        {
            f"{name} over {cases.MAPPINGS[over]}": list(select(tables["ratios"], model=model, over=over, **at))
            for model, name in cases.MODELS.items()
            for over in cases.BASELINES
        }
    )


def _pairs(rows: dict[str, list[Row]]) -> str:
    """Two lines for each label: what is published, if anything, and ours."""
    lines: list[list[str]] = []
    for label, found in rows.items():
        if any(row["published"] is not None for row in found):
            lines.append([label, "published", *(_value(row, "published") for row in found)])
        lines.append([label, "ours", *(_value(row, "ours") for row in found)])
    return markdown.table(("", "", *TOKENS), lines, left=2)


def _value(row: Row, column: str) -> str:
    return markdown.short(number(row, column)) if row[column] is not None else NOTHING


def sweep(tables: Tables) -> str:
    """Area and latency by array size; what is published, and the error."""
    columns = ("area_m2", "latency_s")
    rows = [
        (
            f"{row['array']}x{row['array']}",
            cases.MODELS[text(row, "model")],
            *(_sweep_cell(row, column, what) for column in columns for what in ("published", "ours", "error")),
        )
        for row in tables["array_sweep"]
    ]
    headings = ("array", "model", "area, mm^2: published", "ours", "error", "latency, s: published", "ours", "error")
    return markdown.table(headings, rows, left=2)


def _sweep_cell(row: Row, column: str, what: str) -> str:
    value = row[f"{column} {what}"]
    if value is None:
        return NOTHING
    if what == "error":
        return markdown.error(float(value))
    return markdown.short(float(value) * (1e6 if column == "area_m2" else 1.0), 5)


def bottlenecks(tables: Tables) -> str:
    """What limits each configuration, in words."""
    rows = [
        (cases.MAPPINGS[mapping], *("; ".join(limits(tables, model, mapping)) for model in cases.SHAPES))
        for mapping in cases.MAPPINGS
    ]
    return markdown.table(("configuration", *cases.SHAPES.values()), rows, left=3)


def errors(tables: Tables) -> str:
    """The largest relative error of each metric and configuration, up to 16K tokens and beyond."""
    rows = [
        (label, where, *(_worst(tables, metric, mapping, lengths) for mapping in cases.MAPPINGS))
        for metric, label in METRICS.items()
        for where, lengths in (("to 16K", SHORT_LENGTHS), ("from 64K", cases.LENGTHS[3:]))
    ]
    return markdown.table(("metric", "tokens", *cases.MAPPINGS.values()), rows, left=2)


def _worst(tables: Tables, metric: str, mapping: str, lengths: Sequence[int]) -> str:
    rows = (row for row in select(tables["attention"], metric=metric, mapping=mapping) if row["seq_len"] in lengths)
    return markdown.error(max((number(row, "error") for row in rows), key=abs))


def claims(tables: Tables) -> str:
    """Every claim with its worst point and its verdict."""
    rows = [
        (
            text(row, "claim"),
            text(row, "statement"),
            text(row, "points"),
            f"{markdown.error(number(row, 'error'))}",
            markdown.percent(number(row, "allowed")) if row["allowed"] else "none",
            "holds" if row["holds"] else "**fails**",
        )
        for row in tables["claims"]
    ]
    return markdown.table(("claim", "", "points", "worst error", "allowed", "verdict"), rows, left=2)


def reasons(tables: Tables) -> str:
    """Why claims allow what they allow, as the claims themselves say it."""
    noted = [row for row in tables["claims"] if row["notes"]]
    told = dict.fromkeys(text(row, "notes") for row in noted)
    return "\n".join(
        f"- {markdown.sentence(note)} ({', '.join(text(row, 'claim') for row in noted if row['notes'] == note)})"
        for note in told
    )


def fill_drain(tables: Tables) -> str:
    """How much longer attention takes with filling and draining than without."""
    rows = [
        (
            cases.MAPPINGS[mapping],
            cases.SHAPES[model],
            *(_longer(row) for row in select(tables["fill_drain"], model=model, mapping=mapping)),
        )
        for mapping in cases.MAPPINGS
        for model in cases.SHAPES
    ]
    return markdown.table(("configuration", "", *TOKENS), rows, left=2)


def _longer(row: Row) -> str:
    return (
        f"+{number(row, 'longer') * 100:.2g} %" if number(row, "longer") > 0 else markdown.error(number(row, "longer"))
    )


def register_files(tables: Tables) -> str:
    """Energy of +Binding relative to both baselines, with one register file and with all."""
    rows = [
        (
            f"{cases.SHAPES[model]} over {cases.MAPPINGS[over]}",
            label,
            *(_value(row, column) for row in select(tables["register_files"], model=model, over=over)),
        )
        for model in cases.SHAPES
        for over in cases.BASELINES
        for column, label in (("one_file", "one, as published"), ("all_files", "all"))
    ]
    return markdown.table(("", "register files", *TOKENS), rows, left=2)


def facts(tables: Tables) -> dict[str, str]:
    """Single numbers that the prose names."""
    held = sum(bool(row["holds"]) for row in tables["claims"])
    mean = only(tables["headlines"], claim="headline-attention-energy-over-flat")
    layer_mean = only(tables["headlines"], claim="headline-layer-energy-over-flat")
    stalled = only(tables["fill_drain"], model="bert", mapping="architecture", seq_len=1048576)
    interleaved = only(tables["fill_drain"], model="bert", mapping="binding", seq_len=1024)
    return {
        "claims": f"{held} of {len(tables['claims'])}",
        "points": str(sum(int(number(row, "points")) for row in tables["claims"])),
        "mean_energy": markdown.percent(number(mean, "ours")),
        "mean_energy_all": markdown.percent(number(mean, "all_files")),
        "layer_energy": markdown.percent(number(layer_mean, "ours")),
        "layer_energy_all": markdown.percent(number(layer_mean, "all_files")),
        "stalled": markdown.percent(number(stalled, "longer")),
        "interleaved": markdown.percent(number(interleaved, "longer")),
        "registers": markdown.percent(_register_share(tables)),
    }


def _register_share(tables: Tables) -> float:
    """Share of the 2D array's register files in the energy of +Binding, all of them counted."""
    rows = list(select(tables["energy_parts"], mapping="binding"))
    total_j = sum(number(row, "full_j") for row in rows)
    return number(only(rows, component="array_2d.registers"), "full_j") / total_j
