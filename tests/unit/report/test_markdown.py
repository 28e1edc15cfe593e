"""How pages write numbers."""

from __future__ import annotations

import pytest

from attnsim.report import markdown


@pytest.mark.parametrize(
    ("value", "text"), [(10.0519, "10.05"), (0.76738, "0.7674"), (21905.0, "21905"), (0.05, "0.05000"), (0.0, "0")]
)
def test_numbers_have_four_digits_and_no_exponent(value: float, text: str) -> None:
    assert markdown.short(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (-0.0021, "-0.21 %"), (0.56, "+56 %"), (1.7e-7, "+1.7e-05 %")])
def test_errors_have_a_sign(value: float, text: str) -> None:
    assert markdown.error(value) == text


@pytest.mark.parametrize(("lengths", "text"), [([1024], "1K"), ([1024, 4096, 65536], "1K to 64K"), ([2**20], "1M")])
def test_lengths_are_written_as_papers_do(lengths: list[int], text: str) -> None:
    assert markdown.spread(lengths) == text


def test_a_table_aligns_labels_to_the_left_and_numbers_to_the_right() -> None:
    assert markdown.table(("a", "b"), [("x", "1")]) == "| a | b |\n| --- | ---: |\n| x | 1 |"
