"""Every shipped study: it loads, says what it is, its space is as large as it says, and designs of it are feasible."""

from __future__ import annotations

import re

import pytest

from attnsim.explore.evaluate import judge
from attnsim.explore.run import check
from attnsim.explore.space import Space
from attnsim.specs.library import names
from attnsim.specs.study import load_study

NAMES = names("study")
TRIED = 12
"""Designs of a study that are simulated, from the first to the last."""


def spread(space: Space) -> list[int]:
    """Numbers of designs over the whole grid."""
    assert space.size is not None
    numbers = [number for number in range(space.size) if space.design(number) is not None]
    step = max(1, len(numbers) // TRIED)
    return numbers[step // 2 :: step][:TRIED]


def test_there_is_a_study_for_every_family() -> None:
    assert len(NAMES) >= 8
    bases = [load_study(name).base for name in NAMES]
    assert {base.hardware for base in bases} >= {"fusemax", "h100_sxm", "neupims"}
    assert any(base.system for base in bases)


@pytest.mark.parametrize("name", NAMES)
def test_a_study_asks_a_question_and_says_how_many_designs_answer_it(name: str) -> None:
    study = load_study(name)
    assert study.title
    assert "?" in study.notes
    space = Space(study)
    assert space.size is not None
    count = sum(space.design(number) is not None for number in range(space.size))
    stated = re.search(r"([\d,]+) (designs|compositions)", study.notes)
    assert stated is not None
    assert int(stated[1].replace(",", "")) == count


@pytest.mark.parametrize("name", NAMES)
def test_the_paths_and_metrics_of_a_study_are_there(name: str) -> None:
    check(load_study(name))


@pytest.mark.parametrize("name", NAMES)
def test_designs_of_a_study_are_feasible_and_those_that_are_not_say_why(name: str) -> None:
    space = Space(load_study(name))
    designs = [design for number in spread(space) if (design := space.design(number)) is not None]
    judged = judge(space, designs)
    assert sum(not one.infeasible for one in judged) >= len(judged) // 4
    wrong = [
        one.infeasible for one in judged if re.search(r"known:|has no '|is not the name|Did you mean", one.infeasible)
    ]
    assert wrong == []
