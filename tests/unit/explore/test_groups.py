"""Fronts of groups, values by map: what `each` and `map` of a study do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from attnsim.errors import SpecError
from attnsim.explore.front import Front
from attnsim.explore.results import best_rows, read_results
from attnsim.explore.run import run_study
from attnsim.explore.space import Space
from attnsim.specs.load import load_text
from attnsim.specs.study import Study, study_problems

TEXT = """
name: s
source: a test
base: {hardware: fusemax, mapping: binding, model: bert, batch: 1}
vary:
  seq_len: [1024, 2048]
  cascade: [attention_1pass, linear_attention_chunked]
  hardware.clock: [900 MHz, 1 GHz]
derive:
  hardware.memories.dram.bandwidth: {of: hardware.clock, map: {1 GHz: 500 GB/s}}
each: [seq_len]
minimize: [latency_s]
"""


def study(text: str = TEXT) -> Study:
    return load_text(text, Study, "s.yaml", study_problems)


def test_designs_of_different_groups_do_not_beat_one_another() -> None:
    front = Front((1, 1))
    front.add(np.array([0, 1]), np.array([[1.0, 1.0], [2.0, 2.0]]), [("a",), ("b",)])
    front.add(np.array([2, 3]), np.array([[3.0, 3.0], [1.5, 1.5]]), [("a",), ("b",)])
    assert front.numbers.tolist() == [0, 3]
    assert front.values.tolist() == [[1.0, 1.0], [1.5, 1.5]]


def test_a_map_sets_a_path_for_some_values_and_leaves_it_alone_for_others() -> None:
    space = Space(study())
    runs = [space.runs(design)[0].set for number in (0, 1) if (design := space.design(number))]
    assert [run.get("hardware.memories.dram.bandwidth") for run in runs] == [None, "500 GB/s"]


def test_each_value_has_a_front_and_a_best_design(tmp_path: Path) -> None:
    one = study(TEXT.replace("cascade: [attention_1pass, linear_attention_chunked]", "batch: [1, 2]"))
    run_study(one, tmp_path / "out")
    results = read_results(tmp_path / "out")
    assert [(row["seq_len"], row["batch"], row["hardware.clock"]) for row in results.front] == [
        ("1024", "1", "1 GHz"),
        ("2048", "1", "1 GHz"),
    ]
    assert [row["design"] for row in best_rows(results, None, 1)] == [row["design"] for row in results.front]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("each: [seq_len]", "each: [seqlen]", "'seqlen' is not varied"),
        ("each: [seq_len]", "each: [seq_len]\nsampler: random\nbudget: 9", "a random search has one front"),
        ("{1 GHz: 500 GB/s}", "{2 GHz: 500 GB/s}", "'2 GHz' is no value of hardware.clock"),
    ],
)
def test_wrong_groups_and_maps_are_told(old: str, new: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        study(TEXT.replace(old, new))
