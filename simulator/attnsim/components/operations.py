"""What hardware operations one iteration point of an Einsum needs, from its operators alone.

A product that feeds a sum is one multiply-accumulate; otherwise every map operator is one operation and every reduction
one more. An operator that an array lacks is made of others by the recipes below; one that a cascade defines itself is
made of the operators in its definition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attnsim.einsum.ast import Apply, Einsum, UserOperator
from attnsim.einsum.ast import operators as map_operators
from attnsim.einsum.operators import operation_class
from attnsim.specs.spatial_array import Array

Recipe = tuple[str, ...]

# Operation -> ways to make it of others, first choice first; a way needs all its operations, one after the other.
RECIPES: Mapping[str, tuple[Recipe, ...]] = {
    # The same unit does it.
    "mul": (("mac",),),
    "add": (("mac",),),
    "sub": (("add",),),
    # A comparator with a multiplexer (FuseMax artifact, unit `max`); selection otherwise as c*x + (1-c)*y.
    "min": (("max",),),
    "cmp": (("max",), ("sub",)),
    "abs": (("max",),),
    "select": (("max",), ("mac", "mac")),
    "reciprocal": (("div",),),
    "div": (("reciprocal", "mul"),),
    # Digit recurrence: square root on the divider at the cost of a division (Ercegovac and Lang 1994).
    "sqrt": (("div",),),
    "rsqrt": (("sqrt", "reciprocal"),),
    # Assumption: a polynomial of the same order as that of exp, on the same hardware.
    "log": (("exp",),),
    "sin": (("exp",),),
    "cos": (("exp",),),
    # x^y = exp(y log x); the functions by their definitions, the sign of an operand flips for nothing.
    "pow": (("log", "mul", "exp"),),
    "sigmoid": (("exp", "add", "reciprocal"),),
    "silu": (("exp", "add", "div"),),
    "tanh": (("mul", "exp", "add", "reciprocal", "mac"),),
    # x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)) (Hendrycks and Gimpel 2016, the form with tanh).
    "gelu": (("mul", "mac", "mul", "silu"),),
    # A value that is handed on holds the PE and no unit.
    "copy": ((),),
}
# exp, mac and max are never made of others: an array that can do them says so, with their cost.

_OPERANDS = {"mac": 3, "exp": 1}


def point_operations(einsum: Einsum) -> tuple[str, ...]:
    """Operation classes of one iteration point in order, `copy` when there is nothing to compute.

    (`mac`,) for a contraction, (`sub`, `exp`) for a softmax numerator; a cascade's own operators keep their names.
    """
    expression = einsum.expression
    filled = (operation_class(einsum.populate),) if einsum.populate else ()
    sums = [r for r in einsum.reductions if operation_class(r.operator) == "add"]
    if isinstance(expression, Apply) and expression.operator == "*" and sums:
        inner = [name for operand in expression.operands for name in map_operators(operand)]
        rest = [operation_class(r.operator) for r in einsum.reductions if r is not sums[0]]
        return (*(operation_class(name) for name in inner), "mac", *rest, *filled)
    mapped = tuple(operation_class(name) for name in map_operators(expression))
    return (*mapped, *(operation_class(r.operator) for r in einsum.reductions), *filled) or ("copy",)


def hardware_operations(einsum: Einsum, array: Array, defined: Sequence[UserOperator] = ()) -> tuple[str, ...]:
    """The array's operations for one iteration point; `defined` are the cascade's own operators.

    Operations that the array cannot do are left out: ask `missing_operations` first.
    """
    recipes = {**RECIPES, **_recipes_of(defined)}
    return tuple(name for wanted in point_operations(einsum) for name in _made_of(wanted, array, recipes) or ())


def missing_operations(einsum: Einsum, array: Array, defined: Sequence[UserOperator] = ()) -> tuple[str, ...]:
    """Operations of an Einsum that an array neither has nor can make of those that it has."""
    recipes = {**RECIPES, **_recipes_of(defined)}
    wanted = dict.fromkeys(point_operations(einsum))
    return tuple(name for name in wanted if _made_of(name, array, recipes) is None)


def remedy_for(operation: str, array: Array, defined: Sequence[UserOperator] = ()) -> str:
    """What to add to an array that lacks an operation."""
    recipes = {**RECIPES, **_recipes_of(defined)}
    ways = [dict.fromkeys(part for part in way if part not in array.ops) for way in recipes.get(operation, ()) if way]
    made_of = f", or {' and '.join(ways[0])} of which it can be made" if ways else ""
    return f"add `{operation}` under ops{made_of}; it has {', '.join(array.ops)}"


def _recipes_of(defined: Sequence[UserOperator]) -> dict[str, tuple[Recipe, ...]]:
    """A recipe for each operator that a cascade defines: the operators in its definition."""
    return {
        operator.name: (tuple(operation_class(name) for name in map_operators(operator.expression)),)
        for operator in defined
    }


def _made_of(wanted: str, array: Array, recipes: Mapping[str, tuple[Recipe, ...]]) -> Recipe | None:
    """The array's own operations that do `wanted`, in order; None when no recipe leads to them."""
    if wanted in array.ops:
        return (wanted,)
    without = {name: ways for name, ways in recipes.items() if name != wanted}
    for way in recipes.get(wanted, ()):
        parts = [_made_of(part, array, without) for part in way]
        if all(part is not None for part in parts):
            return tuple(name for part in parts for name in part or ())
    return None


def register_accesses(einsum: Einsum, actions: Mapping[str, int]) -> tuple[int, int]:
    """Register-file reads and writes of one iteration point: (words read, words written).

    Each action of a unit reads its operands and writes its result in the PE's file: a MAC three reads (two factors and
    the sum) and one write, any other unit one read per operand and one write; each tensor operand is first written once
    on arrival. This is the buffer accounting of Timeloop for a file that keeps every operand.
    """
    reads = sum(_OPERANDS.get(unit, 2) * uses for unit, uses in actions.items())
    arriving = len({access.tensor for access in einsum.inputs})
    return reads, sum(actions.values()) + arriving
