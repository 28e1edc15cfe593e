"""A mapping that does not fit its cascade or hardware: file, line, path, what is wrong and what to do, all at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from attnsim.errors import AttnSimError, MappingError, Problem
from attnsim.mapping.choose import resolve
from attnsim.mapping.infeasible import Infeasible
from attnsim.pipeline import Request, simulate
from attnsim.specs.library import find
from attnsim.specs.mapping import load_mapping

BINDING = find("mapping", "binding").read_text(encoding="utf-8")

# what is edited in the shipped mapping `binding`, and what is then said, without the file's name
CASES = {
    "unknown array": (
        "array_1d: [RM",
        "array_1e: [RM",
        "phases.0.place.array_1e: there is no array array_1e; did you mean array_1d?",
    ),
    "unknown tensor": (
        "{Q: P2",
        "{QX: P2",
        "phases.0.keep.global_buffer.QX: there is no tensor QX; did you mean Q?",
    ),
    "unknown loop": (
        "K: M1",
        "K: M7",
        "phases.0.keep.global_buffer.K: K is kept at M7, which is no loop of the order; ",
    ),
    "unknown memory": (
        "global_buffer:",
        "global_bufer:",
        "phases.0.keep.global_bufer: there is no memory global_bufer; did you mean global_buffer?",
    ),
    "unknown rank part": ("P2, M1, P1]", "P2, M1, P1, P7]", "phases.0.order: there is no rank part P7; "),
    "missing batch rank": (
        "order: [B, H,",
        "order: [B,",
        "phases.0.order: batch rank H is missing; add it as a loop",
    ),
    "missing iterative rank": (
        "[B, H, P2, M1, P1]",
        "[B, H, P2, P1]",
        "phases.0.order: iterative rank M1 is missing; add it as a loop: its steps follow each other",
    ),
    "loop named twice": (
        "P2, M1, P1]",
        "P2, M1, P1, B]",
        "phases.0.order: loop B stands there 2 times; name each loop once",
    ),
    "size that the hardware lacks": (
        "P0: array_2d.columns",
        "P0: array_1d.columns",
        "phases.0.tile.P0: array_1d.columns is no size of fusemax; did you mean array_2d.columns?",
    ),
    "tile that does not divide": (
        "P0: array_2d.columns",
        "P0: 300",
        (
            "phases.0.tile.P0: extent 1024 of rank P is not a multiple of its tile 300; use an extent of 900 or 1200, "
            "another tile, or `remainder: pad` in the mapping"
        ),
    ),
    "missing size": (
        "M0: array_2d.rows, ",
        "",
        "phases.0.tile: no size for M0 of rank M; add tile: {M0: 256} to the phase",
    ),
    "two parts without a size": (
        ", P1: fit",
        "",
        "phases.0.tile: 2 parts of P have no size; give tile sizes for P1",
    ),
    "fitted tile that is no loop": (
        "P0: array_2d.columns, P1: fit",
        "P1: 1, P0: fit",
        "phases.0.tile.P0: only a loop of the order can be fitted; ",
    ),
    "too many ranks for an array": (
        "{QK: [M0, P0]",
        "{QK: [M0, P0, E]",
        "phases.0.spatial.QK: 3 ranks on array_2d, which has 2 dimension(s); name at most one rank per dimension",
    ),
    "rank that the Einsum lacks": (
        "LM: [M0, P0]",
        "LM: [F, P0]",
        "phases.0.spatial.LM: there is no rank of LM called F; ",
    ),
    "Einsum in two steps": (
        "- RM\n",
        "- RM, QK\n",
        "phases.0.overlap: QK are in several steps; name each Einsum of the phase once",
    ),
    "Einsum in no step": (
        "| SPNV\n",
        "\n",
        "phases.0.overlap: SPNV are in no step; name each Einsum of the phase once",
    ),
    "another cascade": (
        "cascade: attention_1pass",
        "cascade: sigmoid_attention",
        (
            "for: mapping binding places LM, SLN, SLD, SLNV, RM, PRM, SPD, SPNV, RD, RNV, which cascade "
            "sigmoid_attention does not have; write `for` the cascade that has them"
        ),
    ),
}


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def problems(tmp_path: Path, text: str) -> tuple[Problem, ...]:
    with pytest.raises(AttnSimError) as caught:
        simulate(Request(model="bert", seq_len=1024, mapping=write(tmp_path, text)))
    return caught.value.problems


def said(problem: Problem) -> str:
    """A problem without its file and line."""
    return str(replace(problem, file="", line=0))


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_named_with_its_place_and_remedy(case: str, tmp_path: Path) -> None:
    old, new, expected = CASES[case]
    assert BINDING.count(old) >= 1
    text = BINDING.replace(old, new, 1)
    found = [problem for problem in problems(tmp_path, text) if said(problem).startswith(expected)]
    assert found, "\n".join(said(problem) for problem in problems(tmp_path, text))
    assert found[0].file == str(tmp_path / "mine.yaml")
    here = text.splitlines()[found[0].line - 2 : found[0].line]
    assert found[0].path.split(".")[-1].rstrip("0123456789") in "".join(here)


def test_all_mistakes_of_a_mapping_are_named_at_once(tmp_path: Path) -> None:
    text = BINDING.replace("{Q: P2", "{QX: P2").replace("LM: [M0, P0]", "LM: [F, P0]").replace("[B, H,", "[B,")
    found = "\n".join(said(problem) for problem in problems(tmp_path, text))
    assert all(part in found for part in ("no tensor QX", "no rank of LM called F", "batch rank H is missing"))


def test_an_operation_that_an_array_lacks_is_found_in_the_hardware_file(tmp_path: Path) -> None:
    text = BINDING.replace("SLNV]\n", "SLNV, AV]\n", 1).replace("RNV, AV]\n    spatial", "RNV]\n    spatial")
    [problem] = problems(tmp_path, text)
    assert problem.file == "hwspecs/spatial_array/fusemax.yaml"
    assert find("hardware", "fusemax").read_text(encoding="utf-8").splitlines()[problem.line - 1] == "    ops:"
    assert said(problem) == (
        "arrays.array_2d.ops: array_2d of fusemax cannot do div, which Einsum AV needs; place it on another array, or "
        "add `div` under ops, or reciprocal and mul of which it can be made; it has mac, add, max, exp"
    )


def test_a_value_that_a_later_pass_reads_must_be_kept(tmp_path: Path) -> None:
    text = (
        find("mapping", "flat_rows").read_text(encoding="utf-8").replace("{QK: P2, SN: P2, A: P2}", "{SN: P2, A: P2}")
    )
    [problem] = problems(tmp_path, text)
    assert problem.what == "SN reads QK in a later pass over M1, but nothing keeps it until then"
    assert problem.remedy.startswith("add keep: {global_buffer: {QK: P1}}, or ")


def test_a_nest_cannot_span_passes(tmp_path: Path) -> None:
    rows = find("mapping", "flat_rows").read_text(encoding="utf-8")
    [problem] = problems(tmp_path, rows.replace("[GM], [SN, SD]", "[GM, SN, SD]"))
    assert said(problem) == (
        "phases.0.nests.1: GM and SN run in different passes over M1; put them into different nests"
    )


def test_what_does_not_fit_is_a_value_with_demand_gap_and_levers(golden: Callable[[str, str], None]) -> None:
    capacity = ("memories.global_buffer.capacity=64 KiB",)
    misfit = simulate(Request(model="bert", seq_len=1024, mapping="binding", overrides=capacity))
    assert isinstance(misfit, Infeasible)
    assert misfit.gap_bytes == misfit.demand_bytes - 64 * 1024 == sum(size for _, size in misfit.parts) - 64 * 1024
    golden("mapping/infeasible.txt", f"{misfit}\n".replace("; ", ";\n  "))


def test_the_first_lever_of_what_does_not_fit_makes_it_fit() -> None:
    def run(capacity: str) -> object:
        return simulate(Request(model="bert", seq_len=1024, mapping="binding", overrides=(capacity,)))

    misfit = run("memories.global_buffer.capacity=64 KiB")
    assert isinstance(misfit, Infeasible)
    assert not isinstance(run(f"memories.global_buffer.capacity={misfit.demand_bytes} byte"), Infeasible)
    assert isinstance(run(f"memories.global_buffer.capacity={misfit.demand_bytes - 1} byte"), Infeasible)


def test_a_choice_by_extents_names_what_it_covers(tmp_path: Path) -> None:
    text = "name: mine\nfor: {cascade: attention_3pass}\nchoose:\n  - {when: {P: ..64}, use: flat_rows}\n"
    with pytest.raises(MappingError, match=r"mapping mine has no choice for P=65; it covers P: \.\.64"):
        resolve(load_mapping(write(tmp_path, text)), {"P": 65}, load_mapping)


@pytest.mark.parametrize(("extent", "held"), [(1, True), (64, True), (65, False)])
def test_the_ends_of_a_range_belong_to_it(extent: int, held: bool, tmp_path: Path) -> None:
    text = "name: mine\nfor: {cascade: attention_3pass}\nchoose:\n"
    text += "  - {when: {P: 1..64}, use: flat_rows}\n  - {when: {P: 65..}, use: flat_memory}\n"
    chosen = resolve(load_mapping(write(tmp_path, text)), {"P": extent}, load_mapping)
    assert chosen.name == ("flat_rows" if held else "flat_memory")
