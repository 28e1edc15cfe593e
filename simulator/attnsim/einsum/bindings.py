"""A cascade with its sizes bound: batch ranks written out, every extent and constant a number.

From a cascade, extents and constants to `Bindings`, which the evaluator works on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from attnsim.einsum.ast import Access, Apply, Cascade, Einsum, Expression, Index
from attnsim.einsum.partition import bind_extents, coefficient_value, index_names
from attnsim.einsum.shapes import tensor_ranks
from attnsim.errors import CascadeError, Problem

_COMPARE = {">=": int.__ge__, ">": int.__gt__, "==": int.__eq__, "<=": int.__le__, "<": int.__lt__, "!=": int.__ne__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bindings:
    """sizes: extent by rank and part. whole: sizes and whole-numbered constants, which may stand in indices.

    einsums: those of the cascade, with the batch ranks as leading indices everywhere. ranks: by tensor, batch ranks
    first.
    """

    cascade: Cascade
    sizes: Mapping[str, int]
    whole: Mapping[str, int]
    constants: Mapping[str, float]
    einsums: tuple[Einsum, ...]
    ranks: Mapping[str, tuple[str, ...]]

    def einsum(self, name: str) -> Einsum:
        """The Einsum that writes `name`, with its batch ranks."""
        return next(einsum for einsum in self.einsums if einsum.name == name)

    def number(self, value: float | str) -> float:
        """Value of a literal: a number, a constant or an extent."""
        if not isinstance(value, str):
            return value
        return self.constants[value] if value in self.constants else float(self.sizes[value])

    def part_sizes(self, rank: str) -> list[int]:
        """Extents of the parts of a split rank, outer to inner."""
        parts = next(split.parts for split in self.cascade.splits if split.rank == rank)
        return [self.sizes[part] for part in parts]

    def last(self, name: str) -> int:
        """Position that an extent or constant stands for; for an iterative rank that of its last state."""
        iterative = any(iteration.rank == name.lower() for iteration in self.cascade.iterations)
        return self.steps(name.lower()) if iterative and name in self.sizes else self.whole[name]

    def steps(self, variable: str) -> int:
        """Positions that a rank variable takes: its extent, or fewer if it is iterative and stops early."""
        extent = self.sizes[variable.upper()]
        stop = next((i.stop for i in self.cascade.iterations if i.rank == variable), None)
        if stop is None:
            return extent
        compare = _COMPARE[stop.relation]
        sides = [(_position(self, stop.left, step), _position(self, stop.right, step)) for step in range(extent)]
        return next((step for step, (left, right) in enumerate(sides) if compare(left, right)), extent)


def bind(
    cascade: Cascade, extents: Mapping[str, int], constants: Mapping[str, float], *, complete: bool = True
) -> Bindings:
    """Bind sizes and constants; CascadeError if one is missing, unless constants need not be `complete`."""
    sizes = bind_extents(cascade, extents)
    values = {name: value for name, value in cascade.constants if value is not None}
    values |= {name: float(extents[name]) for name, _ in cascade.constants if name in extents}
    values |= constants
    problems = _unfit_constants(cascade, values) if complete else []
    if problems:
        raise CascadeError(*problems)
    whole = {name: int(value) for name, value in values.items() if float(value).is_integer()}
    return Bindings(
        cascade=cascade,
        sizes=sizes,
        whole={**sizes, **whole},
        constants=values,
        einsums=tuple(_with_batch(einsum, cascade) for einsum in cascade.einsums),
        ranks={name: (*cascade.batch, *ranks) for name, ranks in tensor_ranks(cascade).items()},
    )


def _unfit_constants(cascade: Cascade, values: Mapping[str, float]) -> list[Problem]:
    """Constants without a value, and those in indices that are no whole numbers."""
    problems = [
        Problem(what=f"constant {name} of {cascade.name} has no value", remedy=f"give {name} a number")
        for name, _ in cascade.constants
        if name not in values
    ]
    indices = [index for einsum in cascade.einsums for index in _indices(einsum)]
    indices += [side for i in cascade.iterations if i.stop for side in (i.stop.left, i.stop.right)]
    used = {name for index in indices for name in index_names(index)}
    problems += [
        Problem(what=f"constant {name} is {value:g} but counts positions", remedy=f"give {name} a whole number")
        for name, value in values.items()
        if name in used and not float(value).is_integer()
    ]
    return problems


def _indices(einsum: Einsum) -> list[Index]:
    """Every index of an Einsum, conditions included."""
    accessed = [index for access in (einsum.output, *einsum.inputs) for index in access.indices]
    return accessed + [side for condition in einsum.conditions for side in (condition.left, condition.right)]


def _position(bindings: Bindings, index: Index, step: int) -> int:
    """Value of a side of a stop condition at a step."""
    terms = sum(coefficient_value(factor, bindings.whole) * step for _, factor in index.terms)
    return terms + sum(factor * bindings.whole[name] for name, factor in index.symbols) + index.offset


def _with_batch(einsum: Einsum, cascade: Cascade) -> Einsum:
    batch = tuple(Index(terms=((rank.lower(), 1),)) for rank in cascade.batch)
    output = replace(einsum.output, indices=(*batch, *einsum.output.indices))
    return replace(einsum, output=output, expression=_batched(einsum.expression, batch))


def _batched(expression: Expression, batch: tuple[Index, ...]) -> Expression:
    if isinstance(expression, Access):
        return replace(expression, indices=(*batch, *expression.indices))
    if isinstance(expression, Apply):
        return replace(expression, operands=tuple(_batched(operand, batch) for operand in expression.operands))
    return expression
