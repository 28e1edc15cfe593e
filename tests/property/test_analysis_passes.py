"""Passes against an oracle that schedules: random cascades, every element a node, loops over a rank tried one by one.

The oracle knows nothing of traversals. It visits the coordinates of the rank in some order, computes all that it can at
each, and starts over until everything is computed; the fewest rounds over all orders is what a mapping needs that keeps
only what it has computed. That many passes can never be fewer than the lower bound, and on cascades that grow from one
tensor without reading it in two directions the two are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnsim.analysis import analyse, count_passes, describe, traffic_bytes
from attnsim.einsum.ast import Cascade
from attnsim.einsum.build import parse_cascade
from attnsim.einsum.source import CascadeSource

EXTENT = 4  # a round can begin the next one with its last coordinate: exact up to as many passes as coordinates
RANKS = "mp"
Node = tuple[str, tuple[tuple[str, int], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One step of a random cascade: `name` over `ranks` from `sources`; `last` reads the final value of a scan."""

    name: str
    ranks: str
    kind: str
    sources: tuple[str, ...]


@st.composite
def growing(draw: st.DrawFn, inputs: int, kinds: tuple[str, ...]) -> tuple[Line, ...]:
    """A cascade of maps, reductions and scans in which each step reads at least one earlier tensor."""
    lines = [Line(name=f"X{n}", ranks="mp", kind="input", sources=()) for n in range(inputs)]
    for number in range(draw(st.integers(3, 7))):
        kind = draw(st.sampled_from(kinds))
        first = draw(st.sampled_from(lines[-2:]))
        lines.append(_line(draw, f"T{number}", kind, first, lines))
    return tuple(lines)


def _line(draw: st.DrawFn, name: str, kind: str, first: Line, lines: list[Line]) -> Line:
    if kind == "reduce" and first.ranks:
        kept = draw(st.sampled_from([r for r in ("m", "p", "") if r != first.ranks and set(r) <= set(first.ranks)]))
        return Line(name=name, ranks=kept, kind="reduce", sources=(first.name,))
    if kind == "scan" and "m" in first.ranks:
        return Line(name=name, ranks=first.ranks, kind="scan", sources=(first.name,))
    if kind == "last" and first.kind == "scan":
        return Line(name=name, ranks=first.ranks.replace("m", ""), kind="last", sources=(first.name,))
    second = draw(st.sampled_from(lines))
    ranks = "".join(r for r in RANKS if r in first.ranks + second.ranks)
    return Line(name=name, ranks=ranks, kind="map", sources=(first.name, second.name))


def passes(lines: tuple[Line, ...], rank: str) -> int:
    """Passes over the rank as the analysis counts them from the text of the cascade."""
    return count_passes(written(lines), {})[rank.upper()].count


def written(lines: tuple[Line, ...]) -> Cascade:
    """The cascade that the lines stand for."""
    by_name = {line.name: line for line in lines}
    read = {source for line in lines for source in line.sources}
    scans = [line.name for line in lines if line.kind == "scan"]
    source = CascadeSource(
        name="random",
        ranks=(("M", ""), ("P", "")),
        inputs=tuple(_access(line) for line in lines if line.kind == "input" and line.name in read),
        einsums="\n".join(_text(line, by_name) for line in lines if line.kind != "input"),
        outputs=tuple(line.name for line in lines if line.name not in read and line.kind != "input"),
        iterate=("m",) if scans else (),
        start=tuple((name, 0.0) for name in scans),
    )
    return parse_cascade(source)


def _access(line: Line, at: str = "m") -> str:
    indices = ",".join(at if r == "m" else r for r in line.ranks)
    return f"{line.name}[{indices}]" if indices else line.name


def _read(line: Line) -> str:
    return _access(line, "m+1") if line.kind == "scan" else _access(line)


def _text(line: Line, by_name: dict[str, Line]) -> str:
    sources = [by_name[source] for source in line.sources]
    if line.kind == "scan":
        return f"{_access(line, 'm+1')} = {_access(line)} + {_read(sources[0])}"
    if line.kind == "last":
        return f"{_access(line)} = exp({_access(sources[0], 'M')})"
    return f"{_access(line)} = {' * '.join(_read(source) for source in sources)}"


def elements(lines: tuple[Line, ...]) -> nx.DiGraph[Node]:
    """The dependency graph of all elements, from what each kind of step means."""
    graph: nx.DiGraph[Node] = nx.DiGraph()
    by_name = {line.name: line for line in lines}
    for line in lines:
        for values in product(range(EXTENT), repeat=len(line.ranks)):
            at = dict(zip(line.ranks, values, strict=True))
            node = _node(line, at)
            graph.add_node(node)
            graph.add_edges_from((needed, node) for needed in _needed(line, at, by_name))
    return graph


def _node(line: Line, at: dict[str, int]) -> Node:
    return line.name, tuple((r, at[r]) for r in line.ranks)


def _needed(line: Line, at: dict[str, int], by_name: dict[str, Line]) -> list[Node]:
    found = []
    for source in (by_name[name] for name in line.sources):
        fixed = {**at, "m": EXTENT - 1} if line.kind == "last" else at
        free = [r for r in source.ranks if r not in fixed]
        rest = product(range(EXTENT), repeat=len(free))
        found += [_node(source, {**fixed, **dict(zip(free, values, strict=True))}) for values in rest]
    if line.kind == "scan" and at["m"]:
        found.append(_node(line, {**at, "m": at["m"] - 1}))
    return found


def fewest_rounds(graph: nx.DiGraph[Node], rank: str) -> int:
    """Rounds over the rank's coordinates until everything is computed, for the best order in each round."""
    order = list(nx.topological_sort(graph))
    states, rounds = {frozenset[Node]()}, 0
    while not any(len(state) == len(order) for state in states):
        states = {
            _round(graph, order, state, visits, rank) for state in states for visits in permutations(range(EXTENT))
        }
        states = {state for state in states if not any(state < other for other in states)}
        rounds += 1
    return rounds


def _round(
    graph: nx.DiGraph[Node], order: list[Node], state: frozenset[Node], visits: tuple[int, ...], rank: str
) -> frozenset[Node]:
    done = set(state)
    for visited, node in product(visits, order):
        here = dict(node[1]).get(rank, visited) == visited
        if here and node not in done and all(needed in done for needed in graph.predecessors(node)):
            done.add(node)
    return frozenset(done)


@settings(max_examples=200)
@given(growing(inputs=2, kinds=("map", "reduce", "reduce", "scan", "last")), st.sampled_from(RANKS))
def test_no_schedule_needs_fewer_rounds_than_passes(lines: tuple[Line, ...], rank: str) -> None:
    assert passes(lines, rank) <= fewest_rounds(elements(lines), rank)


@settings(max_examples=200)
@given(growing(inputs=1, kinds=("map", "reduce")), st.sampled_from(RANKS))
def test_passes_over_one_tensor_are_the_rounds_of_the_best_schedule(lines: tuple[Line, ...], rank: str) -> None:
    assert passes(lines, rank) == fewest_rounds(elements(lines), rank)


@settings(max_examples=150)
@given(growing(inputs=1, kinds=("map", "reduce", "scan", "last")), st.sampled_from(RANKS))
def test_scans_in_one_direction_need_no_further_rounds(lines: tuple[Line, ...], rank: str) -> None:
    assert passes(lines, rank) == fewest_rounds(elements(lines), rank)


@settings(max_examples=60)
@given(growing(inputs=2, kinds=("map", "reduce", "scan", "last")), st.integers(1, 9), st.integers(1, 9))
def test_every_cascade_has_a_text_and_numbers_that_add_up(lines: tuple[Line, ...], m: int, p: int) -> None:
    analysis = analyse(written(lines), {"M": m, "P": p})
    assert describe(analysis).startswith("random\n")
    assert analysis.flops == sum(analysis.operations.values())
    assert traffic_bytes(analysis.traffic, 1 << 20) >= analysis.compulsory_bytes


@pytest.mark.parametrize(("kind", "rounds"), [("reduce", 2), ("scan", 1)])
def test_the_oracle_sees_that_a_sum_has_to_wait_and_a_scan_has_not(kind: str, rounds: int) -> None:
    ranks = "mp" if kind == "scan" else "p"
    line = Line(name="T", ranks=ranks, kind=kind, sources=("X",))
    lines = (Line(name="X", ranks="mp", kind="input", sources=()), line)
    product_ = Line(name="Z", ranks="mp", kind="map", sources=("X", "T"))
    assert fewest_rounds(elements((*lines, product_)), "m") == rounds
