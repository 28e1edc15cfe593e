"""Number of points of a box that satisfy linear conditions, exact and without visiting them one by one.

(Constraints, extents) -> count. Conditions split the variables into groups that can be counted on their own. A group of
two variables is a sum of lengths of intervals whose ends are linear in the other variable: between the places where two
ends cross it is an arithmetic series, so a causal mask of a million by a million costs a handful of operations. Larger
groups, and slopes that are not whole numbers, are enumerated over all variables but the last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise

from attnsim.errors import AttnSimError, Problem

LARGEST_ENUMERATION = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """`sum(coefficient * variable) + constant <relation> 0`, relation one of `<= == !=`; terms sorted by variable."""

    terms: tuple[tuple[str, int], ...]
    constant: int
    relation: str

    def slope(self, variable: str) -> int:
        """Coefficient of a variable, 0 if it does not appear."""
        return dict(self.terms).get(variable, 0)

    def at(self, variable: str, value: int) -> Constraint:
        """The constraint on the other variables once `variable` has a value."""
        rest = tuple(term for term in self.terms if term[0] != variable)
        return Constraint(terms=rest, constant=self.constant + self.slope(variable) * value, relation=self.relation)


def constraint(terms: Mapping[str, int], constant: int, relation: str) -> Constraint:
    """Bring `sum + constant <relation> 0` with any of `< <= > >= == !=` to the three relations of `Constraint`."""
    sign = -1 if relation in (">", ">=") else 1
    shift = 1 if relation in ("<", ">") else 0
    return Constraint(
        terms=tuple(sorted((variable, sign * factor) for variable, factor in terms.items() if factor)),
        constant=sign * constant + shift,
        relation=relation if relation in ("==", "!=") else "<=",
    )


def count_points(extents: Mapping[str, int], constraints: frozenset[Constraint]) -> int:
    """Points with `0 <= v < extents[v]` for every variable v that satisfy all constraints.

    Raises AttnSimError when more than two variables hang together over too large extents to enumerate.
    """
    total = 1
    for variables in _groups(tuple(extents), constraints):
        inside = frozenset(c for c in constraints if c.terms and c.terms[0][0] in variables)
        total *= _count_group({variable: extents[variable] for variable in variables}, inside)
    free = [c for c in constraints if not c.terms]
    return total if all(_holds(c) for c in free) else 0


def project(constraints: frozenset[Constraint], variable: str, extent: int) -> frozenset[Constraint]:
    """What the constraints say of the other variables if some `0 <= variable < extent` is to satisfy them all.

    Fourier-Motzkin elimination; exact for whole numbers where of each pair one slope is 1 or -1, else an upper bound of
    the points. Constraints that forbid single values (`!=`) on the variable are dropped.
    """
    rest = {one for one in constraints if not one.slope(variable)}
    box = (constraint({variable: -1}, 0, "<="), constraint({variable: 1}, 1 - extent, "<="))
    bounds = [*box, *(half for one in constraints if one.slope(variable) for half in _halves(one))]
    uppers = [one for one in bounds if one.slope(variable) > 0]
    lowers = [one for one in bounds if one.slope(variable) < 0]
    joined = (_eliminated(upper, lower, variable) for upper in uppers for lower in lowers)
    return frozenset(rest | {one for one in joined if one.terms or one.constant > 0})


def _halves(one: Constraint) -> tuple[Constraint, ...]:
    """The constraint as inequalities: an equality holds both ways."""
    if one.relation == "<=":
        return (one,)
    return (constraint(dict(one.terms), one.constant, "<="), constraint(dict(one.terms), one.constant, ">=")) * (
        one.relation == "=="
    )


def _eliminated(upper: Constraint, lower: Constraint, variable: str) -> Constraint:
    up, down = upper.slope(variable), -lower.slope(variable)
    terms: dict[str, int] = {}
    for weight, one in ((down, upper), (up, lower)):
        for name, factor in one.terms:
            terms[name] = terms.get(name, 0) + weight * factor
    return constraint(terms, down * upper.constant + up * lower.constant, "<=")


def _holds(free: Constraint) -> bool:
    if free.relation == "<=":
        return free.constant <= 0
    return (free.constant == 0) == (free.relation == "==")


def _groups(variables: tuple[str, ...], constraints: frozenset[Constraint]) -> list[set[str]]:
    groups = [{variable} for variable in variables]
    for one in constraints:
        linked = {variable for variable, _ in one.terms}
        joined = [group for group in groups if group & linked]
        groups = [group for group in groups if not group & linked]
        if joined:
            groups.append(set().union(*joined))
    return groups


def _count_group(extents: Mapping[str, int], constraints: frozenset[Constraint]) -> int:
    if not constraints:
        return math.prod(extents.values())
    unequal = next((c for c in sorted(constraints, key=repr) if c.relation == "!="), None)
    if unequal:
        others = constraints - {unequal}
        equal = Constraint(terms=unequal.terms, constant=unequal.constant, relation="==")
        return count_points(extents, others) - count_points(extents, others | {equal})
    if len(extents) == 1:
        return _count_line(extents, constraints)
    if len(extents) == 2:
        series = _count_series(extents, constraints)
        if series is not None:
            return series
    return _enumerated(extents, constraints)


def _count_line(extents: Mapping[str, int], constraints: frozenset[Constraint]) -> int:
    ((variable, extent),) = extents.items()
    low, high = _range(variable, extent, constraints)
    return max(0, high - low + 1)


def _count_series(extents: Mapping[str, int], constraints: frozenset[Constraint]) -> int | None:
    """Sum the interval lengths of one variable over the other; None unless one variable has slope 1 or -1
    throughout."""
    for inner in sorted(extents):
        if all(abs(c.slope(inner)) <= 1 for c in constraints):
            (outer,) = (variable for variable in extents if variable != inner)
            return _series(inner, extents[inner], outer, extents[outer], constraints)
    return None


def _series(inner: str, height: int, outer: str, width: int, constraints: frozenset[Constraint]) -> int:
    """Count points under lines: `(slope, offset)` are values of the inner variable as the outer one moves."""
    on_outer = frozenset(c for c in constraints if not c.slope(inner))
    uppers, lowers = [(0, height - 1)], [(0, 0)]
    for one in constraints - on_outer:
        slope = one.slope(inner)
        line = (-one.slope(outer) * slope, -one.constant * slope)
        if slope > 0 or one.relation == "==":
            uppers.append(line)
        if slope < 0 or one.relation == "==":
            lowers.append(line)
    ends = [*uppers, *((slope, offset - 1) for slope, offset in lowers)]
    first, last = _range(outer, width, on_outer)
    cuts = {first, last + 1}
    for (a, b), (c, d) in combinations(ends, 2):
        if a != c:
            crossing = math.floor(Fraction(d - b, a - c))
            cuts |= {cut for cut in (crossing, crossing + 1) if first < cut <= last}

    def length(at: int) -> int:
        top = min(slope * at + offset for slope, offset in uppers)
        return max(0, top - max(slope * at + offset for slope, offset in lowers) + 1)

    pieces = pairwise(sorted(cuts)) if first <= last else ()
    return sum((length(start) + length(stop - 1)) * (stop - start) // 2 for start, stop in pieces)


def _range(variable: str, extent: int, constraints: frozenset[Constraint]) -> tuple[int, int]:
    """First and last value that constraints on one variable alone leave."""
    low, high = 0, extent - 1
    for one in constraints:
        slope = one.slope(variable)
        if slope > 0 or one.relation == "==":
            high = min(high, math.floor(Fraction(-one.constant, slope)))
        if slope < 0 or one.relation == "==":
            low = max(low, math.ceil(Fraction(-one.constant, slope)))
    return low, high


def _enumerated(extents: Mapping[str, int], constraints: frozenset[Constraint]) -> int:
    """Try every value of the variable with the smallest extent and count the rest."""
    variable = min(extents, key=lambda name: (extents[name], name))
    if math.prod(sorted(extents.values())[: max(1, len(extents) - 2)]) > LARGEST_ENUMERATION:
        names = ", ".join(sorted(extents))
        what = f"the masks tie {names} together over too large extents to count their points"
        raise AttnSimError(Problem(what=what, remedy="use masks between two ranks, or smaller extents"))
    rest = {name: extent for name, extent in extents.items() if name != variable}
    return sum(
        count_points(rest, frozenset(one.at(variable, value) for one in constraints))
        for value in range(extents[variable])
    )
