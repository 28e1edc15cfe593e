"""One-pass attention at random shapes against the closed forms of FuseMax's artifact: time, traffic, operations."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnsim.metrics import Metrics
from attnsim.pipeline import Request, Run, simulate

WIDTH = 256
CLOCK_HZ = 940e6
DRAM_BYTES_PER_S = 400 * 2**30
MAC_J, ADD_J, MAX_J, DIV_J = 17.1645e-12, 8.3395e-12, 0.028036e-12, 36.251153e-12


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Heads in all, tiles of queries and keys, and the two head dimensions."""

    heads: int
    p_tiles: int
    m_tiles: int
    e: int
    f: int

    @property
    def extents(self) -> dict[str, int]:
        return {"B": 1, "H": self.heads, "P": self.p_tiles * WIDTH, "M": self.m_tiles * WIDTH, "E": self.e, "F": self.f}

    @property
    def tiles(self) -> int:
        return self.heads * self.p_tiles * self.m_tiles

    def rounds(self, buffer_bytes: int) -> int:
        """Blocks of query rows (P2): those of Q, the output and the running maximum and sum stay in the buffer."""
        operands = WIDTH * 2 * (self.e + self.f)
        most = (buffer_bytes - operands) // (operands + WIDTH * 2 * 2)
        return self.p_tiles // max(d for d in range(1, self.p_tiles + 1) if self.p_tiles % d == 0 and d <= most)


shapes = st.builds(
    Shape,
    heads=st.integers(1, 2),
    p_tiles=st.integers(1, 12),
    m_tiles=st.integers(2, 10),
    e=st.sampled_from([16, 64, 80, 128]),
    f=st.sampled_from([16, 64, 96, 128]),
)


def metrics(mapping: str, shape: Shape, buffer_bytes: int = 2**24) -> Metrics:
    capacity = (f"memories.global_buffer.capacity={buffer_bytes} byte",)
    run = simulate(Request(mapping=mapping, extents=shape.extents, overrides=capacity))
    assert isinstance(run, Run)
    return run.metrics


def compute_cycles(mapping: str, shape: Shape) -> int:
    """Cycles of all tiles: the output is divided in the last tile of each row only."""
    e, f, rows = shape.e, shape.f, shape.heads * shape.p_tiles
    if mapping == "binding":
        first, last, rest = max(e + 1, 1 + f), max(e + 1, 1 + f + f), 1 + 8 + f
    else:
        first, last, rest = e + 1, max(e + 1, 1 + f), WIDTH + 1 + 8 + 2 * f
    return rows * ((shape.m_tiles - 1) * (first + rest) + last + rest)


@given(shape=shapes)
def test_the_cycles_of_equal_head_dimensions_are_the_published_ones(shape: Shape) -> None:
    even = replace(shape, e=shape.f)
    f, last = shape.f, shape.f / shape.m_tiles
    binding = max(f + 1, 1 + f + last) + 1 + 8 + f
    architecture = max(f + 1, 1 + last) + WIDTH + 1 + 8 + 2 * f
    assert compute_cycles("binding", even) == pytest.approx(shape.tiles * binding)
    assert compute_cycles("architecture", even) == pytest.approx(shape.tiles * architecture)


@pytest.mark.parametrize("mapping", ["binding", "architecture"])
@settings(max_examples=15)
@given(shape=shapes, buffer_bytes=st.sampled_from([2**20, 2**21, 2**24]))
def test_time_and_traffic_are_those_of_the_closed_forms(mapping: str, shape: Shape, buffer_bytes: int) -> None:
    found = metrics(mapping, shape, buffer_bytes)
    p, m, width = shape.extents["P"], shape.extents["M"], shape.e + shape.f
    traffic = 2 * shape.heads * width * (p + shape.rounds(buffer_bytes) * m)
    assert found.bytes["dram"] == traffic
    slowest = max(compute_cycles(mapping, shape) / CLOCK_HZ, traffic / DRAM_BYTES_PER_S)
    assert found.latency_s == pytest.approx(slowest, rel=1e-9, abs=2e-12)


@settings(max_examples=15)
@given(shape=shapes)
def test_energy_of_the_functional_units_is_that_of_the_closed_forms(shape: Shape) -> None:
    energy = metrics("binding", shape).energy_j
    p, m = shape.extents["P"], shape.extents["M"]
    points, rows = shape.heads * p * m, shape.heads * p * shape.m_tiles
    assert energy["array_2d.mac"] == pytest.approx(points * (shape.e + shape.f + 6) * MAC_J)
    assert energy["array_2d.add"] == pytest.approx(points * 2 * ADD_J)
    assert energy["array_2d.max"] == pytest.approx(points * MAX_J)
    assert energy["array_1d.mac"] == pytest.approx(rows * (7 + shape.f) * MAC_J)
    assert energy["array_1d.add"] == pytest.approx(rows * (2 + shape.f) * ADD_J)
    assert energy["array_1d.max"] == pytest.approx(rows * MAX_J)
    assert energy["array_1d.div"] == pytest.approx(shape.heads * p * shape.f * DIV_J)


@settings(max_examples=5)
@given(shape=shapes)
def test_a_smaller_buffer_never_moves_less(shape: Shape) -> None:
    traffic = [metrics("binding", shape, size).bytes["dram"] for size in (2**20, 2**21, 2**24)]
    assert traffic == sorted(traffic, reverse=True)


@settings(max_examples=5)
@given(shape=shapes)
def test_one_tile_at_a_time_is_never_faster_than_tiles_interleaved(shape: Shape) -> None:
    assert metrics("architecture", shape).latency_s >= metrics("binding", shape).latency_s
