"""What hardware operations one iteration point of an Einsum needs, from its operators alone.

A product that feeds a sum is one multiply-accumulate; otherwise every map operator is one operation and every reduction
one more. An array that lacks an operation may do it with another of the same cost (a subtraction on the adder).
"""

from __future__ import annotations

from collections.abc import Mapping

from attnsim.einsum.ast import Apply, Einsum
from attnsim.einsum.ast import operators as map_operators
from attnsim.einsum.operators import operation_class
from attnsim.errors import MappingError, Problem
from attnsim.specs.hardware import Array

# Operation -> operations that can stand in for it, first choice first.
_SUBSTITUTES: dict[str, tuple[str, ...]] = {
    "mul": ("mac",),
    "add": ("mac",),
    "sub": ("add", "mac"),
    "min": ("max",),
    "cmp": ("max",),
    "reciprocal": ("div",),
    "sigmoid": ("exp", "add", "div"),
}
_ALL_OF = frozenset({"sigmoid"})
_OPERANDS = {"mac": 3, "exp": 1}


def point_operations(einsum: Einsum) -> tuple[str, ...]:
    """Operation classes of one iteration point, in order: (`mac`,) for a contraction, (`sub`, `exp`) for a softmax
    numerator.
    """
    expression = einsum.expression
    sums = [r for r in einsum.reductions if operation_class(r.operator) == "add"]
    if isinstance(expression, Apply) and expression.operator == "*" and sums:
        inner = [name for operand in expression.operands for name in map_operators(operand)]
        rest = [operation_class(r.operator) for r in einsum.reductions if r is not sums[0]]
        return (*(operation_class(name) for name in inner), "mac", *rest)
    mapped = tuple(operation_class(name) for name in map_operators(expression))
    return (*mapped, *(operation_class(r.operator) for r in einsum.reductions))


def hardware_operations(einsum: Einsum, array: Array, *, array_name: str, hardware: str) -> tuple[str, ...]:
    """The array's operations for one iteration point; MappingError when the array cannot do one of them."""
    chosen: list[str] = []
    for wanted in point_operations(einsum):
        found = _available(wanted, array)
        if found is None:
            able = ", ".join(array.ops)
            what = f"{array_name} of {hardware} has no operation {wanted}, which Einsum {einsum.name} needs"
            remedy = f"place it on another array or add `{wanted}` under ops (it has {able})"
            raise MappingError(Problem(path=f"arrays.{array_name}.ops", what=what, remedy=remedy))
        chosen += found
    return tuple(chosen)


def _available(wanted: str, array: Array) -> tuple[str, ...] | None:
    if wanted in array.ops:
        return (wanted,)
    if wanted in _ALL_OF:
        parts = _SUBSTITUTES[wanted]
        return parts if all(part in array.ops for part in parts) else None
    return next(((name,) for name in _SUBSTITUTES.get(wanted, ()) if name in array.ops), None)


def register_accesses(einsum: Einsum, actions: Mapping[str, int]) -> tuple[int, int]:
    """Register-file reads and writes of one iteration point: (words read, words written).

    Each action of a unit reads its operands and writes its result in the PE's file: a MAC three reads (two factors and
    the sum) and one write, any other unit one read per operand and one write; each tensor operand is first written once
    on arrival. This is the buffer accounting of Timeloop for a file that keeps every operand.
    """
    reads = sum(_OPERANDS.get(unit, 2) * uses for unit, uses in actions.items())
    arriving = len({access.tensor for access in einsum.inputs})
    return reads, sum(actions.values()) + arriving
