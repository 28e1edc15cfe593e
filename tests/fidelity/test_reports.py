"""The committed numbers are those that the code gives now: a spread of rows, simulated again."""

from __future__ import annotations

import pytest

from attnsim.report.fusemax import cases
from attnsim.report.fusemax.energy import full_energy_j
from attnsim.report.tables import Row, loads, number, rounded, text
from attnsim.report.write import default_folder
from attnsim.specs.claims import RunRequest
from attnsim.validate import lookup, measure

TABLES = loads((default_folder() / "fusemax.json").read_text(encoding="utf-8"))
REMEDY = "write it again: attnsim report fusemax"


def every(table: str, step: int) -> list[Row]:
    return list(TABLES[table][::step])


def ours(run: RunRequest, metric: str) -> float:
    return rounded(lookup(measure([run]), run, metric))


@pytest.mark.parametrize("row", every("attention", 37), ids=lambda row: "-".join(map(str, list(row.values())[:4])))
def test_a_committed_number_of_attention_is_what_a_run_gives(row: Row) -> None:
    run = cases.attention(text(row, "model"), int(number(row, "seq_len")), text(row, "mapping"))
    assert ours(run, text(row, "metric")) == row["ours"], REMEDY


@pytest.mark.parametrize("row", every("fill_drain", 13), ids=lambda row: "-".join(map(str, list(row.values())[:3])))
def test_a_committed_number_of_the_modeled_pipeline_is_what_a_run_gives(row: Row) -> None:
    run = cases.modeled(text(row, "model"), int(number(row, "seq_len")), text(row, "mapping"))
    assert ours(run, "latency_s") == row["modeled_s"], REMEDY


@pytest.mark.parametrize("row", every("array_sweep", 4), ids=lambda row: f"{row['hardware']}")
def test_a_committed_number_of_the_array_sweep_is_what_a_run_gives(row: Row) -> None:
    run = cases.array(text(row, "model"), int(number(row, "array")))
    assert ours(run, "area_m2") == row["area_m2 ours"], REMEDY


def test_all_register_files_cost_what_is_committed() -> None:
    parts = {text(r, "component"): r["full_j"] for r in TABLES["energy_parts"] if r["mapping"] == "binding"}
    energy_j = full_energy_j(cases.attention("bert", 16384, "binding"))
    assert {name: rounded(value) for name, value in energy_j.items()} == parts, REMEDY
