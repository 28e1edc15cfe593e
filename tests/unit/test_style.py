"""The house style of CONTRIBUTING.md as far as a program can judge it: sizes, nesting, names, the form of data."""

from __future__ import annotations

import ast
import io
import re
import statistics
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "simulator" / "attnsim"
TESTS = ROOT / "tests"

BANNED_NAMES = re.compile(r"(.*_)?(utils?|common|helpers?|manager|misc)(_.*)?|base_.+")
UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK")) + r")\b")
AVOIDED_TEST = re.compile(r"pytest\.(mark\.)?(skip|skipif|xfail|importorskip)\b|unittest\.skip")
DIMENSION = re.compile(r"(^|_)(latency|energy|area|bandwidth|frequency|traffic|power|time|duration|makespan)(_|$)")
UNIT_SUFFIX = re.compile(
    r"_(s|ps|bytes|bits|j|w|hz|m2|bytes_per_s|j_per_byte|j_per_bit|per_s|per_j|per_m2|fraction|ratio)$"
)
BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(*folders: Path) -> list[Path]:
    """Python files under the folders, in a fixed order."""
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


def place(path: Path, node: Function | ast.ClassDef | ast.AnnAssign, name: str) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno} {name}"


def code_lines(path: Path) -> int:
    """Lines with code on them: no blank lines, comments or docstrings."""
    quiet = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    coded = {line for t in tokens if t.type not in quiet for line in range(t.start[0], t.end[0] + 1)}
    return len(coded - docstring_lines(path))


def docstring_lines(path: Path) -> set[int]:
    strings = (
        node
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    )
    return {line for node in strings for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}


def length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def depth(node: ast.AST, parent: ast.AST | None = None) -> int:
    """Deepest nesting of blocks under a node; `elif` continues its `if`, and an inner function counts for itself."""
    children = (child for child in ast.iter_child_nodes(node) if not isinstance(child, Function | ast.Lambda))
    below = max((depth(child, node) for child in children), default=0)
    continues = isinstance(node, ast.If) and isinstance(parent, ast.If) and parent.orelse == [node]
    return below + (isinstance(node, BLOCKS) and not continues)


def dataclass_options(node: ast.ClassDef) -> set[str] | None:
    """Options set true in a @dataclass decorator; None for a class without one."""
    for decorator in node.decorator_list:
        call = decorator.func if isinstance(decorator, ast.Call) else decorator
        if "dataclass" in ast.unparse(call):
            keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
            return {str(k.arg) for k in keywords if isinstance(k.value, ast.Constant) and k.value.value is True}
    return None


def dataclasses(*folders: Path) -> Iterator[tuple[Path, ast.ClassDef, set[str]]]:
    """Each dataclass under the folders with its file and the options that it sets."""
    classes = ((path, node) for path in sources(*folders) for node in ast.walk(tree(path)))
    for path, node in classes:
        options = dataclass_options(node) if isinstance(node, ast.ClassDef) else None
        if isinstance(node, ast.ClassDef) and options is not None:
            yield path, node, options


def test_no_file_is_longer_than_500_lines() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources(PACKAGE, TESTS)}
    assert [f"{path.relative_to(ROOT)}: {n}" for path, n in lines.items() if n > 500] == []


def test_half_of_the_files_have_at_most_120_lines_of_code_and_nearly_all_at_most_300() -> None:
    sizes = {path: code_lines(path) for path in sources(PACKAGE) if path.name != "__init__.py"}
    assert statistics.median(sizes.values()) <= 120
    long = sorted(str(path.relative_to(ROOT)) for path, n in sizes.items() if n > 300)
    assert len(long) <= len(sizes) / 20, long


def test_no_function_is_longer_than_80_lines_and_nearly_all_are_at_most_40() -> None:
    lengths = {place(path, f, f.name): length(f) for path in sources(PACKAGE, TESTS) for f in functions(path)}
    assert {name: n for name, n in lengths.items() if n > 80} == {}
    long = {name: n for name, n in lengths.items() if n > 40}
    assert len(long) <= len(lengths) / 20, long


def test_no_function_nests_more_than_two_blocks() -> None:
    found = [
        f"{place(path, f, f.name)}: {deepest}"
        for path in sources(PACKAGE, TESTS)
        for f in functions(path)
        if (deepest := max((depth(child) for child in f.body), default=0)) > 2
    ]
    assert not found, "\n".join(found)


def test_folders_are_at_most_three_deep() -> None:
    deep = [str(path.relative_to(PACKAGE)) for path in sources(PACKAGE) if len(path.relative_to(PACKAGE).parts) > 4]
    assert deep == []


def test_no_module_or_folder_is_named_for_nothing_in_particular() -> None:
    parts = {part.removesuffix(".py") for path in sources(PACKAGE) for part in path.relative_to(PACKAGE).parts}
    assert sorted(part for part in parts if BANNED_NAMES.fullmatch(part)) == []


def test_nothing_is_left_unfinished() -> None:
    kept = [*sources(PACKAGE, TESTS), *sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]
    assert [str(p.relative_to(ROOT)) for p in kept if UNFINISHED.search(p.read_text(encoding="utf-8"))] == []


def test_no_test_is_avoided() -> None:
    others = [path for path in sources(TESTS) if path != Path(__file__)]
    assert [path.name for path in others if AVOIDED_TEST.search(path.read_text(encoding="utf-8"))] == []


def test_public_data_are_frozen_slotted_and_keyword_only() -> None:
    stateless = (found for found in dataclasses(PACKAGE) if PACKAGE / "engine" not in found[0].parents)
    wanted = {"frozen", "slots", "kw_only"}
    loose = [place(path, c, c.name) for path, c, has in stateless if not c.name.startswith("_") and wanted - has]
    assert loose == []


def test_every_dimensioned_number_names_its_unit() -> None:
    fields = (
        (path, node, node.target.id)
        for path, owner, _ in dataclasses(PACKAGE)
        for node in owner.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        if ast.unparse(node.annotation) in ("int", "float")
    )
    unclear = [place(path, node, name) for path, node, name in fields if DIMENSION.search(name)]
    assert [text for text in unclear if not UNIT_SUFFIX.search(text)] == []


def test_any_appears_only_where_yaml_comes_in() -> None:
    inside = [path for path in sources(PACKAGE) if PACKAGE / "specs" not in path.parents]
    using = [
        path for path in inside for node in ast.walk(tree(path)) if isinstance(node, ast.Name) and node.id == "Any"
    ]
    assert sorted({str(path.relative_to(ROOT)) for path in using}) == []
