"""An array and a cascade of one's own, by two files: a 64x64 array below two buffers, and a scaled product."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from attnsim.errors import MappingError
from attnsim.mapping.infeasible import Infeasible
from attnsim.metrics import Metrics
from attnsim.pipeline import Request, Run, simulate

ARRAY = """
name: mine
family: spatial_array
source: assumption
clock: 1 GHz
arrays:
  pes:
    shape: [64, 64]
    ops: {mac: {uses: {mac: 1}}, max: {uses: {max: 1}}}
    units: {mac: {energy: 1 pJ, area: 1000 um^2}, max: {energy: 0.1 pJ, area: 50 um^2}}
    registers: {depth: 8, read: 0.1 pJ, write: 0.2 pJ, area: 100 um^2}
memories:
  local_buffer: {capacity: 64 KiB, access: 64 byte, read: 64 pJ, write: 64 pJ, area: 0.1 mm^2}
  global_buffer: {capacity: 1 MiB, access: 64 byte, read: 640 pJ, write: 640 pJ, area: 1 mm^2}
  dram: {bandwidth: 64 GB/s, access: 64 byte, read: 6400 pJ, write: 6400 pJ}
"""
CASCADE = """
name: clipped
source: own
ranks: {P: rows, M: columns, E: contracted}
inputs: Q[e,p], K[e,m], C[p]
einsums: |
  S[m,p] = Q[e,p] * K[e,m]
  R[m,p] = max(S[m,p], C[p])
outputs: [R]
"""
# All of Q in the large buffer, blocks of K below M1 through it in the small one.
MAPPING = """
name: mine
for: {cascade: CASCADE, hardware: ARRAY}
phases:
  - name: all
    split: {P: [P1, P0], M: [M1, M0]}
    tile: {P0: pes.columns, M0: pes.rows}
    order: [M1, P1]
    place: {pes: [S, R]}
    spatial: {S: [M0, P0], R: [M0, P0]}
    keep:
      local_buffer: {K: M1}
      global_buffer: {K: M1, Q: M1}
"""
P, M, E = 256, 512, 32
EXTENTS = {"P": P, "M": M, "E": E}
WORD_BYTES = 2


@pytest.fixture
def request_of(tmp_path: Path) -> Request:
    array, cascade, mapping = (tmp_path / f"{name}.yaml" for name in ("array", "cascade", "mapping"))
    array.write_text(ARRAY, encoding="utf-8")
    cascade.write_text(CASCADE, encoding="utf-8")
    mapping.write_text(MAPPING.replace("CASCADE", str(cascade)).replace("ARRAY", str(array)), encoding="utf-8")
    return Request(mapping=str(mapping), cascade=str(cascade), hardware=str(array), extents=EXTENTS)


def metrics(request: Request) -> Metrics:
    run = simulate(request)
    assert isinstance(run, Run), run
    return run.metrics


def test_it_runs_without_a_mapping(request_of: Request) -> None:
    found = metrics(replace(request_of, mapping=None))
    tiles = (P // 64) * (M // 64)
    assert found.bounds_s["pes"] == pytest.approx(tiles * (E + 1) / 1e9)
    assert found.latency_s >= found.bounds_s["pes"]
    compulsory = (P * E + M * E + P + M * P) * WORD_BYTES
    assert found.bytes["dram"] >= compulsory


def test_a_mapping_alone_names_its_cascade_and_its_hardware(request_of: Request) -> None:
    alone = metrics(replace(request_of, cascade=None, hardware=None))
    assert alone == metrics(request_of)


def test_bytes_and_energy_are_counted_at_every_level(request_of: Request) -> None:
    found = metrics(request_of)
    tiles = (P // 64) * (M // 64)
    k, q, out, scale = M * E, P * E, M * P, tiles * 64
    dram = k + q + scale + out  # K and Q once, C for each tile, R once
    shared = 2 * k + q + tiles * 64 * E  # K in and out, Q in once and out for each tile
    local = k + tiles * 64 * E  # K in once and out for each tile
    words = {"dram": dram, "global_buffer": shared, "local_buffer": local}
    assert found.bytes == {name: count * WORD_BYTES for name, count in words.items()}
    energy = {"local_buffer": 1e-12, "global_buffer": 10e-12, "dram": 100e-12}  # joule per byte
    for name, joule_per_byte in energy.items():
        assert found.energy_j[name] == pytest.approx(words[name] * WORD_BYTES * joule_per_byte)


def test_functional_units_and_registers_use_energy_for_every_point(request_of: Request) -> None:
    found = metrics(request_of)
    assert found.energy_j["pes.mac"] == pytest.approx(P * M * E * 1e-12)
    assert found.energy_j["pes.max"] == pytest.approx(P * M * 0.1e-12)
    # A MAC reads 3 words and writes 1, its operands are written on arrival; a maximum reads 2 and writes 1.
    reads, writes = P * M * E * 3 + P * M * 2, P * M * E * (1 + 2) + P * M * (1 + 2)
    assert found.energy_j["pes.registers"] == pytest.approx(reads * 0.1e-12 + writes * 0.2e-12)


def test_area_is_that_of_pes_and_buffers(request_of: Request) -> None:
    areas = {"pes": 64 * 64 * 1150e-12, "local_buffer": 0.1e-6, "global_buffer": 1e-6}
    assert metrics(request_of).area_m2 == pytest.approx(areas)


@pytest.mark.parametrize("fill_drain", ["ideal", "modeled"])
@pytest.mark.parametrize("memory", ["local_buffer", "global_buffer", "dram"])
def test_a_slow_memory_at_any_level_limits(memory: str, fill_drain: str, request_of: Request) -> None:
    slow = replace(request_of, fill_drain=fill_drain, overrides=(f"memories.{memory}.bandwidth=1 GB/s",))
    found = metrics(slow)
    assert found.limiter == memory
    assert found.bounds_s[memory] == pytest.approx(found.bytes[memory] / 1e9)
    assert found.latency_s == pytest.approx(found.bounds_s[memory], rel=0 if fill_drain == "ideal" else 0.05, abs=1e-11)
    busy_s = sum(phase.busy_s[memory] for phase in found.phases)
    assert busy_s == pytest.approx(found.bounds_s[memory], rel=1e-4)


@pytest.mark.parametrize("fill_drain", ["ideal", "modeled"])
def test_a_faster_memory_never_makes_it_slower(fill_drain: str, request_of: Request) -> None:
    speeds = ("8 GB/s", "16 GB/s", "64 GB/s", "256 GB/s")
    overrides = [(f"memories.dram.bandwidth={speed}", "memories.global_buffer.bandwidth=100 GB/s") for speed in speeds]
    times = [metrics(replace(request_of, fill_drain=fill_drain, overrides=o)).latency_s for o in overrides]
    assert times == sorted(times, reverse=True)


def test_an_inner_buffer_that_is_too_small_is_named(request_of: Request) -> None:
    misfit = simulate(replace(request_of, overrides=("memories.local_buffer.capacity=2 KiB",)))
    assert isinstance(misfit, Infeasible)
    assert (misfit.memory, misfit.demand_bytes) == ("local_buffer", 64 * E * WORD_BYTES)


def test_without_residency_a_cascade_still_runs_when_nothing_fits(request_of: Request) -> None:
    tiny = ("memories.local_buffer.capacity=64 byte", "memories.global_buffer.capacity=64 byte")
    assert metrics(replace(request_of, mapping=None, overrides=tiny)).latency_s > 0


def test_a_block_cannot_be_larger_than_the_one_that_it_comes_from(request_of: Request) -> None:
    assert request_of.mapping is not None
    path = Path(request_of.mapping)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("global_buffer: {K: M1, Q: M1}", "global_buffer: {K: P1, Q: M1}"), encoding="utf-8")
    with pytest.raises(MappingError) as caught:
        simulate(request_of)
    assert [str(replace(problem, file="", line=0)) for problem in caught.value.problems] == [
        (
            "phases.0.keep.local_buffer.K: the block of K below M1 is larger than the one in global_buffer, below P1; "
            "keep it in local_buffer at P1 or a loop inside it"
        )
    ]
