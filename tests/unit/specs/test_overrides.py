"""Overrides `path=value`: values read as in the file, paths checked, problems that name the option."""

from __future__ import annotations

import pytest

from attnsim.errors import SpecError
from attnsim.specs.hardware import load_hardware
from attnsim.specs.mapping import load_mapping
from attnsim.specs.model import load_model
from attnsim.specs.overrides import apply_overrides, parse_override
from attnsim.specs.targets import for_target
from attnsim.specs.yaml_nodes import parse_yaml, plain

TREE = "clock: 1 GHz\narrays:\n  wide: {shape: [4, 4]}\nmemories: [{capacity: 1 MiB}]\n"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("clock=2 GHz", {"clock": "2 GHz"}),
        ("clock = 2 GHz", {"clock": "2 GHz"}),
        ("arrays.wide.shape=[8, 8]", {"arrays": {"wide": {"shape": [8, 8]}}}),
        ("arrays.wide.shape.1=16", {"arrays": {"wide": {"shape": [4, 16]}}}),
        ("memories.0.capacity=2 MiB", {"memories": [{"capacity": "2 MiB"}]}),
        ("arrays.wide.note=a=b", {"arrays": {"wide": {"shape": [4, 4], "note": "a=b"}}}),
        ("arrays={}", {"arrays": {}}),
        ("clock=", {"clock": None}),
    ],
)
def test_a_value_is_put_at_its_path(override: str, expected: dict[str, object]) -> None:
    tree = parse_yaml(TREE)
    before = plain(tree)
    assert isinstance(before, dict)
    assert plain(apply_overrides(tree, [parse_override(override)])) == {**before, **expected}
    assert plain(tree) == before


def test_the_last_of_two_overrides_wins() -> None:
    changed = apply_overrides(parse_yaml(TREE), [parse_override("clock=2 GHz"), parse_override("clock=3 GHz")])
    assert plain(changed)["clock"] == "3 GHz"  # type: ignore[index, call-overload]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("clok.x=1", "--set clok.x=1: the file has no 'clok'; did you mean clock? known: clock, arrays, memories"),
        ("arrays.wid.shape=1", "--set arrays.wid.shape=1: arrays has no 'wid'; did you mean wide? known: wide"),
        ("memories.3.capacity=1", "memories has no '3'; it is a list: write a position from 0 to 0"),
        ("memories.0.capacity.x=1", "memories.0.capacity has no 'x'; it is a single value: end the path there"),
    ],
)
def test_a_path_that_leads_nowhere_is_answered_with_what_is_there(override: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        apply_overrides(parse_yaml(TREE), [parse_override(override)])
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["clock", "=3", "a..b=3", ".a=3", "a=[1", "a=&x 1", "a={b: 1, b: 2}"])
def test_what_is_no_override_is_refused(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_override(text)
    assert str(caught.value).startswith(f"--set {text}")


def test_a_shipped_hardware_takes_overrides_with_units() -> None:
    changed = load_hardware("fusemax", [parse_override("clock=1.2 GHz"), parse_override("arrays.array_2d.shape.0=64")])
    assert changed.clock_hz == pytest.approx(1.2e9)
    assert changed.arrays["array_2d"].shape == [64, 256]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("clock=1.2 GiB", "--set clock=1.2 GiB: clock: 1.2 GiB is an amount of data, expected a frequency"),
        ("clok=1.2 GHz", "--set clok=1.2 GHz: unknown key 'clok'; did you mean clock?"),
        ("arrays.array_2d.shape.0=0", "--set arrays.array_2d.shape.0=0: arrays.array_2d.shape.0: 0 is out of range"),
    ],
)
def test_a_wrong_value_is_reported_at_the_option_that_set_it(override: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_hardware("fusemax", [parse_override(override)])
    assert message in str(caught.value)


def test_mappings_and_models_take_overrides() -> None:
    assert load_mapping("binding", [parse_override("fill_drain=modeled")]).fill_drain == "modeled"
    assert load_model("bert", [parse_override("ranks.H=6")]).ranks["H"] == 6


TARGETS = ("hardware", "mapping", "model")


def test_an_override_goes_to_the_file_that_it_names_or_that_knows_its_key() -> None:
    texts = ("hardware.clock=1 GHz", "mapping.fill_drain=ideal", "clock=2 GHz", "phases.0.tile.P1=4", "ranks.H=3")
    given = [parse_override(text) for text in texts]
    assert {kind: [o.path for o in for_target(given, kind, TARGETS)] for kind in TARGETS} == {
        "hardware": [("clock",), ("clock",)],
        "mapping": [("fill_drain",), ("phases", "0", "tile", "P1")],
        "model": [("ranks", "H")],
    }


def test_an_override_that_no_file_knows_is_refused() -> None:
    with pytest.raises(SpecError, match="--set clok=3: nothing is called 'clok'; did you mean clock"):
        for_target([parse_override("clok=3")], "model", TARGETS)
