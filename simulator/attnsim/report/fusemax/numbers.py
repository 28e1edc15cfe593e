"""Numbers of the FuseMax report: runs and claims to tables.

Every run is simulated once, for claims and tables together. Published values are those of the dataset's claims, so that
a table shows one exactly where a claim checks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from attnsim.claims import points_of
from attnsim.report.fusemax import cases
from attnsim.report.fusemax.energy import full_energy_j, total_j
from attnsim.report.fusemax.published import Published, claim_rows, headline_rows, published_values
from attnsim.report.tables import Cell, Row, Tables, relative_error, rounded
from attnsim.results import JsonObject
from attnsim.specs.claims import RunRequest, load_claims
from attnsim.validate import Track, judge, lookup, measure, run_key, runs_of

METRICS = ("latency_s", "utilization.array_2d", "utilization.array_1d", "bytes.dram", "energy_j.total")
EINSUM_MODEL = "bert"
PARTS_MODEL, PARTS_LENGTH = "bert", 16384
Runs = Mapping[str, JsonObject]


def collect(track: Track) -> Tables:
    """Simulate everything that the report shows."""
    claims = load_claims(cases.DATASET)
    points = points_of(claims)
    wanted = {run_key(run): run for run in (*runs_of(points), *cases.all_runs())}
    runs = measure(tuple(wanted.values()), track)
    validation = judge(claims, points, runs)
    published = published_values(validation)
    known: dict[str, float] = {}
    return {
        "claims": claim_rows(validation),
        "headlines": headline_rows(validation, known),
        "attention": _attention(runs, published),
        "einsums": _einsums(runs, published),
        "ratios": _ratios(runs, published),
        "bottlenecks": _bottlenecks(runs),
        "fill_drain": _fill_drain(runs),
        "register_files": _register_files(runs, known),
        "energy_parts": _energy_parts(runs),
        "array_sweep": _array_sweep(runs, published),
    }


def beside(published: float | None, ours: float) -> dict[str, Cell]:
    """A published value (None if there is none), ours and the relative error, rounded."""
    if published is None:
        return {"published": None, "ours": rounded(ours), "error": None}
    return {"published": rounded(published), "ours": rounded(ours), "error": relative_error(published, ours)}


def _attention(runs: Runs, published: Published) -> list[Row]:
    return [
        {
            "model": model,
            "seq_len": seq_len,
            "mapping": mapping,
            "metric": metric,
            **beside(published.get((run_key(run), metric, "")), lookup(runs, run, metric)),
        }
        for model, seq_len, mapping in product(cases.MODELS, cases.LENGTHS, cases.MAPPINGS)
        for metric in METRICS
        if (run := cases.attention(model, seq_len, mapping))
    ]


def _einsums(runs: Runs, published: Published) -> list[Row]:
    """Figure 7: utilization of the 2D array by Einsum; Unfused is not in the figure."""
    rows: list[Row] = []
    for seq_len, mapping in product(cases.LENGTHS, tuple(cases.MAPPINGS)[1:]):
        run = cases.attention(EINSUM_MODEL, seq_len, mapping)
        for einsum in _einsums_of(runs, run):
            metric = f"utilization_by_einsum.array_2d.{einsum}"
            values = beside(published.get((run_key(run), metric, "")), lookup(runs, run, metric))
            rows.append({"model": EINSUM_MODEL, "seq_len": seq_len, "mapping": mapping, "einsum": einsum, **values})
    return rows


def _einsums_of(runs: Runs, run: RunRequest) -> tuple[str, ...]:
    return _names(runs, run, "utilization_by_einsum", "array_2d")


def _names(runs: Runs, run: RunRequest, *path: str) -> tuple[str, ...]:
    """Keys of the object at a path of a run's JSON."""
    value: object = runs[run_key(run)]
    for step in path:
        assert isinstance(value, dict)
        value = value[step]
    assert isinstance(value, dict)
    return tuple(value)


def _ratios(runs: Runs, published: Published) -> list[Row]:
    """Figures 8 to 11: speedup and energy over each baseline."""
    rows: list[Row] = []
    cells = product(("attention", "layer"), cases.MODELS, cases.LENGTHS, cases.MAPPINGS, cases.BASELINES)
    for scope, model, seq_len, mapping, baseline in cells:
        if mapping == baseline:
            continue
        make = cases.attention if scope == "attention" else cases.layer
        run, over = make(model, seq_len, mapping), make(model, seq_len, baseline)
        at: dict[str, Cell] = {"scope": scope, "model": model, "seq_len": seq_len, "mapping": mapping, "over": baseline}
        for what, metric in (("speedup", "latency_s"), ("energy", "energy_j.total")):
            mine, theirs = lookup(runs, run, metric), lookup(runs, over, metric)
            ours = theirs / mine if what == "speedup" else mine / theirs
            known = published.get((run_key(run), metric, run_key(over)))
            rows.append({**at, "ratio": what, **beside(known, ours)})
    return rows


def _bottlenecks(runs: Runs) -> list[Row]:
    rows: list[Row] = []
    for model, mapping, seq_len in product(cases.SHAPES, cases.MAPPINGS, cases.LENGTHS):
        run = cases.attention(model, seq_len, mapping)
        at: dict[str, Cell] = {"model": model, "mapping": mapping, "seq_len": seq_len}
        for resource in _names(runs, run, "bottleneck_share"):
            share = lookup(runs, run, f"bottleneck_share.{resource}")
            rows.append({**at, "resource": resource, "share": rounded(share, 3)})
    return rows


def _fill_drain(runs: Runs) -> list[Row]:
    """The ideal pipeline beside the modeled one: how much longer it takes, and how long it only waits."""
    rows: list[Row] = []
    for model, mapping, seq_len in product(cases.SHAPES, cases.MAPPINGS, cases.LENGTHS):
        ideal, modeled = cases.attention(model, seq_len, mapping), cases.modeled(model, seq_len, mapping)
        latencies_s = [lookup(runs, run, "latency_s") for run in (ideal, modeled)]
        busy = [lookup(runs, run, "utilization.array_2d") for run in (ideal, modeled)]
        rows.append(
            {
                "model": model,
                "mapping": mapping,
                "seq_len": seq_len,
                "ideal_s": rounded(latencies_s[0]),
                "modeled_s": rounded(latencies_s[1]),
                "longer": _longer(*latencies_s),
                "ideal_utilization_2d": rounded(busy[0], 4),
                "modeled_utilization_2d": rounded(busy[1], 4),
            }
        )
    return rows


def _longer(ideal_s: float, modeled_s: float) -> float:
    """How much longer the modeled pipeline takes, relative to the ideal one, with three digits; 0 below 1e-6."""
    longer = modeled_s / ideal_s - 1.0
    return 0.0 if abs(longer) < 1e-6 else rounded(longer, 3)


def _register_files(runs: Runs, known: dict[str, float]) -> list[Row]:
    """Energy of +Binding over each baseline, with one register file and with all of them."""
    rows: list[Row] = []
    for model, seq_len, baseline in product(cases.SHAPES, cases.LENGTHS, cases.BASELINES):
        pair = [cases.attention(model, seq_len, mapping) for mapping in ("binding", baseline)]
        one, every = [lookup(runs, run, "energy_j.total") for run in pair], [total_j(run, known) for run in pair]
        rows.append(
            {
                "model": model,
                "seq_len": seq_len,
                "over": baseline,
                "one_file": rounded(one[0] / one[1]),
                "all_files": rounded(every[0] / every[1]),
            }
        )
    return rows


def _energy_parts(runs: Runs) -> list[Row]:
    """Where the energy goes, by component, counted as the artifact does and in full."""
    rows: list[Row] = []
    for mapping in cases.MAPPINGS:
        run = cases.attention(PARTS_MODEL, PARTS_LENGTH, mapping)
        counted = runs[run_key(run)]["energy_j"]
        assert isinstance(counted, dict)
        for component, full_j in full_energy_j(run).items():
            values = {"artifact_j": rounded(counted.get(component, 0.0)), "full_j": rounded(full_j)}
            rows.append({"mapping": mapping, "component": component, **values})
    return rows


def _array_sweep(runs: Runs, published: Published) -> list[Row]:
    """Figure 12: area and latency by array size."""
    rows: list[Row] = []
    for model, size in product(cases.SWEEPS, cases.ARRAY_SIZES):
        run = cases.array(model, size)
        row: dict[str, Cell] = {"model": model, "array": size, "hardware": str(run.hardware)}
        for metric in ("area_m2", "latency_s", "bytes.dram"):
            known = published.get((run_key(run), metric, ""))
            row |= {f"{metric} {key}": value for key, value in beside(known, lookup(runs, run, metric)).items()}
        rows.append(row)
    return rows
