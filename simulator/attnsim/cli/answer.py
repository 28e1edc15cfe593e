"""What a command answers: text for stdout and an exit code. Only `attnsim.cli.main` prints it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Text for stdout, a final newline included, and the exit code of the command."""

    text: str
    exit_code: int = 0
