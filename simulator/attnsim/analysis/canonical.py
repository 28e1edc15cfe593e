"""The canonical small instance of a cascade, exact in everything that passes depend on.

(Cascade, rank under study) -> Instance. Which fibers must be read before which does not depend on how long they are
once they are long enough, so the pass counter works on a copy of the cascade that can be enumerated:
- extents as in `attnsim.analysis.spans`;
- offsets on a rank that is not iterative are dropped and strides become 1: a bounded halo never forces a pass;
- an overlapping window `x[q + s]` becomes a view with the ranks q and s, of which only q moves along x.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from attnsim.analysis.alignment import Group, align
from attnsim.analysis.instance import Coordinate, Instance, Operation, Place
from attnsim.analysis.ranks import (
    expression_variables,
    iterative_ranks,
    leaf_positions,
    leaf_ranks,
    recomposed_rank,
)
from attnsim.analysis.spans import band_steps, canonical_extents
from attnsim.einsum.ast import Access, Cascade, Einsum, Index
from attnsim.einsum.partition import coefficient_names, coefficient_value


def canonical_instance(cascade: Cascade, rank: str, stretch: frozenset[str] = frozenset()) -> Instance:
    """The cascade over small extents, with full fibers of `rank`; ranks in `stretch` are one longer."""
    extents = canonical_extents(cascade, rank, stretch)
    operations: dict[str, Operation] = {}
    ranks = leaf_positions(cascade)
    for number, einsum in enumerate(cascade.einsums):
        for view in _views(cascade, einsum, extents):
            operations.setdefault(view.name, view)
            ranks.setdefault(view.target.tensor, tuple(c.rank for c in view.target.coordinates))
        operations[f"{einsum.name}#{number}"] = _operation(cascade, einsum, extents)
    return Instance(
        operations=tuple(operations.values()),
        extents=extents,
        ranks=ranks,
        inputs=frozenset(tensor.name for tensor in cascade.inputs),
        states=frozenset(name for name, _ in cascade.start),
        band=band_steps(cascade, rank, extents),
    )


def _operation(cascade: Cascade, einsum: Einsum, extents: Mapping[str, int]) -> Operation:
    named = expression_variables(einsum)
    written = einsum.output.variables
    spread = tuple(v for v in written if v not in named) if einsum.populate else ()
    return Operation(
        name=einsum.name,
        variables=tuple(v for v in dict.fromkeys((*written, *named)) if v not in spread),
        spread=spread,
        reads=tuple(_place(cascade, access, extents) for access in einsum.inputs),
        target=_plain_place(cascade, einsum.output, extents),
        conditions=einsum.conditions,
    )


def _place(cascade: Cascade, access: Access, extents: Mapping[str, int]) -> Place:
    if not _is_window(cascade, access):
        return _plain_place(cascade, access, extents)
    return Place(tensor=_view_name(access), coordinates=_own_coordinates(access))


def _views(cascade: Cascade, einsum: Einsum, extents: Mapping[str, int]) -> list[Operation]:
    """One operation for each window that the Einsum reads: the view over the window's own rank variables."""
    windows = [access for access in einsum.inputs if _is_window(cascade, access)]
    return [
        Operation(
            name=_view_name(access),
            variables=access.variables,
            spread=(),
            reads=(_plain_place(cascade, access, extents),),
            target=Place(tensor=_view_name(access), coordinates=_own_coordinates(access)),
        )
        for access in windows
    ]


def _is_window(cascade: Cascade, access: Access) -> bool:
    return any(len(index.terms) > 1 and recomposed_rank(cascade, index) is None for index in access.indices)


def _view_name(access: Access) -> str:
    forms = ("+".join(f"{c}*{v}" for v, c in index.terms) or str(index.symbols) for index in access.indices)
    return f"{access.tensor}[{','.join(forms)}]"


def _own_coordinates(access: Access) -> tuple[Coordinate, ...]:
    return tuple(Coordinate(rank=v.upper(), terms=((v, 1),), carriers=frozenset({v})) for v in access.variables)


def _plain_place(cascade: Cascade, access: Access, extents: Mapping[str, int]) -> Place:
    coordinates: list[Coordinate] = []
    for index, group in align(cascade, access):
        whole = recomposed_rank(cascade, index)
        if whole and leaf_ranks(cascade, whole) == group:
            coordinates += _recomposed(index, group)
        else:
            coordinates += _leaves(_affine(cascade, index, extents), group, extents)
    return Place(tensor=access.tensor, coordinates=tuple(coordinates))


def _recomposed(index: Index, group: Group) -> list[Coordinate]:
    by_rank = {variable.upper(): variable for variable in index.variables}
    return [Coordinate(rank=leaf, terms=((by_rank[leaf], 1),), carriers=frozenset({by_rank[leaf]})) for leaf in group]


def _leaves(whole: Coordinate, group: Group, extents: Mapping[str, int]) -> list[Coordinate]:
    """Coordinates of the parts of a split rank, from the coordinate along the whole rank."""
    if len(group) == 1:
        return [_with(whole, rank=group[0], divide=1, modulo=0)]
    sizes = [extents[leaf] for leaf in group]
    return [
        _with(whole, rank=leaf, divide=math.prod(sizes[n + 1 :]), modulo=sizes[n] if n else 0)
        for n, leaf in enumerate(group)
    ]


def _with(whole: Coordinate, *, rank: str, divide: int, modulo: int) -> Coordinate:
    return Coordinate(
        rank=rank,
        terms=whole.terms,
        constant=whole.constant,
        divide=divide,
        modulo=modulo,
        carriers=whole.carriers,
    )


def _affine(cascade: Cascade, index: Index, extents: Mapping[str, int]) -> Coordinate:
    offset = max(-1, min(1, index.offset))
    anchor = sum(count * extents.get(name, 1) for name, count in index.symbols)
    if not index.terms:
        return Coordinate(rank="", constant=anchor + offset)
    variable, sign = _leader(index, extents)
    rank = variable.upper()
    if sign < 0:
        constant = anchor + offset if index.symbols else extents[rank] - 1
    else:
        constant = offset if rank in iterative_ranks(cascade) and not index.symbols else 0
    return Coordinate(rank=rank, terms=((variable, sign),), constant=constant, carriers=frozenset({variable}))


def _leader(index: Index, extents: Mapping[str, int]) -> tuple[str, int]:
    """The variable that moves farthest along the tensor, and the direction; the first one if several do."""

    def reach(term: tuple[str, int | str]) -> int:
        return abs(_factor(term[1], extents)) + isinstance(term[1], str)

    variable, coefficient = max(index.terms, key=reach)
    return variable, -1 if _factor(coefficient, extents) < 0 else 1


def _factor(coefficient: int | str, extents: Mapping[str, int]) -> int:
    return coefficient_value(coefficient, {name: extents.get(name, 1) for name in coefficient_names(coefficient)})
