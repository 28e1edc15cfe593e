"""Published values beside simulated ones: for each run of a table, what a dataset's claims say it should give."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attnsim.claims import points_of
from attnsim.cli.lengths import show_length
from attnsim.cli.tables import percent, render, seconds, share_list, table
from attnsim.mapping.infeasible import Infeasible
from attnsim.pipeline import Request, Run
from attnsim.results import run_json
from attnsim.specs.claims import load_claims
from attnsim.units import in_binary_units, in_units
from attnsim.validate import request_of

Show = Callable[[float], str]
Published = dict[tuple[str, str], float]

METRICS: tuple[tuple[str, str, Show], ...] = (
    ("latency", "latency_s", seconds),
    ("2D used", "utilization.array_2d", percent),
    ("1D used", "utilization.array_1d", percent),
    ("DRAM", "bytes.dram", in_binary_units),
    ("energy", "energy_j.total", lambda joule: in_units(joule, "J")),
)
WIDTH = 240
LEFT = ("model", "mapping", "limited by")


def published_values(dataset: str) -> Published:
    """Value by (run, metric) of every claimed point of a dataset that is one metric of one run."""
    values: Published = {}
    for point in points_of(load_claims(dataset)):
        term = point.terms[0]
        if len(point.terms) == 1 and len(term.runs) == 1:
            values[_key(request_of(term.run)), term.metric] = point.value
    return values


def _key(request: Request) -> str:
    """Equal for requests that ask for the same thing; what was left out is filled in as the claims fill it in."""
    told = (request.model, request.mapping, request.hardware, request.cascade, request.scope)
    return repr((*told, request.seq_len, request.batch, request.overrides, request.fill_drain))


def published_table(results: Sequence[tuple[Request, Run | Infeasible]], dataset: str) -> str:
    """One row a run: each metric as simulated, as published and by how much they differ; then area and what limits."""
    published = published_values(dataset)
    headings = ["model", "tokens", "mapping"]
    for name, _, _ in METRICS:
        headings += [name, "published", "error"]
    rows = [_row(request, result, published) for request, result in results]
    return render(table((*headings, "area", "limited by"), rows, left=LEFT), least_width=WIDTH)


def _row(request: Request, result: Run | Infeasible, published: Published) -> list[str]:
    tokens = show_length(request.seq_len) if request.seq_len is not None else ""
    head = [request.model or "", tokens, request.mapping or ""]
    if isinstance(result, Infeasible):
        return [*head, "does not fit"]
    cells = []
    document = run_json(result)
    for _, metric, show in METRICS:
        ours = _lookup(document, metric)
        theirs = published.get((_key(request), metric))
        cells += [show(ours), *(("", "") if theirs is None else (show(theirs), f"{100 * (ours / theirs - 1):+.2f} %"))]
    area_m2 = result.metrics.total_area_m2
    area = "" if area_m2 is None else f"{area_m2 * 1e6:,.0f} mm^2"
    return [*head, *cells, area, share_list(result.metrics.bottleneck)]


def _lookup(document: object, metric: str) -> float:
    for step in metric.split("."):
        document = document.get(step, float("nan")) if isinstance(document, dict) else float("nan")
    return document if isinstance(document, float) else float("nan")
