"""Operation counts: against closed forms from papers, and against the evaluator's own idea of what is present."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from attnsim.analysis import analyse
from attnsim.analysis.sizes import bind_sizes
from attnsim.einsum.ast import Cascade
from attnsim.einsum.evaluate import evaluate_tensors, random_inputs
from attnsim.einsum.partition import bind_extents
from attnsim.errors import AttnSimError
from attnsim.specs.cascade import load_cascade
from attnsim.specs.library import names

ODD = {
    "B": 2,
    "H": 2,
    "G": 2,
    "P": 11,
    "M": 11,
    "E": 3,
    "F": 4,
    "D": 6,
    "S": 7,
    "J": 3,
    "K": 3,
    "R": 5,
    "M0": 4,
    "P0": 4,
}
OTHERS = {"N": 5, "C": 2, "W": 12, "Q": 6}


def odd_extents(cascade: Cascade) -> dict[str, int]:
    """Sizes that no tile divides."""
    known = {**ODD, **OTHERS}
    parts = [part for split in cascade.splits for part in split.parts[1:]]
    return {rank: known[rank] for rank in [rank for rank, _ in cascade.ranks] + parts if rank in known}


# Presence that depends on values or on a state that ran past the last key: the analysis gives an upper bound.
BOUNDED = {
    "topk_attention": {"KS", "SN"},
    "attention_scan_blocked": {"QRM", "RD", "RNV", "RM", "PRM", "LM", "LD", "LNV", "PLM"},
}


@pytest.mark.parametrize("name", [name for name in names("cascade") if not load_cascade(name).sparse])
def test_words_of_every_tensor_are_the_points_that_the_evaluator_has(name: str) -> None:
    cascade = load_cascade(name)
    extents = odd_extents(cascade)
    tensors = evaluate_tensors(cascade, extents, random_inputs(cascade, extents, np.random.default_rng(7)))
    for einsum in analyse(cascade, extents).einsums:
        present = int(np.count_nonzero(tensors[einsum.name].present)) - started_points(cascade, einsum.name, extents)
        if einsum.name in BOUNDED.get(name, set()):
            assert einsum.output_words >= present, einsum.name
        else:
            assert einsum.output_words == present, einsum.name


def started_points(cascade: Cascade, tensor: str, extents: dict[str, int]) -> int:
    """Points of a state that its start value fills: one position along the rank that it steps along."""
    if tensor not in dict(cascade.start):
        return 0
    sizes = bind_extents(cascade, extents)
    still = [index for index in cascade.einsum(tensor).output.indices if not index.offset]
    ranks = [*cascade.batch, *(index.variables[0].upper() for index in still)]
    return math.prod(sizes[rank] for rank in ranks)


def test_a_density_thins_the_points() -> None:
    cascade = load_cascade("masked_attention")
    (density,) = dict(cascade.sparse).values()
    analysis = analyse(cascade, {"P": 1000, "M": 1000, "E": 8, "F": 8})
    assert analysis.operations["exp"] == round(1000 * 1000 * density)


def test_fusemax_counts_per_key_and_query() -> None:
    p = m = 1024
    analysis = analyse(load_cascade("attention_1pass"), {"P": p, "M": m, "E": 64, "F": 32, "M0": 256})
    m1 = m // 256
    # FuseMax, MICRO 2024: products E + F, one exp, maximum and sum a point; corrections once a tile of keys.
    assert analysis.operations == {
        "mac": p * m * (64 + 32),
        "max": p * m + p * m1,
        "sub": p * m + p * m1,
        "exp": p * m + p * m1,
        "add": p * m + p * m1 * (1 + 32),
        "mul": p * m1 * (1 + 32),
        "div": p * 32,
    }


def test_batch_ranks_multiply_everything() -> None:
    one = analyse(load_cascade("attention_3pass"), {"P": 100, "M": 100, "E": 8, "F": 8})
    many = analyse(load_cascade("attention_3pass"), {"P": 100, "M": 100, "E": 8, "F": 8, "B": 3, "H": 5})
    assert {kind: count * 15 for kind, count in one.operations.items()} == many.operations
    assert many.compulsory_bytes == 15 * one.compulsory_bytes


@pytest.mark.parametrize("tile", [1, 7, 100, 128, 1000])
def test_a_tile_that_does_not_divide_the_keys_adds_no_points(tile: int) -> None:
    analysis = analyse(load_cascade("attention_1pass"), {"P": 10, "M": 100, "E": 8, "F": 8, "M0": tile})
    assert analysis.operations["mac"] == 10 * 100 * 16


def test_a_causal_mask_halves_what_comes_after_it() -> None:
    n = 1000
    analysis = analyse(load_cascade("attention_3pass_causal"), {"P": n, "M": n, "E": 8, "F": 8})
    assert analysis.operations["exp"] == n * (n + 1) // 2
    assert analysis.operations["mac"] == 16 * n * (n + 1) // 2


def test_a_sum_is_present_where_its_terms_share_a_mask_and_else_everywhere(cascade_of: Callable[..., Cascade]) -> None:
    einsums = "A[m,p]=X[m,p] where m<=p; B[m,p]=Y[m,p] where m<=p; C[m,p]=A[m,p]+B[m,p]; D[m,p]=A[m,p]+Y[m,p]"
    counted = analyse(cascade_of("M P", "X[m,p] Y[m,p]", einsums, same="P=M"), {"M": 10, "P": 10})
    assert {einsum.name: einsum.points for einsum in counted.einsums} == {"A": 55, "B": 55, "C": 55, "D": 100}


def test_a_window_bounds_what_comes_after_it() -> None:
    n, window = 1000, 100
    analysis = analyse(load_cascade("sliding_window_attention"), {"P": n, "M": n, "E": 8, "F": 8, "W": window})
    assert analysis.operations["exp"] == n * window - window * (window - 1) // 2
    assert analysis.footprints["M"].live_words == window


def test_a_million_tokens_take_no_longer_to_count() -> None:
    n = 1 << 20
    analysis = analyse(load_cascade("attention_1pass_causal"), {"P": n, "M": n, "E": 64, "F": 64, "M0": 256})
    assert analysis.einsums[0].points == 64 * n * (n + 1) // 2


def test_reductions_in_a_row_take_in_what_the_one_before_left(cascade_of: Callable[..., Cascade]) -> None:
    analysis = analyse(cascade_of("M P", "X[m,p]", "Z=max(m) sum(p) X[m,p]"), {"M": 10, "P": 7})
    assert analysis.operations == {"add": 70, "max": 10}


def test_only_a_product_that_feeds_a_sum_is_a_multiply_accumulate(cascade_of: Callable[..., Cascade]) -> None:
    analysis = analyse(cascade_of("M", "X[m] Y[m]", "Z=max(m) X[m]*Y[m]; W=X[m]*Y[m]"), {"M": 10})
    assert analysis.operations == {"mul": 10, "max": 10, "mac": 10}
    assert analysis.flops == 40


def test_all_wrong_extents_are_told_at_once() -> None:
    with pytest.raises(AttnSimError) as wrong:
        bind_sizes(load_cascade("attention_1pass"), {"MM": 4, "P": 0, "E": -1})
    told = [str(problem) for problem in wrong.value.problems]
    assert told[0].startswith("MM: attention_1pass has no rank MM; did you mean M?")
    assert [problem.path for problem in wrong.value.problems] == ["MM", "P", "E"]


def test_missing_extents_are_told_at_once() -> None:
    with pytest.raises(AttnSimError) as wrong:
        bind_sizes(load_cascade("attention_1pass"), {"P": 4})
    assert [problem.what for problem in wrong.value.problems] == [
        f"rank {rank} of attention_1pass has no extent" for rank in ("M", "E", "F")
    ]
