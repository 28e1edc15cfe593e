"""Designs by number: conditions, derived values, and that numbers and designs are one to one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnsim.errors import AttnSimError
from attnsim.explore.parameters import in_order, key_of, parameters_of, proposal, value, value_of
from attnsim.explore.parameters import text as text_of_value
from attnsim.explore.space import Space, derive
from attnsim.specs.study import Derived, Study

Tiny = Callable[..., Study]
PATHS = ("hardware.clock", "mapping", "batch", "seq_len")


@st.composite
def studies(draw: st.DrawFn) -> Study:
    """Studies of up to four paths; a path may be varied only where one before it has some of its values."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=len(PATHS)))
    vary = {path: list(range(1, size + 1)) for path, size in zip(PATHS, sizes, strict=False)}
    only = {}
    for place in range(1, len(sizes)):
        on = draw(st.integers(0, place))
        if on < place:
            only[PATHS[place]] = {PATHS[on]: draw(st.sets(st.sampled_from(vary[PATHS[on]]), min_size=1))}
    conditions = {path: {other: sorted(wanted) for other, wanted in needs.items()} for path, needs in only.items()}
    return Study.model_validate(
        {"name": "any", "source": "s", "base": {}, "vary": vary, "only": conditions, "minimize": ["latency_s"]}
    )


@given(studies())
def test_every_design_has_one_number_and_those_that_others_switch_off_have_their_first_value(study: Study) -> None:
    space = Space(study)
    assert space.size is not None
    designs = [design for number in range(space.size) if (design := space.design(number)) is not None]
    assert len({key_of(design) for design in designs}) == len(designs)
    for design in designs:
        assert all(design[path] == 1 for path in study.vary if not space.active(path, design))
    reachable = {
        tuple(design[path] if space.active(path, design) else 1 for path in study.vary)
        for design in (dict(zip(study.vary, values, strict=True)) for values in _all(study))
    }
    assert {tuple(design.values()) for design in designs} == reachable


def _all(study: Study) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = [()]
    for values in study.vary.values():
        assert isinstance(values, list)
        found = [(*before, one) for before in found for one in values if isinstance(one, int)]
    return found


def test_numbers_count_through_the_grid_with_the_last_path_fastest(tiny: Tiny) -> None:
    space = Space(tiny())
    assert space.size == 32
    assert [space.design(number) for number in (0, 1, 2)] == [
        {**dict(zip(space.paths, ("16 MiB", "200 GB/s", "cascade"), strict=True))},
        {**dict(zip(space.paths, ("16 MiB", "200 GB/s", "unfused"), strict=True))},
        {**dict(zip(space.paths, ("16 MiB", "400 GB/s", "cascade"), strict=True))},
    ]


@pytest.mark.parametrize(
    ("rule", "given_value", "expected"),
    [
        ({}, "16 MiB", "16 MiB"),
        ({"times": 2}, "16 MiB", "32 MiB"),
        ({"times": 0.5, "plus": 1}, 10, 6),
        ({"item": 1}, [4, 8], 8),
        ({"item": 0, "as_list": True}, [4, 8], [4]),
        ({"times": 0.25, "unit": "mm^2"}, "16 MiB", "4 mm^2"),
    ],
)
def test_derived_values_follow_their_parameter(rule: dict[str, object], given_value: object, expected: object) -> None:
    derived = Derived.model_validate({"of": "x", **rule})
    assert derive(derived, given_value) == expected  # type: ignore[arg-type]


def test_an_item_that_a_value_lacks_is_told() -> None:
    with pytest.raises(AttnSimError, match="has no item 2"):
        derive(Derived(of="x", item=2), [64, 64])


def test_runs_take_the_values_of_a_design_over_those_of_workloads_and_the_base(tiny: Tiny) -> None:
    study = tiny(
        vary={"seq_len": [2048, "4K"], "hardware.clock": ["1 GHz"], "extents.H": [8]},
        workloads=[{"batch": 2}, {"batch": 4, "set": {"hardware.arrays.array_1d.shape": "[8]"}}],
    )
    space = Space(study)
    design = space.design(1)
    assert design is not None
    first, second = space.runs(design)
    assert (first.seq_len, first.batch, first.extents, first.set) == (4096, 2, {"H": 8}, {"hardware.clock": "1 GHz"})
    assert second.batch == 4
    assert second.set == {"hardware.arrays.array_1d.shape": "[8]", "hardware.clock": "1 GHz"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3], True),
        ([3, 2, 1], True),
        (["1 MiB", "2 MiB"], True),
        (["1 MiB", "2 GB/s"], False),
        ([[64, 64], [128, 128]], True),
        ([[64, 64], [128, 32]], False),
        (["cascade", "binding"], False),
        ([1, 3, 2], False),
        ([[1], [1, 2]], False),
        ([1], False),
    ],
)
def test_samplers_learn_what_is_near_where_values_have_an_order(values: list[object], expected: bool) -> None:
    assert in_order(values) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "proposed", "expected"),
    [
        (["a", "b"], "b", "b"),
        ([[1, 2], [3, 1]], "[3, 1]", [3, 1]),
        ({"from": "1 MiB", "to": "9 MiB", "steps": 9}, 4, "5 MiB"),
        ({"from": "1 MiB", "to": "9 MiB"}, 2.5, "2.5 MiB"),
        ({"from": 1, "to": 9, "whole": True}, 3, 3),
        ({"from": 0.5, "to": 9, "log": True}, 0.75, 0.75),
    ],
)
def test_what_a_sampler_proposes_is_a_value_and_is_read_back_from_its_text(
    tiny: Tiny, values: object, proposed: int | float | str, expected: object
) -> None:
    study = tiny(vary={"hardware.clock": values}, sampler="random", budget=3)
    (parameter,) = parameters_of(study)
    found = value(parameter, proposed)
    assert found == expected
    assert proposal(parameter, found) == proposed
    assert value_of(study, "hardware.clock", text_of_value(found)) == expected


def test_a_range_without_a_whole_number_is_told(tiny: Tiny) -> None:
    study = tiny(vary={"batch": {"from": 1.2, "to": 1.8, "whole": True}}, sampler="random", budget=3)
    with pytest.raises(AttnSimError, match="has no whole number in it"):
        parameters_of(study)
