"""A results folder of a study as tables: what its page and its figures show, and no more, however many designs."""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from attnsim.errors import AttnSimError
from attnsim.explore.designs import command_of
from attnsim.explore.results import Results, best_rows, design_number, design_of, read_results, require_front
from attnsim.explore.results import Row as Found
from attnsim.explore.run import check
from attnsim.explore.space import Space
from attnsim.explore.store import REASON
from attnsim.explore.sweep import sweep
from attnsim.report.study.designs import Designs, read_designs
from attnsim.report.study.shares import Share, shares_of
from attnsim.report.tables import Cell, Row, Tables, rounded
from attnsim.specs.study import Study, load_study
from attnsim.validate import Track

MOST_FRONT, MOST_CLOUD, MOST_REASONS, MOST_COMMANDS = 400, 1500, 12, 12


def collect(name: str, _track: Track) -> Tables:
    """Run a shipped study over its whole grid, and make the tables of its page."""
    study = load_study(name)
    check(study)
    with tempfile.TemporaryDirectory() as folder:
        sweep(study, Path(folder))
        return tables_of(Path(folder))


def tables_of(folder: Path) -> Tables:
    """The tables of a results folder; AttnSimError for one without a feasible design."""
    results = read_results(folder)
    require_front(results)
    designs = read_designs(folder, results)
    shares, how = shares_of(designs)
    balanced = designs.balanced()
    return {
        "study": [_study(results, how, int(designs.numbers[balanced]))],
        "paths": [{"path": path, "label": label} for path, label in zip(designs.paths, designs.labels, strict=True)],
        "values": [row for path in designs.paths for row in _values(designs, path)],
        "objectives": [_objective(designs, name) for name in results.study.objectives],
        "groups": [{"group": group} for group in designs.group_names],
        "front": [_row(designs, place) for place in _shown(designs, balanced)],
        "cloud": list(_cloud(designs)),
        "costs": list(_costs(designs)),
        "around": list(_around(designs, balanced)),
        "shares": [_share(share) for share in shares],
        "busy": list(_busy(designs)),
        "reasons": _reasons(results),
        "commands": list(_commands(results, designs, balanced)),
    }


def _shown(designs: Designs, balanced: int) -> list[int]:
    """Rows of the front, evenly thinned out where there are very many, the balanced one among them."""
    step = max(1, -(-len(designs.front) // MOST_FRONT))
    kept = {*designs.front[::step], balanced}
    return [row for row in designs.front if row in kept]


def _study(results: Results, how: str, balanced: int) -> Row:
    study = results.study
    workloads = [
        ", ".join(f"{key} {value}" for key, value in run.model_dump(exclude_unset=True).items())
        for run in study.workloads
    ]
    return {
        "name": study.name,
        "title": study.title or study.name,
        "source": str(study.source),
        "notes": study.notes,
        "sampler": study.sampler,
        "workloads": "; ".join(workloads),
        "aggregate": study.aggregate,
        "bounds": "; ".join(study.subject_to),
        "each": ", ".join(study.each),
        "designs": results.designs,
        "feasible": results.feasible,
        "front": len(results.front),
        "balanced": balanced,
        "shares": how,
    }


def _values(designs: Designs, path: str) -> Iterator[Row]:
    for place, value in enumerate(designs.texts[path]):
        yield {"path": path, "place": place, "value": value}


def _objective(designs: Designs, name: str) -> Row:
    study = designs.study
    metric = designs.metric(name)[designs.feasible]
    goal = "least" if name in study.minimize else "most"
    return {"name": name, "goal": goal, "low": rounded(float(metric.min())), "high": rounded(float(metric.max()))}


def _row(designs: Designs, place: int) -> Row:
    cells: dict[str, Cell] = {"design": int(designs.numbers[place]), "group": designs.group(place)}
    cells |= {path: designs.text(path, place) for path in designs.paths}
    return cells | {name: rounded(float(designs.metric(name)[place])) for name in designs.study.objectives}


def _cloud(designs: Designs) -> Iterator[Row]:
    """Objectives of feasible designs, evenly thinned out, without those of the front."""
    front = set(designs.front)
    others = [place for place in designs.feasible.nonzero()[0].tolist() if place not in front]
    step = max(1, -(-len(others) // MOST_CLOUD))
    for place in others[::step]:
        yield {name: rounded(float(designs.metric(name)[place]), 4) for name in designs.study.objectives}


def _costs(designs: Designs) -> Iterator[Row]:
    """The best of each objective with a value, over the best of all, by group."""
    study = designs.study
    paths = [path for path in designs.paths if path not in study.each]
    for path, name in itertools.product(paths, study.objectives):
        for group, value, ratio in designs.best_with(path, name):
            shown = rounded(ratio) if math.isfinite(ratio) else None
            yield {"path": path, "value": value, "group": group, "objective": name, "ratio": shown}


def _around(designs: Designs, balanced: int) -> Iterator[Row]:
    """Objectives over those of the balanced design, one path varied and the others as they are there."""
    pairs = [(path, place) for path in designs.paths for place in designs.neighbours(balanced, path)]
    for path, place in pairs:
        cells: dict[str, Cell] = {"path": path, "value": designs.text(path, place), "same": place == balanced}
        for name in designs.study.objectives:
            metric = designs.metric(name)
            cells[name] = rounded(float(metric[place] / metric[balanced])) if metric[balanced] else None
        yield cells


def _share(share: Share) -> Row:
    total = None if share.total is None else rounded(share.total, 4)
    return {"objective": share.objective, "path": share.path, "first": rounded(share.first, 4), "total": total}


def _busy(designs: Designs) -> Iterator[Row]:
    """Where designs stand under their roofs: FLOP/s over FLOP a byte of DRAM, or else how busy DRAM and arrays are."""
    names = designs.study.metrics
    kept = designs.feasible.nonzero()[0].tolist()
    kept = kept[:: max(1, -(-len(kept) // MOST_CLOUD))]
    front = set(designs.front)
    if {"useful_flops_per_s", "bytes.dram", "latency_s"} <= set(names):
        rate = designs.metric("useful_flops_per_s")
        traffic = designs.metric("bytes.dram") / designs.metric("latency_s")
        pairs = [(place, rate[place] / traffic[place] if traffic[place] else None, rate[place]) for place in kept]
        kind = "roofline"
    elif "utilization.dram" in names and (unit := _unit(names)):
        pairs = [(place, designs.metric("utilization.dram")[place], designs.metric(unit)[place]) for place in kept]
        kind = unit
    else:
        return
    for place, across, up in pairs:
        if across is not None and up == up and across == across:
            x, y = rounded(float(across), 4), rounded(float(up), 4)
            yield {"kind": kind, "x": x, "y": y, "front": place in front}


def _unit(names: Sequence[str]) -> str:
    """The first part of the hardware beside the DRAM whose utilization is written down."""
    return next((name for name in names if name.startswith("utilization.") and name != "utilization.dram"), "")


def _reasons(results: Results) -> list[Row]:
    most = sorted(results.reasons.items(), key=lambda item: (-item[1], item[0]))
    rows: list[Row] = [{"reason": reason, "designs": count} for reason, count in most[:MOST_REASONS]]
    left = sum(count for _, count in most[MOST_REASONS:])
    return [*rows, {"reason": "other reasons", "designs": left}] if left else rows


def _commands(results: Results, designs: Designs, balanced: int) -> Iterator[Row]:
    """Runs of the balanced design and of the best of each objective, of each group."""
    study = results.study
    told: dict[int, list[str]] = {}
    if len(study.objectives) > 1 and not study.each:
        told[int(designs.numbers[balanced])] = ["balanced"]
    rows = {design_number(row): row for row in results.front}
    for name in study.objectives:
        for row in best_rows(results, name, 1):
            told.setdefault(design_number(row), []).append(f"best {name}")
    for number, words in list(told.items())[:MOST_COMMANDS]:
        for command in _runs(study, rows[number]):
            yield {"design": number, "what": ", ".join(words), "command": command}


def _runs(study: Study, row: Found) -> list[str]:
    assert row[REASON] == ""
    try:
        return [command_of(run, {}) for run in Space(study).runs(design_of(study, row))]
    except AttnSimError:
        return []
