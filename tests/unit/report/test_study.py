"""The page of a study: what it says of a small space with known answers, and Sobol indices against SALib's estimate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from SALib.analyze import sobol as sobol_analysis
from SALib.sample import sobol as sobol_sample

from attnsim.explore.evaluate import Judged
from attnsim.explore.results import read_results
from attnsim.explore.space import Design, Space, labels
from attnsim.explore.store import Store
from attnsim.explore.sweep import Rows
from attnsim.report.study import figures, page, tables_of
from attnsim.report.study.designs import read_designs
from attnsim.report.study.shares import shares_of
from attnsim.report.tables import Tables, dumps, number, only
from attnsim.specs.load import load_text
from attnsim.specs.study import Study, study_problems

TEXT = """
name: toy
title: A toy
source: a test
notes: which is best?
base: {hardware: fusemax, mapping: binding, model: bert, batch: 1}
vary:
  seq_len: [1, 2, 4, 8]
  hardware.clock: [1 GHz, 2 GHz, 4 GHz]
  hardware.memories.dram.bandwidth: [1 GB/s, 2 GB/s]
minimize: [latency_s, area_m2]
record: [utilization.dram, utilization.array_2d]
"""


def latency(design: Design) -> float:
    """A product of powers: its logarithm is a sum, so that first-order and total indices are known and equal."""
    clock = float(str(design["hardware.clock"]).split()[0])
    return float(design["seq_len"]) ** 2 / clock  # type: ignore[arg-type]


def results(folder: Path, *, lacking: int | None = None) -> Tables:
    """Tables of the toy."""
    fill(folder, lacking=lacking)
    return tables_of(folder)


def fill(folder: Path, *, lacking: int | None = None, text: str = TEXT) -> None:
    """Results of the toy with these latencies; area grows with the bandwidth. lacking: a design without metrics."""
    study = load_text(text, Study, "toy.yaml", study_problems)
    space = Space(study)
    rows: Rows = []
    for at in range(space.size or 0):
        design = space.design(at)
        assert design is not None
        area = float(str(design["hardware.memories.dram.bandwidth"]).split()[0])
        values = (latency(design), area, 0.5, 0.25)
        gone = at == lacking
        rows.append((at, design, Judged(values=(None,) * 4 if gone else values, infeasible="no room" if gone else "")))
    with Store(folder, study, resume=True) as store:
        store.add(0, len(rows), rows)


def test_the_front_and_the_costs_of_values_are_those_of_the_numbers(tmp_path: Path) -> None:
    tables = results(tmp_path)
    (best,) = tables["front"]
    assert (best["seq_len"], best["hardware.clock"], best["latency_s"]) == ("1", "4 GHz", 0.25)
    cost = only(tables["costs"], path="seq_len", value="4", objective="latency_s")
    assert number(cost, "ratio") == 16.0
    around = only(tables["around"], path="hardware.clock", value="1 GHz")
    assert (around["latency_s"], around["area_m2"]) == (4.0, 1.0)


def test_sobol_indices_of_a_product_are_the_variances_of_its_logarithms(tmp_path: Path) -> None:
    tables = results(tmp_path)
    parts = {"seq_len": np.var([0, 2, 4, 6]), "hardware.clock": np.var([0, 1, 2])}
    whole = sum(parts.values())
    for path, part in parts.items():
        share = only(tables["shares"], path=path, objective="latency_s")
        assert number(share, "first") == pytest.approx(part / whole, abs=1e-4)
        assert number(share, "total") == pytest.approx(part / whole, abs=1e-4)


def test_sobol_indices_agree_with_those_that_salib_estimates_by_sampling_the_grid(tmp_path: Path) -> None:
    tables = results(tmp_path)
    problem = {"num_vars": 3, "names": ["s", "c", "b"], "bounds": [[0, 1]] * 3}
    samples = np.asarray(sobol_sample.sample(problem, 1024, calc_second_order=False, seed=1))
    clock, length = 2.0 ** np.floor(samples[:, 1] * 3), 2.0 ** np.floor(samples[:, 0] * 4)
    found = sobol_analysis.analyze(problem, np.log(length**2 / clock), calc_second_order=False, seed=1)
    for place, path in enumerate(("seq_len", "hardware.clock")):
        share = only(tables["shares"], path=path, objective="latency_s")
        assert number(share, "first") == pytest.approx(found["S1"][place], abs=0.03)
        assert number(share, "total") == pytest.approx(found["ST"][place], abs=0.03)


def test_values_that_leave_designs_without_metrics_are_left_out_of_the_indices(tmp_path: Path) -> None:
    tables = results(tmp_path, lacking=0)
    assert str(tables["study"][0]["shares"]).endswith("with all of seq_len 1.")
    assert only(tables["reasons"], reason="no room")["designs"] == 1


def test_a_random_search_has_estimated_first_order_indices_and_others_have_none(tmp_path: Path) -> None:
    more = TEXT.replace("[1, 2, 4, 8]", f"{[2**power for power in range(12)]}")
    fill(tmp_path / "a", text=f"{more}sampler: random\nbudget: 72\n")
    fill(tmp_path / "b", text=f"{more}sampler: nsga2\nbudget: 72\n")
    found, how = shares_of(read_designs(tmp_path / "a", read_results(tmp_path / "a")))
    assert "SALib" in how
    share = next(one for one in found if (one.path, one.objective) == ("seq_len", "latency_s"))
    assert share.total is None
    assert share.first > 0.8
    assert shares_of(read_designs(tmp_path / "b", read_results(tmp_path / "b")))[0] == []


def test_a_page_shows_every_figure_and_is_the_same_every_time(tmp_path: Path) -> None:
    tables = results(tmp_path)
    drawn, text = figures(tables), page(tables)
    assert set(drawn) == {"front", "parallel", "around", "shares", "busy"}
    assert all(f"figures/study_toy_{name}.svg" in text for name in drawn)
    assert (dumps(tables_of(tmp_path)), figures(tables), page(tables)) == (dumps(tables), drawn, text)
    assert "attnsim run --model bert --hardware fusemax --mapping binding --seq-len 1" in text


def test_labels_are_the_last_steps_that_tell_paths_apart() -> None:
    paths = ("system.pools.model.devices", "system.pools.memory.devices", "batch", "mapping.launches.0.tiles.4.m")
    assert labels(paths) == ("model.devices", "memory.devices", "batch", "m")
    assert labels(("hardware.arrays.array_2d.shape.0", "batch")) == ("shape.0", "batch")
