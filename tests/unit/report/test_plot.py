"""Figures are the same bytes on every run, carry no date or version, and keep their letters."""

from __future__ import annotations

import matplotlib
import pytest

from attnsim.report import plot


def drawn() -> str:
    with plot.styled():
        figure, axes = plot.panels(1, 2, width_in=4, height_in=3)
        (line,) = axes[0][0].plot([0, 1], [0, 1], color=plot.BLUE)
        plot.legend(figure, [line, plot.hollow(axes[0][0], [0], [1])], ["ours", "published"])
        return plot.svg(figure)


def test_the_same_figure_is_the_same_bytes() -> None:
    assert drawn() == drawn()


def test_a_figure_has_neither_date_nor_version() -> None:
    text = drawn()
    assert "<dc:date>" not in text
    assert matplotlib.__version__ not in text.replace("<?xml", "")


def test_words_in_a_figure_can_be_searched() -> None:
    assert ">published</text>" in drawn()


def test_the_users_own_style_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = drawn()
    monkeypatch.setitem(matplotlib.rcParams, "lines.linewidth", 9.0)
    assert drawn() == before
    assert matplotlib.rcParams["lines.linewidth"] == 9.0
