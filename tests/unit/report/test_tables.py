"""Tables of reports: rounding that hides last digits, and JSON that comes back as it was."""

from __future__ import annotations

import json

import pytest

from attnsim.errors import AttnSimError
from attnsim.report.tables import Row, Tables, dumps, loads, number, only, relative_error, rounded, select

TABLES: Tables = {
    "speed": [{"model": "bert", "seq_len": 1024, "ours": 0.5, "published": None, "holds": True}],
    "nothing": [],
}


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [(1234567.0, 6, 1234570.0), (0.1 + 0.2, 6, 0.3), (-2.345e-9, 2, -2.3e-9), (0.0, 6, 0.0), (30266.668, 3, 30300.0)],
)
def test_numbers_are_rounded_to_significant_digits(value: float, digits: int, shown: float) -> None:
    assert rounded(value, digits) == shown


@pytest.mark.parametrize(
    ("published", "ours", "error"),
    [(2.0, 2.1, 0.05), (2.0, 1.99, -0.005), (3.0, 3.0 + 3e-11, 0.0), (1e12, 1e12 * (1 + 1.74e-7), 1.7e-7)],
)
def test_errors_have_two_digits_and_rounding_is_no_error(published: float, ours: float, error: float) -> None:
    assert relative_error(published, ours) == error


def test_tables_come_back_from_their_json() -> None:
    assert loads(dumps(TABLES)) == TABLES


def test_every_row_stands_on_a_line_of_its_own() -> None:
    lines = dumps({"a": [{"x": 1}, {"x": 2}]}).splitlines()
    assert [json.loads(line.rstrip(",")) for line in lines if line.startswith('{"')] == [{"x": 1}, {"x": 2}]


def test_rows_are_found_by_the_values_of_their_columns() -> None:
    rows: list[Row] = [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]
    assert list(select(rows, b="x")) == rows
    assert number(only(rows, a=2, b="x"), "a") == 2.0


def test_a_broken_file_is_a_message_with_its_line() -> None:
    with pytest.raises(AttnSimError, match=r"fusemax.json:2: not JSON: .*; write it again with `attnsim report`"):
        loads('{\n"a": [}', "fusemax.json")
