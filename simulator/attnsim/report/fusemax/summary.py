"""The errors of the FuseMax report in a dozen lines: how many published points, and how far ours is off at most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attnsim.report import markdown
from attnsim.report.fusemax import cases
from attnsim.report.tables import Cell, Row, Tables, number

TIMES = ("latency_s", "utilization.array_2d", "utilization.array_1d")
FUSED = tuple(mapping for mapping in cases.MAPPINGS if mapping != "unfused")
TO_16K, FROM_64K = cases.LENGTHS[:3], cases.LENGTHS[3:]
Wanted = Mapping[str, tuple[Cell, ...]]

LINES: tuple[tuple[str, str, str, Wanted], ...] = (
    ("latency, utilization of both arrays", "fused mappings", "attention", {"metric": TIMES, "mapping": FUSED}),
    ("latency, utilization of both arrays", "unfused", "attention", {"metric": TIMES, "mapping": ("unfused",)}),
    ("DRAM traffic", "fused mappings", "attention", {"metric": ("bytes.dram",), "mapping": FUSED}),
    ("DRAM traffic", "unfused", "attention", {"metric": ("bytes.dram",), "mapping": ("unfused",)}),
    ("energy", "all, to 16K tokens", "attention", {"metric": ("energy_j.total",), "seq_len": TO_16K}),
    ("energy", "all, from 64K tokens", "attention", {"metric": ("energy_j.total",), "seq_len": FROM_64K}),
    ("latency and energy of the linear layers", "all", "claims", {"claim": ("linear-latency", "linear-energy")}),
    ("DRAM traffic of the linear layers", "all but XLM", "claims", {"claim": ("linear-traffic",)}),
    ("DRAM traffic of the linear layers", "XLM", "claims", {"claim": ("linear-traffic-xlm",)}),
    ("speedup of the encoder layer", "all", "ratios", {"scope": ("layer",), "ratio": ("speedup",)}),
    (
        "relative energy of the encoder layer",
        "all, to 16K tokens",
        "ratios",
        {"scope": ("layer",), "ratio": ("energy",), "seq_len": TO_16K},
    ),
    (
        "relative energy of the encoder layer",
        "all, from 64K tokens",
        "ratios",
        {"scope": ("layer",), "ratio": ("energy",), "seq_len": FROM_64K},
    ),
    ("headline means", "+Binding", "headlines", {}),
)
"""What is compared, of which configurations, the table it is in, and the values that its columns must have."""


def summary(tables: Tables) -> str:
    """A line for each kind of value: published points and the largest relative error of ours."""
    rows = [(what, of, *_worst(_chosen(tables[table], wanted))) for what, of, table, wanted in LINES]
    return markdown.table(("compared", "of", "published points", "largest error"), rows, left=2)


def _chosen(rows: Iterable[Row], wanted: Wanted) -> list[Row]:
    kept = (row for row in rows if all(row[column] in values for column, values in wanted.items()))
    return [row for row in kept if row["published"] is not None]


def _worst(rows: list[Row]) -> tuple[str, str]:
    points = sum(int(number(row, "points")) if "points" in row else 1 for row in rows)
    return str(points), markdown.error(max((number(row, "error") for row in rows), key=abs))
