"""The error types of attnsim and the form in which problems are reported.

Bad input raises one `AttnSimError` subclass that carries every problem found, each with its place and its remedy.
A mapping that does not fit is not an error but a value, see `attnsim.mapping.infeasible`.
"""

from __future__ import annotations

from dataclasses import dataclass

EXIT_OK = 0
EXIT_CLAIM_FAILED = 1
EXIT_BAD_INPUT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with an input: where it is, what it is and what to do about it.

    `line` and `column` count from 1; 0 means unknown. `path` is the dotted path inside a spec (`arrays.array_2d.ops`).
    `snippet` holds source lines with a caret under the offending token, if there is one.
    """

    what: str
    remedy: str = ""
    file: str = ""
    line: int = 0
    column: int = 0
    path: str = ""
    snippet: str = ""

    def __str__(self) -> str:
        place = self.file
        if self.line:
            place = f"{place}:{self.line}" if place else f"line {self.line}"
        head = ": ".join(part for part in (place, self.path, self.what) if part)
        text = f"{head}; {self.remedy}" if self.remedy else head
        return f"{text}\n{self.snippet}" if self.snippet else text


class AttnSimError(Exception):
    """Root of every error that attnsim raises for bad input; `problems` lists all that were found, each once."""

    def __init__(self, *problems: Problem | str) -> None:
        told = (p if isinstance(p, Problem) else Problem(what=p) for p in problems)
        self.problems: tuple[Problem, ...] = tuple(dict.fromkeys(told))
        super().__init__("\n".join(str(p) for p in self.problems))


class SpecError(AttnSimError):
    """A YAML file that cannot be read as what it claims to be."""


class CascadeError(AttnSimError):
    """A cascade whose text does not parse or does not make sense."""


class MappingError(AttnSimError):
    """A mapping that does not belong to the cascade or the hardware it is used with."""


class UnknownNameError(AttnSimError):
    """A hardware, cascade, model, mapping or dataset that does not exist."""


class GraphError(AttnSimError):
    """A task graph that breaks the engine contract: a cycle, a dangling id, negative work."""


class SimulationError(AttnSimError):
    """A task graph that cannot finish: tasks wait for tokens that never come back."""


class MisfitError(AttnSimError):
    """Something that is right in itself, but larger than what it has to fit."""
