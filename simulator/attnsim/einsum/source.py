"""A cascade as written: plain strings with their places, the input of `attnsim.einsum.build`.

`CascadeSource` is what a cascade file says, key by key, before anything in it is understood. `Complaints` turns a
place in it into a `Problem` with the source line and a caret.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from attnsim.einsum.ast import Span
from attnsim.errors import Problem

LONGEST_SNIPPET = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSource:
    """A user-defined operator as written: its value for operands `x`, `y`, `z` and, for a reduction, its identity."""

    name: str
    expression: str
    identity: float | None = None
    flops: int | None = None
    merge: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeSource:
    """What a cascade file says. `einsums` is the text of all Einsums, one a line; every other field is one key.

    places: line in the file by dotted key (`inputs`, `start.RM`); einsums_line: line in the file of the first line of
    `einsums`; indent: columns that the file has before that text. All three only serve messages.
    """

    name: str
    einsums: str
    title: str = ""
    source: str = ""
    computes: str = ""
    ranks: tuple[tuple[str, str], ...] = ()
    batch: tuple[str, ...] = ()
    same: tuple[tuple[str, str], ...] = ()
    split: tuple[tuple[str, tuple[str, ...]], ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    constants: tuple[tuple[str, float | None], ...] = ()
    operators: tuple[OperatorSource, ...] = ()
    sparse: tuple[tuple[str, float], ...] = ()
    iterate: tuple[str, ...] = ()
    start: tuple[tuple[str, float], ...] = ()
    stop: tuple[str, ...] = ()
    file: str = ""
    places: Mapping[str, int] = field(default_factory=dict, compare=False, hash=False)
    einsums_line: int = 1
    indent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaints:
    """The problems found so far in one source, in the order of finding."""

    source: CascadeSource
    problems: list[Problem] = field(default_factory=list)

    def at(self, span: Span, what: str, remedy: str = "") -> None:
        """Note a problem at a span of the Einsum text, with the line and a caret."""
        lines = self.source.einsums.splitlines()
        row = span.line - self.source.einsums_line
        text = lines[row] if 0 <= row < len(lines) else ""
        column = span.column + self.source.indent if span.column else 0
        problem = Problem(
            what=what,
            remedy=remedy,
            file=self.source.file,
            line=span.line,
            column=column,
            path="einsums",
            snippet=snippet(text, span),
        )
        self._add(problem)

    def under(self, key: str, what: str, remedy: str = "", text: str = "", span: Span | None = None) -> None:
        """Note a problem with the value of a key; `text` and `span` add the written value and a caret."""
        line = self.source.places.get(key) or self.source.places.get(key.partition(".")[0], 0)
        shown = snippet(text, span) if span else ""
        self._add(Problem(what=what, remedy=remedy, file=self.source.file, line=line, path=key, snippet=shown))

    def _add(self, problem: Problem) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


def snippet(text: str, span: Span) -> str:
    """A source line with carets under `span`, indented by four; empty if there is no line. Long lines are cut."""
    if not text.strip() or not span.column:
        return ""
    first = max(0, span.column - 1 - LONGEST_SNIPPET // 2) if len(text) > LONGEST_SNIPPET else 0
    shown = text.rstrip()[first : first + LONGEST_SNIPPET]
    width = min(max(1, span.end - span.column), LONGEST_SNIPPET)
    return f"    {shown}\n    {' ' * (span.column - 1 - first)}{'^' * width}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A remedy that names the nearest known names; without any near, all of them if they are few."""
    names = list(dict.fromkeys(known))
    close = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
    close = close or [known for known in names if known.lower() == name.lower()]
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"known: {', '.join(names[:24])}{' ...' if len(names) > 24 else ''}" if names else "none is declared"
