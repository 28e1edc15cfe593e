"""Whatever is written in a cascade file, it is a cascade or an error with a message; nothing else comes out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnsim.einsum.build import parse_cascade
from attnsim.einsum.printer import print_cascade
from attnsim.einsum.source import CascadeSource
from attnsim.errors import AttnSimError, CascadeError
from attnsim.specs.cascade import load_cascade, read_cascade
from attnsim.specs.library import find, names

SHIPPED = [find("cascade", name).read_text(encoding="utf-8") for name in names("cascade")]
LETTERS = st.sampled_from(
    [*"abempqABEMPQKV01239[](){},.:;+-*/=<>#|_ \n", "m1", "M0", "->", "<=", "where ", "max(", "topk("]
)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A shipped file with a few pieces cut out, doubled or overwritten."""
    text = draw(st.sampled_from(SHIPPED))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        length = draw(st.integers(0, 6))
        text = text[:start] + draw(st.lists(LETTERS, max_size=3).map("".join)) + text[start + length :]
    return text


@settings(max_examples=400)
@given(damaged())
def test_a_damaged_file_is_a_cascade_or_a_message(text: str) -> None:
    cascade, problems = None, ()
    try:
        cascade = read_cascade(text, "damaged.yaml")
    except AttnSimError as error:
        problems = error.problems
    assert all(problem.what for problem in problems)
    assert cascade is None or read_cascade(print_cascade(cascade)) == cascade


@settings(max_examples=200)
@given(st.lists(LETTERS, max_size=25).map("".join))
def test_any_line_is_an_einsum_or_a_message_with_its_place(line: str) -> None:
    source = CascadeSource(
        name="line",
        einsums=line,
        ranks=(("M", ""), ("P", ""), ("E", "")),
        split=(("M", ("M1", "M0")),),
        inputs=("K[e,m]", "Q[e,p]"),
        outputs=("A",),
        file="line.yaml",
    )
    problems = ()
    try:
        parse_cascade(source)
    except CascadeError as error:
        problems = error.problems
    assert all(problem.file == "line.yaml" for problem in problems)


def test_a_caret_stands_under_the_word_that_is_wrong() -> None:
    text = print_cascade(load_cascade("attention_3pass")).replace("exp(", "epx(")
    with pytest.raises(CascadeError) as caught:
        read_cascade(text)
    (problem,) = caught.value.problems
    line, caret = problem.snippet.splitlines()
    assert line[caret.index("^") : caret.rindex("^") + 1] == "epx"
    assert text.splitlines()[problem.line - 1][problem.column - 1 :].startswith("epx")
