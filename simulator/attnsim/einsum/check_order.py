"""Can the Einsums be put in order: no circle outside iterative ranks, start values where they are needed, sane
stops?"""

from __future__ import annotations

from attnsim.einsum.ast import Cascade, Condition, Einsum, Index, Iteration
from attnsim.einsum.check_declarations import rank_names
from attnsim.einsum.schedule import CircularError, schedule
from attnsim.einsum.source import Complaints, did_you_mean

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def check_order(cascade: Cascade, complaints: Complaints) -> None:
    """Note circles, missing and needless start values, and stop conditions that cannot be meant."""
    try:
        schedule(cascade)
    except CircularError as error:
        _report_circle(cascade, complaints, error.members)
    _check_starts(cascade, complaints)
    for iteration in cascade.iterations:
        _check_iteration(cascade, complaints, iteration)


def _report_circle(cascade: Cascade, complaints: Complaints, members: tuple[Einsum, ...]) -> None:
    names = ", ".join(einsum.name for einsum in members)
    what = f"{names} need each other: a circle" if len(members) > 1 else f"{names} needs itself: a circle"
    iterative = ", ".join(iteration.rank.upper() for iteration in cascade.iterations)
    remedy = "declare an iterative rank, read X[m] and write X[m+1] along it"
    if iterative:
        remedy = f"read a state at x and write it at x+1, x along an iterative rank ({iterative})"
    complaints.at(members[0].span, what, remedy)


def _check_starts(cascade: Cascade, complaints: Complaints) -> None:
    made = {einsum.name: einsum for einsum in cascade.einsums}
    started = dict(cascade.start)
    for name in started:
        if name not in made:
            complaints.under(f"start.{name}", f"{name} has a start but no Einsum", did_you_mean(name, made))
        elif not _offset(made[name]):
            what = f"{name} has a start but is never written one step ahead"
            complaints.under(f"start.{name}", what, "write it at m+1 where it is read at m, or drop the start")
    for access in (access for reader in cascade.einsums for access in reader.inputs):
        writer = made.get(access.tensor)
        if writer and access.tensor not in started and _reads_before_start(writer, access.indices):
            what = f"{access.tensor} is read before it is first written"
            complaints.at(access.span, what, f"add `start: {{{access.tensor}: 0}}` or another initial value")


def _offset(einsum: Einsum) -> int:
    return max((index.offset for index in einsum.output.indices), default=0)


def _reads_before_start(writer: Einsum, indices: tuple[Index, ...]) -> bool:
    """Whether an access can reach positions of a state that only a start value can fill."""
    return any(
        written.offset > 0 and not read.symbols and read.offset < written.offset
        for written, read in zip(writer.output.indices, indices, strict=False)
    )


def _check_iteration(cascade: Cascade, complaints: Complaints, iteration: Iteration) -> None:
    used = any(iteration.rank in access.variables for e in cascade.einsums for access in (e.output, *e.inputs))
    if not used:
        complaints.under("iterate", f"the iterative rank {iteration.rank} is never used", "remove it")
    if iteration.stop is None:
        return
    variable, relation = _stop_relation(iteration.rank, iteration.stop)
    others = (*iteration.stop.left.variables, *iteration.stop.right.variables)
    if variable is None or len(others) > 1:
        remedy = f"write for example {iteration.rank} >= STEPS"
        complaints.under("stop", f"the stop of {iteration.rank} compares it with another variable", remedy)
    elif relation in ("<", "<=", "!="):
        remedy = f"turn the comparison around: {iteration.rank} >= ..."
        complaints.under("stop", f"the stop of {iteration.rank} says when to go on, not when to stop", remedy)
    elif _holds_at_once(iteration.stop, relation):
        complaints.under("stop", f"{iteration.rank} stops before its first step", "give it a bound above 0")
    _check_symbols(cascade, complaints, iteration.stop)


def _stop_relation(variable: str, stop: Condition) -> tuple[str | None, str]:
    if stop.left.plain == variable:
        return variable, stop.relation
    if stop.right.plain == variable:
        return variable, _MIRRORED[stop.relation]
    return None, stop.relation


def _holds_at_once(stop: Condition, relation: str) -> bool:
    bound = stop.left if stop.right.variables else stop.right
    if bound.symbols:
        return False
    return {">": bound.offset < 0, ">=": bound.offset <= 0, "==": bound.offset <= 0}[relation]


def _check_symbols(cascade: Cascade, complaints: Complaints, stop: Condition) -> None:
    known = (*rank_names(cascade), *(name for name, _ in cascade.constants))
    for name, _ in (*stop.left.symbols, *stop.right.symbols):
        if name not in known:
            complaints.under("stop", f"{name} is neither an extent nor a constant", did_you_mean(name, known))
