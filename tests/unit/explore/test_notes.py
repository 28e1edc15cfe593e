"""Notes on values that stay where a capacity changes, and reasons that are told together."""

from __future__ import annotations

from collections.abc import Callable

from attnsim.explore.notes import notes_of
from attnsim.explore.results import _together
from attnsim.specs.study import Study

Tiny = Callable[..., Study]
BUFFER = "hardware.memories.global_buffer"
SIZES = {f"{BUFFER}.capacity": ["1 MiB", "2 MiB"]}


def test_a_buffer_that_scales_needs_no_note(tiny: Tiny) -> None:
    assert notes_of(tiny(vary=SIZES)) == ()


def test_a_buffer_with_single_values_is_told(tiny: Tiny) -> None:
    (note,) = notes_of(tiny(vary=SIZES, base={"hardware": "fusemax_128", "model": "bert", "seq_len": 1024}))
    assert note.startswith(f"{BUFFER}.capacity changes, but read, write, area stay those of fusemax_128; derive them")


def test_values_that_the_study_sets_are_not_told(tiny: Tiny) -> None:
    derived = {f"{BUFFER}.{name}": {"of": f"{BUFFER}.capacity", "unit": unit} for name, unit in UNITS.items()}
    base = {"hardware": "fusemax_128", "model": "bert", "seq_len": 1024}
    assert notes_of(tiny(vary=SIZES, base=base, derive=derived)) == ()


def test_each_hardware_that_is_varied_is_looked_at(tiny: Tiny) -> None:
    varied = {**SIZES, "hardware": ["fusemax", "fusemax_128", "fusemax_64", "h100_sxm"]}
    assert [note.rpartition(" of ")[2].partition(";")[0] for note in notes_of(tiny(vary=varied))] == [
        "fusemax_128",
        "fusemax_64",
    ]


def test_reasons_that_differ_in_bytes_alone_are_told_together() -> None:
    told = _together({"a: 1,024 B too many": 2, "a: 512 B too many": 3, "b {x}: 7 B too many": 1, "bound: y": 4})
    assert told == {"a: 512 to 1,024 B too many": 5, "b {x}: 7 B too many": 1, "bound: y": 4}


UNITS = {"read": "pJ", "write": "pJ", "area": "mm^2"}
