"""What is told of a study that cannot be run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from attnsim.errors import AttnSimError
from attnsim.explore.evaluate import Judged
from attnsim.explore.parameters import in_order
from attnsim.explore.results import read_results, require_front
from attnsim.explore.run import check, dry_run
from attnsim.explore.space import Space
from attnsim.explore.sweep import sweep
from attnsim.specs.study import Range, Study, values_of

Tiny = Callable[..., Study]
BUFFER = "hardware.memories.global_buffer.capacity"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"vary": {BUFFER: []}}, ("has no values", "list at least one")),
        ({"vary": {BUFFER: ["1 MiB", "1 MiB"]}}, ("is there twice", "list it once")),
        ({"vary": {BUFFER: {"from": "9 MiB", "to": "1 MiB", "steps": 3}}}, ("is empty", "smaller number first")),
        ({"vary": {BUFFER: {"from": "1 MiB", "to": "9 MiB", "factor": 1}}}, ("would never end", "above one")),
        ({"vary": {BUFFER: {"from": "1 MiB", "to": "9 MiB", "factor": 0.5}}}, ("would never end", "above one")),
        ({"vary": {BUFFER: {"from": "0 MiB", "to": "9 MiB", "factor": 2}}}, ("would never end", "above zero")),
        ({"vary": {BUFFER: {"from": "1 MiB", "to": "9 MiB"}}}, ("no end of values", "give steps or a factor")),
        ({"vary": {BUFFER: {"from": "1 MiB", "to": "9 GB/s", "steps": 2}}}, ("not of one kind", "units of one kind")),
        ({"vary": {BUFFER: {"from": "few", "to": "9 MiB", "steps": 2}}}, ("'few' is no number", "1 MiB")),
        ({"vary": {BUFFER: {"from": "1 MiB", "to": "9 MiB", "steps": 1}}}, ("a single step", "two or more")),
        ({"minimize": []}, ("nothing says what is best", "minimize: [latency_s]")),
        ({"maximize": ["latency_s"]}, ("is minimized too", "name it once")),
        ({"subject_to": ["area_m2 < 4"]}, ("is no bound", "area_m2 <= 400 mm^2")),
        ({"sampler": "nsga2"}, ("a nsga2 search needs a budget", "budget: 500")),
        ({"sampler": "nsga4", "budget": 3}, ("sampler", "nsga2")),
        ({"only": {"mapping": {"mappnig": ["x"]}}}, ("'mappnig' is not varied", "did you mean mapping?")),
        ({"derive": {"hardware.clock": {"of": "mappin"}}}, ("'mappin' is not varied", "did you mean mapping?")),
    ],
)
def test_a_study_that_contradicts_itself_says_what_to_do(tiny: Tiny, changes: dict[str, object], told: object) -> None:
    with pytest.raises(AttnSimError) as caught:
        tiny(**changes)
    assert isinstance(told, tuple)
    assert all(part in str(caught.value) for part in told), str(caught.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"vary": {"seq_length": [1024]}}, ("'seq_length' is no setting", "did you mean seq_len?")),
        ({"vary": {"hardware.memories.global_bufer.capacity": ["1 MiB"]}}, ("global_bufer", "global_buffer")),
        ({"vary": {"hardware.clok": ["1 GHz"]}}, ("clok", "clock")),
        ({"vary": {"batch": [1.5]}}, ("1.5 is no whole number", "write 16384")),
        ({"minimize": ["latency"]}, ("a run has no 'latency' there", "did you mean latency_s?")),
        ({"maximize": ["utilization.array_3d"]}, ("a run has no 'array_3d'", "array_2d")),
        ({"minimize": ["utilization"]}, ("is not a number", "single number")),
        ({"base": {"hardware": "fusemx", "mapping": "cascade", "model": "bert"}}, ("fusemx", "fusemax")),
    ],
)
def test_a_study_of_what_is_not_there_is_refused_before_it_runs(
    tiny: Tiny, changes: dict[str, object], told: tuple[str, ...]
) -> None:
    with pytest.raises(AttnSimError) as caught:
        check(tiny(**changes))
    assert all(part in str(caught.value) for part in told), str(caught.value)


def test_a_study_without_a_feasible_design_says_what_removes_most(
    tiny: Tiny, judged_by: Callable[..., None], tmp_path: Path
) -> None:
    reasons = {"cascade": "bound: area_m2 <= 1 mm^2", "unfused": "bound: latency_s <= 1 us"}

    def rule(design: dict[str, str]) -> Judged:
        small = design[BUFFER] == "16 MiB"
        return Judged(values=(None, None), infeasible="does not fit dram" if small else reasons[design["mapping"]])

    judged_by(rule)
    sweep(tiny(), tmp_path / "out")
    with pytest.raises(AttnSimError) as caught:
        require_front(read_results(tmp_path / "out"))
    assert str(caught.value) == (
        "subject_to: no design of tiny is feasible: 12 of 32: bound: area_m2 <= 1 mm^2; "
        "12 of 32: bound: latency_s <= 1 us; 8 of 32: does not fit dram; widen the bounds or the ranges"
    )


def test_a_dry_run_tells_how_many_designs_there_are_and_that_they_take_time(tiny: Tiny) -> None:
    size, each_s = dry_run(tiny())
    assert size == 32
    assert each_s is not None
    assert each_s > 0


def test_the_budget_is_the_size_of_a_search(tiny: Tiny) -> None:
    assert dry_run(tiny(sampler="random", budget=7))[0] == 7


def test_a_range_without_steps_is_no_grid(tiny: Tiny) -> None:
    study = tiny(vary={BUFFER: {"from": "1 MiB", "to": "9 MiB"}}, sampler="random", budget=3)
    assert Space(study).size is None


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({"from": "512 KiB", "to": "2 MiB", "factor": 2}, ["512 KiB", "1024 KiB", "2048 KiB"]),
        ({"from": "0.5 GB/s", "to": "1500 MB/s", "steps": 3}, ["0.5 GB/s", "1 GB/s", "1.5 GB/s"]),
        ({"from": "0 KiB", "to": "1 MiB", "steps": 3}, ["0 KiB", "512 KiB", "1024 KiB"]),
    ],
)
def test_a_range_may_end_in_another_unit(given: dict[str, object], values: list[str]) -> None:
    assert values_of(Range.model_validate(given)) == tuple(values)


def test_sizes_in_several_units_are_in_order() -> None:
    assert in_order(["512 KiB", "1 MiB", "2 MiB"])
    assert not in_order(["1 MiB", "512 KiB", "2 MiB"])
    assert not in_order(["1 MiB", "2 GB/s"])
