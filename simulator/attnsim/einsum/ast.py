"""The syntax tree of a cascade of extended Einsums: frozen nodes, no behaviour beyond simple queries.

Rank *variables* are lower case (`m1`), rank *names* upper case (`M1`); `m1` ranges over `0 .. M1-1`.
Every tensor also carries the cascade's batch ranks, which the text leaves out.
Notation after the extended Einsums of TeAAL and EDGE, as FuseMax (MICRO 2024) section III uses them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Where a node stands in the source text: line and columns count from 1, `end` is exclusive."""

    line: int = 0
    column: int = 0
    end: int = 0


def _derive(node: object, **values: object) -> None:
    """Set what follows from the other fields of a node that has just been made."""
    for name, value in values.items():
        object.__setattr__(node, name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """One affine index: `sum(coefficient * rank variable) + offset`, or a position such as the extent `M1` itself.

    `terms` holds (rank variable, coefficient); a coefficient is an integer or a product with constants or extents
    (`m1*M0 + m0` has terms (("m1", "M0"), ("m0", 1)); also `-S`, `2*S`, `M1*M0`). `symbols` holds (upper-case name,
    integer coefficient) added as a position (`RNV[f,M1,p]` reads the state after the last iteration).
    """

    terms: tuple[tuple[str, int | str], ...] = ()
    offset: int = 0
    symbols: tuple[tuple[str, int], ...] = ()
    span: Span = field(default=Span(), compare=False)
    variables: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """Rank variables that the index depends on, in order."""

    def __post_init__(self) -> None:
        _derive(self, variables=tuple(name for name, _ in self.terms))

    @property
    def plain(self) -> str | None:
        """The rank variable when the index is exactly one variable, else None."""
        if len(self.terms) == 1 and self.terms[0][1] == 1 and not self.offset and not self.symbols:
            return self.terms[0][0]
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A tensor read or written at affine indices, `K[e,m1,m0]`. A scalar has no indices."""

    tensor: str
    indices: tuple[Index, ...] = ()
    span: Span = field(default=Span(), compare=False)
    variables: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """Rank variables that appear in any index, each once, in order of appearance."""

    def __post_init__(self) -> None:
        _derive(self, variables=tuple(dict.fromkeys(v for index in self.indices for v in index.variables)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """A number (`2`, `-inf`) or a named constant of the cascade (`scale`) or an extent (`E`) used as a value."""

    value: float | str
    span: Span = field(default=Span(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """A map operator applied pointwise to operands: `*`, `exp`, `max`, ... as named in `attnsim.einsum.operators`."""

    operator: str
    operands: tuple[Expression, ...]
    span: Span = field(default=Span(), compare=False)


Expression = Access | Literal | Apply


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduce:
    """A reduction of the map's result over `ranks` (rank variables) with a reduce operator of the operators table."""

    operator: str
    ranks: tuple[str, ...]
    span: Span = field(default=Span(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A mask `left relation right` on indices, relation one of `< <= > >= == !=`: points where it is false are
    absent."""

    left: Index
    relation: str
    right: Index
    span: Span = field(default=Span(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Einsum:
    """One line of a cascade: `output = reduce(map(inputs)) where conditions`.

    `reductions` apply in order, after the map. Ranks in the expression but not in the output are reduced with `+` when
    the line names no operator; the parser fills that in, so `reductions` is always complete.
    `populate` names a populate operator (`topk`) whose output variables are not in the expression; None otherwise.
    """

    output: Access
    expression: Expression
    reductions: tuple[Reduce, ...] = ()
    conditions: tuple[Condition, ...] = ()
    populate: str | None = None
    comment: str = field(default="", compare=False)
    span: Span = field(default=Span(), compare=False)
    inputs: tuple[Access, ...] = field(init=False, repr=False, compare=False)
    """Every access in the expression, in order, repetitions kept."""
    iteration_ranks: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """Rank variables of the iteration space: those of the output, then the reduced ones, each once."""

    def __post_init__(self) -> None:
        inputs = accesses(self.expression)
        reduced = (v for access in inputs for v in access.variables)
        _derive(self, inputs=inputs, iteration_ranks=tuple(dict.fromkeys((*self.output.variables, *reduced))))

    @property
    def name(self) -> str:
        """The Einsum is called by the tensor it writes."""
        return self.output.tensor

    @property
    def reduced_ranks(self) -> tuple[str, ...]:
        """Rank variables that the Einsum reduces away."""
        return tuple(rank for reduction in self.reductions for rank in reduction.ranks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A partitioned rank: `rank` = sum over `parts` from outer to inner, `m = m1*M0 + m0`."""

    rank: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A declared tensor with its rank names, upper case, without the batch ranks."""

    name: str
    ranks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Iteration:
    """An iterative rank: Einsums that touch the rank variable `rank` (`m1`) run for 0, 1, ... up to its extent or until
    `stop` holds."""

    rank: str
    stop: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserOperator:
    """An operator that the cascade defines itself: `expression` in `parameters` (scalar accesses named x, y, z).

    It reduces if it has an `identity`. `flops` counts one application; `merge` is `intersection` or `union`.
    """

    name: str
    parameters: tuple[str, ...]
    expression: Expression
    identity: float | None = None
    flops: int = 1
    merge: str = "intersection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """A list of Einsums with declared ranks, inputs and outputs: an algorithm without any order of execution but
    the data dependencies.

    ranks: (rank name, what it ranges over), batch ranks included; batch: the rank names every tensor carries
    implicitly. splits: partitioned ranks. inputs: declared input tensors. start: initial value by tensor for
    iterative ranks. constants: named numbers; a None value is bound when the workload is made (for example a tile
    size or a window). computes: name of the independent formula that the values are checked against.
    operators: user-defined ones. sparse: density by input tensor; its zeros are absent points. same: (rank, rank)
    pairs of which the first ranges over the same coordinates as the second (keys M over the tokens P), so that a
    tensor of the one may be read along the other.
    """

    name: str
    title: str
    source: str
    computes: str
    ranks: tuple[tuple[str, str], ...]
    batch: tuple[str, ...]
    splits: tuple[Split, ...]
    inputs: tuple[Tensor, ...]
    iterations: tuple[Iteration, ...]
    start: tuple[tuple[str, float], ...]
    constants: tuple[tuple[str, float | None], ...]
    einsums: tuple[Einsum, ...]
    outputs: tuple[str, ...]
    operators: tuple[UserOperator, ...] = ()
    sparse: tuple[tuple[str, float], ...] = ()
    same: tuple[tuple[str, str], ...] = ()

    def einsum(self, name: str) -> Einsum:
        """The Einsum that writes tensor `name`; KeyError if there is none."""
        for einsum in self.einsums:
            if einsum.name == name:
                return einsum
        raise KeyError(name)


def accesses(expression: Expression) -> tuple[Access, ...]:
    """Every tensor access in an expression, left to right, repetitions kept."""
    if isinstance(expression, Access):
        return (expression,)
    if isinstance(expression, Apply):
        return tuple(access for operand in expression.operands for access in accesses(operand))
    return ()


def operators(expression: Expression) -> tuple[str, ...]:
    """Every map operator in an expression, innermost first, repetitions kept."""
    if isinstance(expression, Apply):
        inner = tuple(name for operand in expression.operands for name in operators(operand))
        return (*inner, expression.operator)
    return ()


def nodes(expression: Expression) -> Iterator[Expression]:
    """Every node of an expression, the whole first, left to right."""
    yield expression
    if isinstance(expression, Apply):
        for operand in expression.operands:
            yield from nodes(operand)
