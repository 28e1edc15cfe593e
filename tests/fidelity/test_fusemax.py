"""FuseMax as published: a spread of points of every claim, and latencies from the closed forms of the paper's model.

The closed forms are written here from section V of the paper and know nothing of mappings, stages or engines.
`make validate` compares all points.
"""

from __future__ import annotations

import math

import pytest

from attnsim.claims import points_of
from attnsim.pipeline import Request, Run, require_mapping_fits, simulate
from attnsim.specs.claims import load_claims
from attnsim.validate import Validation, validate

CLAIMS = load_claims("fusemax")
NOT_MEANS = [claim.name for claim in CLAIMS.claims if not claim.mean]

BATCH, HEADS, CLOCK_HZ, PES, BYTES_PER_S = 64, {"bert": 12, "xlm": 16}, 940e6, 256, 400 * 2**30
HEAD_DIMENSION = {"bert": 64, "xlm": 128}
BUFFER_BYTES = 16 * 2**20


@pytest.fixture(scope="module")
def sampled() -> Validation:
    return validate("fusemax", sample=3)


@pytest.mark.parametrize("name", NOT_MEANS)
def test_a_spread_of_points_of_the_claim_holds(name: str, sampled: Validation) -> None:
    (result,) = (result for result in sampled.results if result.claim.name == name)
    missed = [f"{c.point.where}: {c.point.value} published, {c.ours} ours" for c in result.comparisons if not c.holds]
    assert missed == []


def test_the_claims_cover_every_model_length_and_configuration() -> None:
    covered = {(t.run.model, t.run.seq_len, t.run.mapping) for p in points_of(CLAIMS) for t in p.terms}
    models, lengths = ("bert", "trxl", "t5", "xlm"), (2**10, 2**12, 2**14, 2**16, 2**18, 2**20)
    mappings = ("unfused", "flat", "cascade", "architecture", "binding")
    assert {(m, n, c) for m in models for n in lengths for c in mappings} <= covered


def cycles_per_tile(mapping: str, e: int, m1: int) -> float:
    """Cycles that one 256x256 tile of scores takes (E = F): the longer array of each step, one step after another."""
    f = e
    match mapping:
        case "flat":  # maximum, exponential, sum and division of 256x256 scores on 256 lanes
            return 4 * 256
        case "cascade":  # LM, RM, PRM, SPD, SPNV, SLN, SLD, RD, RNV and AV, one after another on the lanes
            return 256 + 1 + 2 + 1 + f + 512 + 256 + 1 + f + f / m1
        case "architecture":  # QK, LM; drain; RM; SLN, SLD beside PRM, SPD; SLNV beside SPNV, RNV
            return max(e + 1, 1 + f / m1) + 256 + 1 + max(7 + 1, 7 + 1) + max(f, 2 * f)
        case _:  # QK, LM beside RD, RNV, AV; RM; SLN, SLD beside PRM, SPD; SLNV beside SPNV
            return max(e + 1, 1 + f + f / m1) + 1 + max(7 + 1, 7 + 1) + max(f, f)


def query_blocks(e: int, seq_len: int) -> int:
    """Blocks that the queries of a head are cut into, so that Q, RM, RD and RNV of one fit; K and V stream."""
    rows = seq_len // PES
    most = (BUFFER_BYTES - PES * 2 * 2 * e) // (PES * 2 * (2 * e + 2))
    return rows // max(n for n in range(1, rows + 1) if rows % n == 0 and n <= most)


def simulated(model: str, seq_len: int, mapping: str) -> Run:
    return require_mapping_fits(simulate(Request(model=model, seq_len=seq_len, batch=BATCH, mapping=mapping)))


@pytest.mark.parametrize("seq_len", [1024, 65536, 1048576])
@pytest.mark.parametrize("model", ["bert", "xlm"])
@pytest.mark.parametrize("mapping", ["flat", "cascade", "architecture", "binding"])
def test_latency_is_tiles_times_the_cycles_of_a_tile(mapping: str, model: str, seq_len: int) -> None:
    metrics = simulated(model, seq_len, mapping).metrics
    tiles = BATCH * HEADS[model] * (seq_len // PES) ** 2
    compute_s = tiles * cycles_per_tile(mapping, HEAD_DIMENSION[model], seq_len // PES) / CLOCK_HZ
    assert metrics.latency_s == pytest.approx(max(compute_s, metrics.bytes["dram"] / BYTES_PER_S), rel=1e-6)


@pytest.mark.parametrize("seq_len", [1024, 16384, 65536, 1048576])
@pytest.mark.parametrize("model", ["bert", "xlm"])
def test_queries_and_results_move_once_and_keys_and_values_once_per_block_of_queries(model: str, seq_len: int) -> None:
    e = HEAD_DIMENSION[model]
    words = BATCH * HEADS[model] * 2 * e * seq_len * (1 + query_blocks(e, seq_len))
    assert simulated(model, seq_len, "binding").metrics.bytes["dram"] == 2 * words


@pytest.mark.parametrize("seq_len", [1024, 65536])
def test_unfused_moves_the_scores_four_times(seq_len: int) -> None:
    words = BATCH * HEADS["bert"] * (4 * seq_len**2 + 2 * seq_len * 2 * HEAD_DIMENSION["bert"])
    assert simulated("bert", seq_len, "unfused").metrics.bytes["dram"] == 2 * words


def test_both_arrays_approach_full_use_with_binding() -> None:
    busy = [simulated("bert", seq_len, "binding").metrics.utilization["array_2d"] for seq_len in (2**10, 2**14, 2**20)]
    assert busy == sorted(busy)
    assert math.isclose(busy[-1], 137 / (138 + 64 / 4096), rel_tol=1e-6)
