"""Messages about wrong spec files: every problem of a file at once, with line, path and remedy."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from attnsim.errors import SpecError
from attnsim.specs.hardware import load_hardware
from attnsim.specs.load import load_text
from attnsim.specs.loop_nest import LoopNest, loop_nest_problems
from attnsim.specs.mapping import load_mapping
from attnsim.specs.model import Model, load_model
from attnsim.specs.spatial_array import SpatialArray, spatial_array_problems
from attnsim.specs.spec import FileSpec, problem_at

HARDWARE = """\
name: mine
family: spatial_array
source: a notebook
clock: 1 GHz
arrays:
  array_2d:
    shape: [4, 4]
    ops:
      mac: {cycles: 1, uses: {mac: 1}}
    units:
      mac: {energy: 17 pJ, area: 1545 um^2}
    registers: {depth: 4, word: 16 bit, read: 2 pJ, write: 2 pJ}
memories:
  buffer: {capacity: 1 MiB, access: 8 byte, read: 10 pJ, write: 10 pJ}
  dram: {bandwidth: 10 GB/s, access: 8 byte, read: 100 pJ, write: 100 pJ}
"""
MAPPING = """\
name: mine
for: {cascade: gemm}
phases:
  - name: only
    order: [M1]
    place: {array_2d: [Z]}
"""


def messages(text: str, model: type[FileSpec], check: object = None) -> str:
    with pytest.raises(SpecError) as caught:
        load_text(text, model, "f.yaml", check)  # type: ignore[arg-type]
    return str(caught.value)


def hardware_message(old: str, new: str) -> str:
    """What is said about the sample hardware after a change of one place."""
    assert old in HARDWARE
    return messages(HARDWARE.replace(old, new), SpatialArray, spatial_array_problems)


def test_the_sample_hardware_is_right_before_it_is_broken() -> None:
    assert load_text(HARDWARE, SpatialArray, check=spatial_array_problems).arrays["array_2d"].pe_count == 16


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "clock:",
            "clok:",
            (
                "f.yaml:1: 'clock' is missing; add `clock: 940 MHz`\n"
                "f.yaml:4: unknown key 'clok'; did you mean clock? known: name, family, title,"
            ),
        ),
        (
            "source: a notebook",
            "title: none",
            "f.yaml:1: 'source' is missing; add `source: paper, year, section`, where the numbers come from",
        ),
        ("source: a notebook", "source: ' '", "f.yaml:3: source: is empty; write some text"),
        ("family: spatial_array", "family: spatial_aray", "did you mean spatial_array? known: spatial_array"),
        ("clock: 1 GHz", "clock: 1 GB", "f.yaml:4: clock: 1 GB is an amount of data, expected a frequency"),
        ("[4, 4]", "[4, 0]", "f.yaml:7: arrays.array_2d.shape.1: 0 is out of range; write a number greater than 0"),
        ("[4, 4]", "[4, -4]", "f.yaml:7: arrays.array_2d.shape.1: -4 is out of range; write a number greater than 0"),
        ("[4, 4]", "[4, 4.5]", "f.yaml:7: arrays.array_2d.shape.1: 4.5 is not a whole number; write a whole number"),
        ("[4, 4]", "[4, 1e3]", "arrays.array_2d.shape.1: 1000.0 is not a whole number; write 1000"),
        ("[4, 4]", "[4, '4']", "arrays.array_2d.shape.1: '4' is not a whole number; write 4 without quotes"),
        ("[4, 4]", "[true, 4]", "arrays.array_2d.shape.0: true is not a whole number"),
        ("[4, 4]", "[]", "f.yaml:7: arrays.array_2d.shape: has too few entries; write at least 1"),
        ("[4, 4]", "[1, 2, 3]", "f.yaml:7: arrays.array_2d.shape: has too many entries; write at most 2"),
        ("[4, 4]", "4", "f.yaml:7: arrays.array_2d.shape: 4 is not a list; write a list"),
        ("[4, 4]", "", "f.yaml:7: arrays.array_2d.shape: nothing is not a list; write a list"),
        ("cycles: 1", "cycles: -inf", "f.yaml:9: arrays.array_2d.ops.mac.cycles: -inf is"),
        ("1 MiB", "-1 MiB", "f.yaml:14: memories.buffer.capacity: -1 MiB must be greater than zero"),
        (
            "uses: {mac: 1}",
            "uses: {mca: 1}",
            "f.yaml:9: arrays.array_2d.ops.mac.uses.mca: array_2d has no unit 'mca'; did",
        ),
    ],
)
def test_a_wrong_hardware_is_refused_with_line_path_and_remedy(old: str, new: str, message: str) -> None:
    assert message in hardware_message(old, new)


def test_problems_come_in_the_order_of_the_lines_and_not_of_the_schema() -> None:
    text = messages("layer: 3\nranks: {H: 0}\nbatch: -1\nsource: ''\nname: ''\n", Model)
    assert [line.split(": ")[1] for line in text.splitlines()] == ["layer", "ranks.H", "batch", "source", "name"]


def test_all_problems_of_a_file_come_at_once_in_the_order_of_its_lines() -> None:
    broken = HARDWARE.replace("1 GHz", "1").replace("[4, 4]", "[0]").replace("17 pJ", "17 mm").replace("10 GB/s", "9")
    with pytest.raises(SpecError) as caught:
        load_text(broken, SpatialArray, "f.yaml")
    assert [problem.line for problem in caught.value.problems] == [4, 7, 11, 15]
    assert [problem.path for problem in caught.value.problems] == [
        "clock",
        "arrays.array_2d.shape.0",
        "arrays.array_2d.units.mac.energy",
        "memories.dram.bandwidth",
    ]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("    tile: {M0: fitt}", "f.yaml:7: phases.0.tile.M0: 'fitt' is not a tile size; write a number, array.rows"),
        ("    tile: {M0: 0}", "f.yaml:7: phases.0.tile.M0: 0 is out of range; write a number greater than 0"),
        ("    tile: {M0: [1]}", "phases.0.tile.M0: a list is not a whole number or text; write a whole number or text"),
        ("    spatial: {ZZ: [M0]}", "f.yaml:7: phases.0.spatial.ZZ: 'ZZ' is not placed on an array in this phase; did"),
        ("    nests: [[Z], [Y]]", "f.yaml:7: phases.0.nests.1: 'Y' is not placed on an array in this phase; known: Z"),
        ("    overlap: [Z | Y]", "f.yaml:7: phases.0.overlap.0: 'Y' is not placed on an array in this phase"),
        ("    overlap: [drain array_1d]", "nothing is placed on 'array_1d'; did you mean array_2d? known: array_2d"),
        (
            "    overflow: spil",
            "phases.0.overflow: 'spil' is not one of the choices; did you mean spill? known: reject",
        ),
        ("choose: [{use: a}]", "f.yaml: has both `phases` and `choose`"),
    ],
)
def test_a_wrong_mapping_is_refused_with_line_path_and_remedy(extra: str, message: str) -> None:
    text = messages(MAPPING + extra + "\n", LoopNest, loop_nest_problems)
    assert message.removeprefix("f.yaml: ") in text


def test_a_mapping_without_phases_is_refused() -> None:
    assert "has no phases" in messages("name: x\nfor: {cascade: gemm}\n", LoopNest, loop_nest_problems)


def test_a_wrong_model_is_refused_with_line_path_and_remedy() -> None:
    text = textwrap.dedent("""\
        name: mine
        source: me
        batch: -1
        ranks: {D: 0, H: twelve}
        layer: [{name: a, extent: {}}, 7]
        """)
    assert messages(text, Model).splitlines() == [
        "f.yaml:3: batch: -1 is out of range; write a number greater than 0",
        "f.yaml:4: ranks.D: 0 is out of range; write a number greater than 0",
        "f.yaml:4: ranks.H: 'twelve' is not a whole number; write a whole number",
        "f.yaml:5: layer.0: unknown key 'extent'; did you mean extents? known: name, cascade, extents",
        "f.yaml:5: layer.1: 7 is not a mapping of `key: value`; write a mapping of `key: value`",
    ]


def test_a_problem_found_later_still_names_the_line() -> None:
    spec = load_text(HARDWARE, SpatialArray, "f.yaml")
    assert str(problem_at(spec, "memories.buffer.capacity", "does not hold a tile", "take a larger one")) == (
        "f.yaml:14: memories.buffer.capacity: does not hold a tile; take a larger one"
    )
    assert problem_at(spec, "memories.no_such.capacity", "x").line == 13


def test_a_spec_made_in_a_program_has_no_line_but_equals_the_one_from_a_file() -> None:
    text = "name: m\nsource: s\nranks: {H: 1}\n"
    made = Model(name="m", source="s", ranks={"H": 1})
    assert made == load_text(text, Model, "f.yaml")
    assert problem_at(made, "ranks.H", "is odd").line == 0


def test_a_spec_cannot_be_changed() -> None:
    model = Model(name="m", source="s", ranks={"H": 1})
    with pytest.raises(ValueError, match="frozen"):
        model.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("load", [load_hardware, load_mapping, load_model])
@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "the file is empty"), (b"\x00\x01\x02", "the file is not text"), (b"- a\n", "not a mapping")],
)
def test_every_kind_of_file_refuses_what_is_no_spec(load: object, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=message):
        load(str(path))  # type: ignore[operator]


def test_a_hardware_of_a_family_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(HARDWARE.replace("family: spatial_array", "family: systolic"), encoding="utf-8")
    with pytest.raises(SpecError, match=r"x\.yaml:2: family: there is no hardware family 'systolic'; known: spatial"):
        load_hardware(str(path))
