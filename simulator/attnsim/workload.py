"""Workload = what is computed: a sequence of cascades with bound extents, from a model's layer or from one cascade
alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from attnsim.einsum.ast import Cascade
from attnsim.einsum.shapes import tensor_ranks
from attnsim.errors import AttnSimError, Problem
from attnsim.requests import DecodeRequest, mean_keys
from attnsim.specs.model import Model

SCOPES = ("attention", "layer", "head", "model")
PHASES = ("prefill", "decode")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One cascade with its extents by rank name. Split parts (`M0`) are bound later, by the mapping.

    summed_over: devices of a tensor-parallel group whose results have to be added up, since each of them has only a
    part of a rank that the step contracts; 1 if there is nothing to add.
    """

    name: str
    cascade: Cascade
    extents: Mapping[str, int]
    summed_over: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Steps that run one after the other; `label` names model, scope, length and batch for people.

    requests: the sequences of a batch that decode, each with keys of its own; empty if all have the extents of the
    steps. With requests the extents are B = their number, P = 1, M = the mean of their keys rounded up, PAST = M - 1:
    right for steps that do not look at keys, and for attention only where all keys are equal.

    layers: how many times the steps follow each other. stages: of a pipeline of devices, each with an equal part of the
    layers and a batch of its own. tokens: that the whole gives or takes in; None if it is not of all layers.
    averaged: requests differ, and the hardware's family simulates them as if each had the mean of their keys.
    """

    label: str
    steps: tuple[Step, ...]
    requests: tuple[DecodeRequest, ...] = ()
    layers: int = 1
    stages: int = 1
    tokens: int | None = None
    averaged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequences:
    """The sequences of a batch: how many, how many tokens each has (None: the extents say), and in which phase.

    With `requests` the tokens are the mean of their keys, rounded up, and `trace` says where they come from.
    """

    seq_len: int | None
    batch: int
    phase: str | None = None
    requests: tuple[DecodeRequest, ...] = ()
    trace: str = ""

    def __str__(self) -> str:
        if self.requests:
            return f"{self.trace} with {self.batch} requests of {mean_keys(self.requests):.4g} tokens in the mean"
        return f"{self.seq_len} tokens, batch {self.batch}"


def decode_batch(trace: str, requests: tuple[DecodeRequest, ...]) -> Sequences:
    """The sequences of a batch of requests, of which there is at least one; `trace` says where they come from."""
    tokens = math.ceil(mean_keys(requests))
    return Sequences(seq_len=tokens, batch=len(requests), phase="decode", requests=requests, trace=trace)


def phase_extents(seq_len: int, phase: str | None) -> dict[str, int]:
    """Queries P, keys M, and with a phase the keys of the past, before the first query's own.

    Prefill has as many queries as keys; decode is one query, whose own key is the last of `seq_len`.
    """
    queries = 1 if phase == "decode" else seq_len
    past = {"PAST": seq_len - queries} if phase else {}
    return {"P": queries, "M": seq_len, **past}


def model_extents(model: Model, sequences: Sequences, extents: Mapping[str, int]) -> dict[str, int]:
    """Extents by rank letter: the model's own, B = batch, queries and keys of the phase, then what the user set."""
    seq_len = model.seq_len if sequences.seq_len is None else sequences.seq_len
    bound = {**model.ranks, "B": sequences.batch, **phase_extents(seq_len, sequences.phase), **extents}
    require_positive({name: size for name, size in bound.items() if name != "PAST"})
    return bound


def require_positive(extents: Mapping[str, int]) -> None:
    """Raise AttnSimError that lists every extent below one."""
    wrong = [
        Problem(path=rank, what=f"extent {size} is not a positive number", remedy="give a whole number of at least 1")
        for rank, size in extents.items()
        if size < 1
    ]
    if wrong:
        raise AttnSimError(*wrong)


def step_extents(formulas: Mapping[str, int | str], ranks: Mapping[str, int]) -> dict[str, int]:
    """Evaluate the extents of a layer step, each an integer or a product of rank letters such as `B*P`."""
    return {name: _product(name, formula, ranks) for name, formula in formulas.items()}


def contracts_part(cascade: Cascade, formulas: Mapping[str, int | str], divided: Collection[str]) -> bool:
    """Whether a step contracts a rank of which each device has a part: its sums are then parts of sums.

    `formulas` are the extents of the step, `divided` the rank letters that are divided over the devices.
    """
    ranks = tensor_ranks(cascade)
    kept = {rank for output in cascade.outputs for rank in ranks[output]}
    return any(
        set(str(formula).replace(" ", "").split("*")) & set(divided)
        for name, formula in formulas.items()
        if name not in kept
    )


def _product(name: str, formula: int | str, ranks: Mapping[str, int]) -> int:
    factors = str(formula).replace(" ", "").split("*")
    unknown = [f for f in factors if not re.fullmatch(r"\d+", f) and f not in ranks]
    if unknown:
        known = ", ".join(sorted(ranks))
        raise AttnSimError(
            Problem(path=name, what=f"{formula!r} names no rank: {', '.join(unknown)}", remedy=f"known ranks: {known}")
        )
    return math.prod(ranks[f] if f in ranks else int(f) for f in factors)


def cascade_step(name: str, cascade: Cascade, extents: Mapping[str, int]) -> Step:
    """Bind a cascade's ranks and check that none is missing; extents of other ranks are dropped.

    A rank that is the same as another takes its extent. Raises AttnSimError that lists ranks and constants that have
    none.
    """
    bound = dict(extents)
    for rank, other in (*cascade.same, *((b, a) for a, b in cascade.same)):
        if rank not in bound and other in bound:
            bound[rank] = bound[other]
    problems = [
        Problem(
            path=f"{cascade.name}.{missing}",
            what=f"{kind} {missing} has no {value}",
            remedy=f"set it, for example --extent {missing}=1024",
        )
        for kind, value, missing in _unbound(cascade, bound)
    ]
    if problems:
        raise AttnSimError(*problems)
    names = {rank for rank, _ in cascade.ranks} | {part for split in cascade.splits for part in split.parts}
    names |= {constant for constant, _ in cascade.constants}
    return Step(name=name, cascade=cascade, extents={r: bound[r] for r in bound if r in names})


def _unbound(cascade: Cascade, extents: Mapping[str, int]) -> Iterator[tuple[str, str, str]]:
    """(kind, what it lacks, name) of ranks and constants without a value; the mapping gives the parts of a split."""
    parts = {part for split in cascade.splits for part in split.parts}
    parts |= {rank for pair in cascade.same for rank in pair if set(pair) & parts}
    for name, _ in cascade.ranks:
        if name not in extents and name not in parts:
            yield "rank", "extent", name
    for name, value in cascade.constants:
        if value is None and name not in extents:
            yield "constant", "value", name
