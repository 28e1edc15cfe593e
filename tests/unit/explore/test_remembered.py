"""What runs remember of one another changes no number: designs one after the other, and each in a process of its own
that has simulated nothing before.
"""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from dataclasses import replace

import pytest

from attnsim.errors import AttnSimError
from attnsim.explore.batch import evaluate, metric_at, reason
from attnsim.mapping.infeasible import Infeasible
from attnsim.pipeline import Request, simulate
from attnsim.results import run_json

METRICS = ("latency_s", "energy_j.total", "area_m2", "utilization.array_2d", "utilization.dram", "bytes.global_buffer")
BASES = {
    "mapping": Request(hardware="fusemax", model="bert", seq_len=4096, mapping="binding"),
    "derived": Request(hardware="fusemax", model="bert", seq_len=4096, cascade="attention_2pass"),
    "spilling": Request(hardware="flat", model="bert", seq_len=65536, mapping="flat"),
}
CHANGES = (
    "hardware.clock=500 MHz",
    "hardware.memories.dram.bandwidth=10 GB/s",
    "hardware.memories.dram.bandwidth=20 GB/s",
    "hardware.memories.dram.read=1 pJ",
    "hardware.memories.global_buffer.capacity=3 MiB",
    "hardware.memories.global_buffer.capacity=200 KiB",
    "hardware.memories.global_buffer.bandwidth=100 GB/s",
    "hardware.memories.global_buffer.area=1 mm^2",
    "hardware.memories.global_buffer.read.exponent=2",
    "hardware.memories.global_buffer.access=256 byte",
    "hardware.arrays.array_2d.shape=[128, 256]",
    "hardware.arrays.array_2d.shape=[96, 200]",
    "hardware.arrays.array_1d.shape=[64]",
    "hardware.arrays.array_1d.ops.max.cycles=9",
    "hardware.arrays.array_1d.units.max.energy=9 pJ",
    "hardware.arrays.array_2d.registers.read=9 pJ",
    "hardware.word=8 bit",
)


def requests_of(base: str) -> list[Request]:
    """The base, with each change alone, and at another length and batch."""
    own = BASES[base]
    changed = [replace(own, overrides=(change,)) for change in CHANGES]
    return [own, *changed, replace(own, seq_len=3072), replace(own, batch=2), replace(own, fill_drain="modeled")]


def values_of(requests: list[Request]) -> list[list[float | str | None]]:
    return [[*one.values, one.infeasible] for one in evaluate(requests, METRICS)]


@pytest.mark.parametrize("base", BASES)
def test_what_was_simulated_before_changes_no_number(base: str) -> None:
    told = subprocess.run([sys.executable, __file__, base], check=True, capture_output=True, text=True).stdout
    found = values_of(requests_of(base))
    assert json.loads(told) == json.loads(json.dumps(found))
    assert len({str(one) for one in found}) > len(CHANGES)


def alone(request: Request) -> list[float | str | None]:
    """A plain run, which sees no other hardware than its own."""
    try:
        run = simulate(request)
    except AttnSimError as error:
        return [*(None for _ in METRICS), reason(error)]
    if isinstance(run, Infeasible):
        return [*(None for _ in METRICS), reason(run)]
    document = run_json(run)
    return [*(metric_at(document, metric) for metric in METRICS), ""]


if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        print(json.dumps(pool.map(alone, requests_of(sys.argv[1]), chunksize=1)))  # noqa: T201
