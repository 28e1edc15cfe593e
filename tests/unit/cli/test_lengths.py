"""Lengths and extents as people type them."""

from __future__ import annotations

import pytest

from attnsim.cli.lengths import parse_extents, parse_length, parse_lengths, show_length
from attnsim.errors import AttnSimError


@pytest.mark.parametrize(
    ("text", "tokens"), [("16384", 16384), ("16K", 16384), ("16k", 16384), ("1M", 1048576), (" 7 ", 7)]
)
def test_a_length_is_a_number_or_one_with_k_or_m(text: str, tokens: int) -> None:
    assert parse_length(text) == tokens


def test_lengths_are_separated_by_commas() -> None:
    assert parse_lengths("1K, 4K,100") == (1024, 4096, 100)


@pytest.mark.parametrize("text", ["", "0", "-1", "16G", "1.5K", "1e3", "K", "two", "99999999M", "٣", "1K,,2K"])
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(AttnSimError, match=r"^--seq-len: .*; (write a number such as|lengths go from 1)"):
        parse_lengths(text)


def test_every_bad_length_is_named() -> None:
    with pytest.raises(AttnSimError) as caught:
        parse_lengths("0,16K,x")
    assert [problem.what for problem in caught.value.problems] == ["0 is out of range", "'x' is not a length"]


def test_one_length_is_wanted_where_several_make_no_sense() -> None:
    with pytest.raises(AttnSimError, match="is several lengths; give one"):
        parse_length("1K,2K")


@pytest.mark.parametrize(
    ("length", "text"), [(1024, "1K"), (1048576, "1M"), (1000, "1000"), (1536, "1536"), (3072, "3K")]
)
def test_a_length_is_shown_as_it_would_be_typed(length: int, text: str) -> None:
    assert show_length(length) == text
    assert parse_length(text) == length


def test_extents_bind_ranks() -> None:
    assert parse_extents(["M0=256", "P = 16K"]) == {"M0": 256, "P": 16384}
    assert parse_extents(None) == {}


@pytest.mark.parametrize(
    ("text", "message"), [("m0=4", "is not an extent"), ("M0", "is not an extent"), ("M0=0", "out of range")]
)
def test_a_bad_extent_is_refused(text: str, message: str) -> None:
    with pytest.raises(AttnSimError, match=message):
        parse_extents([text])
