"""Are the declarations of a cascade sound: ranks, splits, inputs, outputs, constants, operators, start values?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from attnsim.einsum.ast import Cascade
from attnsim.einsum.check_operators import check_operators
from attnsim.einsum.source import Complaints, did_you_mean
from attnsim.einsum.tokens import KEYWORDS, NAME

_RANK = re.compile(r"[A-Z][A-Z0-9_]*")


def check_declarations(cascade: Cascade, complaints: Complaints, unread: frozenset[str]) -> None:
    """Note every problem of the declarations."""
    _check_ranks(cascade, complaints)
    _check_inputs(cascade, complaints)
    _check_outputs(cascade, complaints, unread)
    _check_constants(cascade, complaints)
    check_operators(cascade, complaints)
    if not cascade.einsums and not unread:
        complaints.under("einsums", "there is no Einsum", "write one a line, for example Z[m,n] = A[k,m] * B[k,n]")


def check_uses(cascade: Cascade, complaints: Complaints) -> None:
    """Note inputs and results that nothing reads; asked last, for a misspelt name makes others look unused."""
    read = {access.tensor for einsum in cascade.einsums for access in einsum.inputs}
    for tensor in cascade.inputs:
        if tensor.name not in read:
            complaints.under("inputs", f"input {tensor.name} is never read", "remove it, or use it in an Einsum")
    for einsum in cascade.einsums:
        if einsum.name not in read and einsum.name not in cascade.outputs:
            remedy = "add it to outputs, use it, or remove the line"
            complaints.at(einsum.output.span, f"{einsum.name} is computed but never used", remedy)


def rank_names(cascade: Cascade) -> tuple[str, ...]:
    """All rank names, parts of split ranks included."""
    return tuple(
        dict.fromkeys([*(rank for rank, _ in cascade.ranks), *(p for split in cascade.splits for p in split.parts)])
    )


def _check_ranks(cascade: Cascade, complaints: Complaints) -> None:
    declared = [rank for rank, _ in cascade.ranks]
    for rank in declared:
        if not _RANK.fullmatch(rank):
            remedy = f"write {rank.upper()}" if NAME.fullmatch(rank) else "a letter, then letters and digits"
            complaints.under(f"ranks.{rank}", f"{rank!r} is no rank name: these are upper case", remedy)
    for rank in cascade.batch:
        _known(complaints, "batch", rank, declared)
    for rank, other in cascade.same:
        _known(complaints, f"same.{rank}", rank, rank_names(cascade))
        _known(complaints, f"same.{rank}", other, rank_names(cascade))
    for split in cascade.splits:
        key = f"split.{split.rank}"
        _known(complaints, key, split.rank, declared)
        if len(split.parts) < 2:
            complaints.under(key, f"{split.rank} is split into fewer than two parts", "write for example [M1, M0]")
        if split.rank in cascade.batch:
            complaints.under(key, f"{split.rank} is a batch rank", "batch ranks are not split; take it out of batch")
    parts = [part for split in cascade.splits for part in split.parts]
    for part in _repeated([*parts, *declared]):
        complaints.under("split", f"{part} is declared twice", "give each rank and each part its own name")
    for part in parts:
        if not _RANK.fullmatch(part):
            complaints.under("split", f"{part!r} is no rank name: these are upper case", f"write {part.upper()}")
    for iteration in cascade.iterations:
        _known(complaints, "iterate", iteration.rank.upper(), rank_names(cascade))


def _check_inputs(cascade: Cascade, complaints: Complaints) -> None:
    names = [tensor.name for tensor in cascade.inputs]
    made = {einsum.name for einsum in cascade.einsums}
    for name in _repeated(names):
        complaints.under("inputs", f"input {name} is declared twice", "keep one")
    for tensor in cascade.inputs:
        for rank in tensor.ranks:
            _known(complaints, "inputs", rank, rank_names(cascade))
        for rank in (rank for rank in tensor.ranks if rank in cascade.batch):
            what = f"input {tensor.name} names the batch rank {rank}"
            complaints.under("inputs", what, f"leave {rank.lower()} out: every tensor has it")
        if tensor.name in KEYWORDS:
            complaints.under("inputs", f"{tensor.name} is a word of the language", "give it another name")
        if tensor.name in made:
            what = f"{tensor.name} is an input and is also computed"
            complaints.under("inputs", what, "give one of them another name")
    for name, density in cascade.sparse:
        if name not in names:
            remedy = did_you_mean(name, names)
            complaints.under(f"sparse.{name}", f"{name} has a density but is no input", remedy)
        if not 0 < density <= 1:
            complaints.under(f"sparse.{name}", f"the density {density} of {name} is out of range", "0 < density <= 1")


def _check_outputs(cascade: Cascade, complaints: Complaints, unread: frozenset[str]) -> None:
    made = [einsum.name for einsum in cascade.einsums]
    for einsum in (einsum for einsum in cascade.einsums if einsum.name in KEYWORDS):
        complaints.at(einsum.output.span, f"{einsum.name} is a word of the language", "give it another name")
    for einsum in cascade.einsums:
        first = next(other for other in cascade.einsums if other.name == einsum.name)
        if first is not einsum:
            what = f"{einsum.name} is computed twice, first in line {first.span.line}"
            complaints.at(einsum.output.span, what, "give it another name")
    for name in _repeated(cascade.outputs):
        complaints.under("outputs", f"output {name} is listed twice", "keep one")
    for name in cascade.outputs:
        if name not in made and not unread:
            complaints.under("outputs", f"output {name} is computed by no Einsum", did_you_mean(name, made))
    if not cascade.outputs:
        complaints.under("outputs", "there is no output", "name the tensors that the cascade is for")


def _check_constants(cascade: Cascade, complaints: Complaints) -> None:
    ranks = rank_names(cascade)
    variables = {rank.lower() for rank in ranks}
    tensors = {tensor.name for tensor in cascade.inputs} | {einsum.name for einsum in cascade.einsums}
    for name, _ in cascade.constants:
        key = f"constants.{name}"
        if not NAME.fullmatch(name) or name in KEYWORDS:
            complaints.under(key, f"{name!r} is no name for a constant", "a letter, then letters and digits")
        kinds = ((ranks, "a rank"), (variables, "a rank variable"), (tensors, "a tensor"))
        for kind in (kind for names, kind in kinds if name in names):
            complaints.under(key, f"the constant {name} is also {kind}", "give the constant another name")


def _known(complaints: Complaints, key: str, rank: str, known: Iterable[str]) -> None:
    names = tuple(known)
    if rank not in names:
        complaints.under(key, f"unknown rank {rank}", did_you_mean(rank, names))


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
