"""What every dataset in `validation/` owes its reader: sources, units, a README, and no value that is never checked."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from attnsim.claims import points_of
from attnsim.specs.claims import load_claims
from attnsim.specs.library import shipped_files

FOLDERS = {name: path.parent for name, path in shipped_files("validation").items()}
FILES = [path for folder in FOLDERS.values() for path in sorted(folder.glob("*.csv"))]
UNITS = {"latency_s": "s", "bytes": "B", "energy_j": "J", "area_m2": "m2", "area_by_component_m2": "m2"}
UNITS |= {"useful_flops_per_s": "FLOP/s", "price_usd_per_hour": "USD/h", "weights_read_bytes": "B"}
UNITS |= {"phases": "s", "utilization": "1", "lower_bounds_s": "s", "speedup": "1", "energy_ratio": "1"}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_row_has_a_source_and_a_number_in_the_unit_of_its_metric(path: Path) -> None:
    for row in rows(path):
        assert row["source"].strip()
        assert float(row["value"]) > 0
        assert row["unit"] == UNITS[row.get("metric", "utilization").split(".")[0]], row


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_value_is_there_twice(path: Path) -> None:
    keys = Counter(tuple(v for k, v in row.items() if k not in ("value", "figure", "source")) for row in rows(path))
    assert [key for key, count in keys.items() if count > 1] == []


@pytest.mark.parametrize("name", FOLDERS)
def test_every_value_is_claimed(name: str) -> None:
    claimed = Counter(point.value for point in points_of(load_claims(name)))
    stored = Counter(float(row["value"]) for path in FOLDERS[name].glob("*.csv") for row in rows(path))
    assert stored - claimed == Counter()


@pytest.mark.parametrize("name", FOLDERS)
def test_a_readme_names_every_file(name: str) -> None:
    readme = (FOLDERS[name] / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in FOLDERS[name].iterdir() if path.name not in (*readme.split("`"), "README.md")] == []
    assert f"({name}/README.md)" in (FOLDERS[name].parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FOLDERS)
def test_a_tolerance_beyond_one_percent_says_why(name: str) -> None:
    wide = [claim for claim in load_claims(name).claims if (claim.tolerance.relative or 0) > 1e-2]
    assert [claim.name for claim in wide if not claim.notes] == []
