"""YAML to nodes: what a plain scalar means, where nodes stand, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from attnsim.errors import SpecError
from attnsim.specs.yaml_nodes import LARGEST_FILE_BYTES, child_of, locate, parse_yaml, plain, read_text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e9", 1e9),
        ("on", "on"),
        ("no", "no"),
        ("12:30", "12:30"),
        ("2026-01-31", "2026-01-31"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("0", 0),
        ("-7", -7),
        ("0.5", 0.5),
        (".5", 0.5),
        ("-inf", float("-inf")),
        (".inf", float("inf")),
        ("٣.٥", "٣.٥"),
        ("nan", "nan"),
        ("true", True),
        ("True", "True"),
        ("null", None),
        ("", None),
        ("'3'", "3"),
        ('"true"', "true"),
        ("400 GiB/s", "400 GiB/s"),
        ("12345678901234567890", "12345678901234567890"),
        ("[a, 1, [2]]", ["a", 1, [2]]),
        ("{a: {b: 1.5}}", {"a": {"b": 1.5}}),
    ],
)
def test_a_plain_scalar_is_a_number_or_the_text_that_stands_there(text: str, value: object) -> None:
    read = plain(parse_yaml(f"key: {text}"))
    assert read == {"key": value}
    assert type(read) is dict
    assert type(read["key"]) is type(value)


def test_keys_are_always_text() -> None:
    assert plain(parse_yaml("{1: a, on: b, null: c}")) == {"1": "a", "on": "b", "null": "c"}


def test_a_node_knows_the_line_of_its_key_and_of_its_text() -> None:
    root = parse_yaml("a: 1\nb:\n  c: [x,\n    y]\n  text: |\n    first\n    second\n")
    places = {path: locate(root, path.split(".")) for path in ("a", "b", "b.c", "b.c.1", "b.text")}
    assert {path: (n.line, n.column) for path, n in places.items()} == {
        "a": (1, 1),
        "b": (2, 1),
        "b.c": (3, 3),
        "b.c.1": (4, 5),
        "b.text": (5, 3),
    }
    assert places["b.text"].text_line == 6


def test_an_unknown_path_leads_to_the_innermost_node_on_the_way() -> None:
    root = parse_yaml("a: 1\nb:\n  c: 2\n")
    assert locate(root, ["b", "missing"]).line == 2
    assert child_of(root, "missing") is None


REFUSED = [
    ("a: 1\na: 2", "f.yaml:2: the key 'a' stands here twice, first in line 1"),
    ("a: {b: 1, b: 2}", "f.yaml:1: the key 'b' stands here twice"),
    ("a: &x 1", "f.yaml:1: has the anchor &x"),
    ("a: *x", "f.yaml:1: refers to the anchor *x"),
    ("a: !!python/object:os.system {}", "f.yaml:1: has the tag"),
    ("a: !thing 3", "f.yaml:1: has the tag !thing"),
    ("<<: {a: 1}", "f.yaml:1: merge keys are not read"),
    ("[1, 2]: 3", "f.yaml:1: a key is not a plain word"),
    ("a: 010", "f.yaml:1: 010 begins with a zero, which some read as octal; write 10"),
    ("a: 1\n---\nb: 2", "f.yaml:2: a second document starts here"),
    ("- a\n- b", "f.yaml:1: the top level is not a mapping"),
    ("", "f.yaml: the file is empty"),
    ("# nothing but a comment", "f.yaml: the file is empty"),
    ("a: [1", "f.yaml:2: not YAML"),
    ("a: 'x", "f.yaml:1: not YAML"),
    ("a:\n\t- 1", "f.yaml:2: not YAML"),
    ("a: \x01", "f.yaml: not YAML"),
    ("a: " + "[" * 40 + "]" * 40, "f.yaml:1: nested more than 32 levels deep"),
    ("a: " + "[" * 3000 + "]" * 3000, "f.yaml:1: nested more than 32 levels deep"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_no_spec_needs_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_yaml(text, "f.yaml")
    assert message in str(caught.value)


def test_all_problems_of_a_text_are_reported_together() -> None:
    with pytest.raises(SpecError) as caught:
        parse_yaml("a: 1\na: 2\nb: 007\nc: *x\n", "f.yaml")
    assert [problem.line for problem in caught.value.problems] == [2, 3, 4]


def test_a_syntax_error_shows_the_line_with_a_caret() -> None:
    with pytest.raises(SpecError) as caught:
        parse_yaml("a: 1\nb: ]\n", "f.yaml")
    assert caught.value.problems[0].snippet == "    b: ]\n       ^"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x7fELF\x02\x01\x00\x00", "the file is not text"),
        (bytes(range(128, 256)), "the file is not text"),
        ("name: x".encode("utf-16"), "the file is not text"),
    ],
)
def test_a_binary_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=message):
        read_text(path)


def test_a_file_of_100_mb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as stream:
        stream.truncate(100_000_000)
    with pytest.raises(SpecError, match=r"huge\.yaml: the file is too large to be a spec; specs are at most 5 MB"):
        read_text(path)


def test_a_stream_without_an_end_is_read_up_to_the_limit() -> None:
    with pytest.raises(SpecError, match="too large"):
        read_text(Path("/dev/zero"))


def test_the_largest_file_is_read_within_seconds(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_text("a: " + "x" * (LARGEST_FILE_BYTES - 3), encoding="utf-8")
    assert len(read_text(path)) == LARGEST_FILE_BYTES


@pytest.mark.parametrize("name", ["missing.yaml", "folder", "nul\0byte"])
def test_a_path_that_cannot_be_read_is_reported(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(SpecError, match="cannot be read"):
        read_text(tmp_path / name)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: x")
    assert read_text(path) == "name: x"
