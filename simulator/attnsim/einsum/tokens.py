"""Tokens of the cascade language: one line of text -> names, numbers and signs with their columns."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

from attnsim.einsum.ast import Span

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What tensors, constants and operators may be called, except for the KEYWORDS."""

KEYWORDS = frozenset({"where", "and", "inf"})

LONGEST_LINE = 300
LONGEST_NUMBER = 24

_PATTERN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<comment>#.*)"
    r"|(?P<number>\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>->|<=|>=|==|!=|[-+*/=<>()\[\],])"
    r"|(?P<unknown>.)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token; `kind` is `name`, `number`, `sign` or `end`."""

    kind: str
    text: str
    span: Span


class SyntaxProblem(Exception):
    """Text that does not parse: where, what is wrong and what to write; caught by `attnsim.einsum.build` only."""

    def __init__(self, span: Span, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.span = span
        self.what = what
        self.remedy = remedy


def tokenize(text: str, line: int = 0) -> tuple[Cursor, str]:
    """A cursor at the start of a line, and the comment after `#`; SyntaxProblem for a strange character."""
    tokens: deque[Token] = deque()
    comment = ""
    end = 0
    for match in _PATTERN.finditer(text):
        kind, word = str(match.lastgroup), match.group()
        span = Span(line=line, column=match.start() + 1, end=match.end() + 1)
        if kind == "unknown":
            raise SyntaxProblem(span, f"the character {word!r} means nothing here", "see docs/cascades.md")
        if kind == "comment":
            comment = word[1:].strip()
        elif kind != "space":
            tokens.append(Token(kind=kind, text=word, span=span))
            end = match.end()
        if len(tokens) > LONGEST_LINE or (kind == "number" and len(word) > LONGEST_NUMBER):
            limit = f"an Einsum has at most {LONGEST_LINE} words and signs, a number {LONGEST_NUMBER} digits"
            raise SyntaxProblem(span, "the line is too long from here on", limit)
    tokens.append(Token(kind="end", text="", span=Span(line=line, column=end + 1, end=end + 2)))
    return Cursor(ahead=tokens), comment


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A reading position in a line: the tokens `taken` so far and those `ahead`, which end with the `end` token."""

    ahead: deque[Token]
    taken: list[Token] = field(default_factory=list)

    @property
    def token(self) -> Token:
        """The token that comes next."""
        return self.ahead[0]

    @property
    def last(self) -> Span:
        """The span of the token that was taken last."""
        return self.taken[-1].span

    def peek(self, further: int = 1) -> Token:
        """The token `further` places on, the `end` token when there is none."""
        return self.ahead[min(further, len(self.ahead) - 1)]

    def take(self) -> Token:
        """The next token, and move past it; the `end` token stays."""
        token = self.ahead[0] if len(self.ahead) == 1 else self.ahead.popleft()
        self.taken.append(token)
        return token

    def accept(self, text: str) -> Token | None:
        """The next token if it is the sign or word `text`, and move past it; else None."""
        return self.take() if self.token.kind in ("sign", "name") and self.token.text == text else None

    def expect(self, text: str, purpose: str) -> Token:
        """The next token, which must be the sign `text`; SyntaxProblem otherwise."""
        token = self.accept(text)
        if token is None:
            raise SyntaxProblem(self.token.span, f"expected `{text}` {purpose}, found {shown(self.token)}")
        return token

    def expect_name(self, purpose: str) -> Token:
        """The next token, which must be a name; SyntaxProblem otherwise."""
        if self.token.kind != "name":
            raise SyntaxProblem(self.token.span, f"expected {purpose}, found {shown(self.token)}")
        return self.take()


def shown(token: Token) -> str:
    """A token in words, for messages."""
    return "the end of the line" if token.kind == "end" else f"`{token.text}`"


def between(first: Span, last: Span) -> Span:
    """The span from the start of one span to the end of another on the same line."""
    return Span(line=first.line, column=first.column, end=max(last.end, first.end))
