"""What a cascade computes where it is not obvious: absence, remainders, iterations, populate, user operators."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import ArrayLike

from attnsim.einsum.evaluate import evaluate, evaluate_tensors, random_inputs
from attnsim.einsum.points import Points
from attnsim.errors import CascadeError
from attnsim.specs.cascade import load_cascade, read_cascade

FRAME = """\
name: example
source: test
ranks: {{M: keys, P: queries, J: kept}}
inputs: {inputs}
{keys}
einsums: |
{einsums}
outputs: [Z]
"""


def run(einsums: str, inputs: str, values: dict[str, ArrayLike], keys: str = "batch: []", **sizes: float) -> Points:
    """Z of a small cascade over M, P and J, of extent 4, 3 and 2 unless `sizes` says otherwise."""
    lines = "\n".join(f"  {line}" for line in einsums.splitlines())
    cascade = read_cascade(FRAME.format(einsums=lines, inputs=inputs, keys=keys))
    extents = {"M": 4, "P": 3, "J": 2, **{name: int(size) for name, size in sizes.items()}}
    return evaluate(cascade, extents, {name: np.asarray(value, dtype=float) for name, value in values.items()})["Z"]


def shown(points: Points) -> list[float | None]:
    """Values in order, None for absent points."""
    pairs = zip(points.values.ravel(), points.present.ravel(), strict=True)
    return [float(value) if there else None for value, there in pairs]


X = [1.0, 2.0, 3.0, 4.0]
# Einsums on X[m] = 1 2 3 4 -> Z.
ON_A_VECTOR: dict[str, list[float | None]] = {
    "Z[m] = X[m] where m != 1": [1, None, 3, 4],
    "Z[m] = X[m-1]": [None, 1, 2, 3],
    "Z[m] = X[m+2]": [3, 4, None, None],
    "Z[m] = X[M-1-m] * X[m]": [4, 6, 6, 4],
    "Z[m] = X[2*m] + 0 * X[m]": [1, 3, 0, 0],
    "Z[m] = X[m-1] + X[m]": [1, 3, 5, 7],
    "Z[m] = X[m-1] * X[m]": [None, 2, 6, 12],
    "Z[m] = X[m] - X[m-1]": [None, 1, 1, 1],
    "Z[m] = max(X[m-1], X[m+1])": [2, 3, 4, 3],
    "Z[m] = X[m-1] + 1": [None, 2, 3, 4],
    "Z[m] = relu(X[m-1])": [None, 1, 2, 3],
    "Z[m] = keep(X[m], gt(X[m], 2))": [None, None, 3, 4],
    "Z[m] = select(gt(X[m], 2), X[m], -1)": [-1, -1, 3, 4],
    "Z = X[m]": [10],
    "Z = prod(m) X[m]": [24],
    "Z = min(m) X[m] where m > 1": [3],
    "Z = max(m) X[m] where m > 9": [None],
    "Z = X[m] where m > 9": [None],
    "Z = X[M-1]": [4],
    "Z = min(m) X[m] * 0 + M": [4],
    "Z[j] = topk(m -> j) X[m]": [4, 3],
    "Z[j] = argtopk(m -> j) X[m]": [3, 2],
    "Z[j] = topk(m -> j) X[m] where m < 1": [1, None],
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("einsum", ON_A_VECTOR)
def test_an_einsum_on_a_vector(einsum: str) -> None:
    assert shown(run(einsum, "X[m]", {"X": X})) == ON_A_VECTOR[einsum]


def test_zeros_of_a_sparse_input_are_absent_and_a_reduction_passes_them_over() -> None:
    values = {"S": [[0.0, -2.0, 0.0], [0.0, -1.0, -5.0]]}
    keys = "sparse: {S: 0.5}"
    assert shown(run("Z[p] = max(m) S[m,p]", "S[m,p]", values, keys, M=2)) == [None, -1.0, -5.0]


def test_reductions_apply_from_the_right() -> None:
    values = {"S": [[1.0, 5.0], [2.0, 3.0]]}
    assert shown(run("Z = max(p) sum(m) S[m,p]", "S[m,p]", values, M=2, P=2)) == [8.0]
    assert shown(run("Z = sum(m) max(p) S[m,p]", "S[m,p]", values, M=2, P=2)) == [8.0]
    assert shown(run("Z = sum(p) min(m) S[m,p]", "S[m,p]", values, M=2, P=2)) == [4.0]


SPLIT = "split: {M: [M1, M0]}"


def test_the_last_tile_of_a_split_rank_ends_with_the_rank() -> None:
    lines = "T[m1,m0] = X[m1,m0]\nZ[m1] = max(m0) T[m1,m0]"
    assert shown(run(lines, "X[m]", {"X": X}, SPLIT, M0=3)) == [3.0, 4.0]


def test_a_tile_is_read_by_the_whole_rank_again() -> None:
    lines = "T[m1,m0] = 10 * X[m1,m0]\nZ[m] = T[m] + X[m]"
    assert shown(run(lines, "X[m]", {"X": X}, SPLIT, M0=3)) == [11.0, 22.0, 33.0, 44.0]


def test_parts_are_joined_in_the_output() -> None:
    lines = "T[m1,m0] = 10 * X[m1,m0]\nZ[m1*M0+m0] = T[m1,m0]"
    assert shown(run(lines, "X[m]", {"X": X}, SPLIT, M0=3)) == [10.0, 20.0, 30.0, 40.0]


def test_a_neighbour_inside_a_tile_does_not_lie_in_the_next_tile() -> None:
    assert shown(run("Z[m1,m0] = X[m1,m0+1] * X[m1,m0]", "X[m]", {"X": X}, SPLIT, M0=2)) == [2, None, 12, None]


def test_places_beyond_a_rank_are_absent_even_if_no_tensor_has_them_all() -> None:
    values = {"C": [1.0, 10.0], "D": [1.0, 2.0]}
    assert shown(run("Z[m1] = C[m1] * D[m0]", "C[m1], D[m0]", values, SPLIT, M=3, M0=2)) == [3.0, 10.0]


def test_a_rank_splits_into_three_parts() -> None:
    keys = "split: {M: [M2, M1, M0]}"
    points = run("Z[m2] = X[m2,m1,m0] where m > 0", "X[m]", {"X": range(9)}, keys, M=9, M1=2, M0=2)
    assert shown(points) == [6.0, 22.0, 8.0]


ITERATION = "iterate: M\nstart: {R: 0}"


def test_a_state_runs_from_its_start_to_the_extent() -> None:
    assert shown(run("R[m+1] = 2 * R[m] + X[m]\nZ = R[M]", "X[m]", {"X": X}, ITERATION)) == [26.0]


def test_every_state_can_be_read_after_the_iteration() -> None:
    assert shown(run("R[m+1] = R[m] + X[m]\nZ[m] = R[m+1]", "X[m]", {"X": X}, ITERATION)) == [1, 3, 6, 10]


@pytest.mark.parametrize(("steps", "total"), [(1, 1.0), (3, 6.0), (9, 10.0)])
def test_a_stop_condition_ends_an_iteration_early(steps: int, total: float) -> None:
    keys = f"{ITERATION}\nstop: m >= STEPS\nconstants: {{STEPS: {steps}}}"
    assert shown(run("R[m+1] = R[m] + X[m]\nZ = R[M]", "X[m]", {"X": X}, keys)) == [total]


def test_a_state_may_look_two_steps_back() -> None:
    keys = "iterate: M\nstart: {F: 1}"
    assert shown(run("F[m+2] = F[m+1] + F[m]\nZ[m] = F[m] + 0 * X[m]", "X[m]", {"X": X}, keys)) == [1, 1, 2, 3]


def test_states_that_need_each_other_advance_together() -> None:
    lines = "A[m+1] = A[m] + B[m]\nB[m+1] = B[m] + X[m] * A[m+1]\nZ = B[M]"
    a, b = 1.0, 1.0
    for x in X:
        a = a + b
        b = b + x * a
    assert shown(run(lines, "X[m]", {"X": X}, "iterate: M\nstart: {A: 1, B: 1}")) == [b]


def test_a_grid_of_states_is_walked_along_both_ranks() -> None:
    lines = "G[m+1,p+1] = G[m,p+1] + G[m+1,p]\nZ = G[M,P] + 0 * X[m]"
    points = run(lines, "X[m]", {"X": X}, "iterate: [M, P]\nstart: {G: 1}", P=3)
    assert shown(points) == [4 * math.comb(7, 3)]


def test_an_operator_of_ones_own_maps_and_reduces() -> None:
    keys = "operators: {lse: {expression: 'max(x, y) + log(1 + exp(min(x, y) - max(x, y)))', identity: -inf}}"
    points = run("Z = lse(m) X[m] where m > 0", "X[m]", {"X": X}, keys)
    assert points.values == pytest.approx(math.log(math.exp(2) + math.exp(3) + math.exp(4)))
    assert shown(run("Z[m] = lse(X[m-1], X[m]) where m < 1", "X[m]", {"X": X}, keys)) == [1, None, None, None]


def test_an_operator_of_ones_own_may_use_an_earlier_one() -> None:
    keys = "operators:\n  twice: {expression: 2 * x}\n  four: {expression: twice(twice(x))}"
    assert shown(run("Z[m] = four(X[m])", "X[m]", {"X": X}, keys)) == [4, 8, 12, 16]


def test_lines_may_stand_in_any_order() -> None:
    lines = "Z[m] = B[m] + R[m]\nB[m] = 2 * A[m]\nR[m+1] = R[m] + A[m]\nA[m] = 3 * X[m]"
    assert shown(run(lines, "X[m]", {"X": X}, ITERATION)) == [6, 15, 27, 42]
    states = "Z[m] = R[m+1]\nR[m+1] = R[m] + X[m]"
    assert shown(run(states, "X[m]", {"X": X}, ITERATION)) == [1, 3, 6, 10]


def test_an_open_constant_is_bound_with_the_extents() -> None:
    assert shown(run("Z[m] = W * X[m]", "X[m]", {"X": X}, "constants: {W: null}", W=3)) == [3, 6, 9, 12]


def test_the_size_of_the_tiles_does_not_change_the_values() -> None:
    cascade = load_cascade("attention_1pass")
    sizes = {"B": 1, "H": 2, "P": 3, "M": 7, "E": 2, "F": 2}
    inputs = random_inputs(cascade, {**sizes, "M0": 1}, np.random.default_rng(5))
    first, *others = (evaluate(cascade, {**sizes, "M0": tile}, inputs)["AV"].values for tile in range(1, 9))
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-12)


def test_large_scores_do_not_overflow_where_the_maximum_is_taken_off() -> None:
    cascade = load_cascade("attention_1pass")
    sizes = {"B": 1, "H": 1, "P": 2, "M": 5, "E": 1, "F": 1, "M0": 2}
    inputs = {name: 1000.0 * value for name, value in random_inputs(cascade, sizes, np.random.default_rng(3)).items()}
    assert np.isfinite(evaluate(cascade, sizes, inputs)["AV"].values).all()


def test_intermediate_tensors_can_be_looked_at() -> None:
    cascade = load_cascade("attention_3pass_causal")
    sizes = {"B": 1, "H": 1, "P": 3, "M": 3, "E": 2, "F": 2}
    tensors = evaluate_tensors(cascade, sizes, random_inputs(cascade, sizes, np.random.default_rng(3)))
    assert tensors["SN"].present[0, 0].tolist() == [[True, True, True], [False, True, True], [False, False, True]]


def test_all_that_is_missing_is_said_at_once() -> None:
    cascade = load_cascade("gemm")
    with pytest.raises(CascadeError, match="rank M of gemm has no extent") as caught:
        evaluate(cascade, {"K": 2}, {})
    assert len(caught.value.problems) == 2
    with pytest.raises(CascadeError, match=r"input A has shape \(1,\), expected \(2, 2\)") as caught:
        evaluate(cascade, {"K": 2, "M": 2, "N": 2}, {"A": np.zeros(1)})
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(("extent", "what"), [(0, "the extent 0 of rank M"), (-3, "the extent -3 of rank M")])
def test_an_extent_is_positive(extent: int, what: str) -> None:
    with pytest.raises(CascadeError, match=what):
        random_inputs(load_cascade("gemm"), {"K": 2, "N": 2, "M": extent}, np.random.default_rng(1))


def test_a_constant_in_an_index_is_a_whole_number() -> None:
    text = FRAME.format(einsums="  Z[m] = X[m+W]", inputs="X[m]", keys="constants: {W: null}")
    cascade = read_cascade(text)
    with pytest.raises(CascadeError, match=r"constant W is 2\.5 but counts positions"):
        evaluate(cascade, {"M": 4, "P": 1, "J": 1}, {"X": np.asarray(X)}, {"W": 2.5})
    with pytest.raises(CascadeError, match="the constant W counts positions here"):
        run("Z[m] = X[m+W]", "X[m]", {"X": X}, "constants: {W: 0.5}")
    assert shown(run("Z[m] = W * X[m]", "X[m]", {"X": X}, "constants: {W: 0.5}")) == [0.5, 1, 1.5, 2]


def test_ranks_that_are_the_same_have_one_size() -> None:
    with pytest.raises(CascadeError, match="M is 3 but P is 4"):
        random_inputs(load_cascade("encoder_layer"), {"M": 3, "P": 4}, np.random.default_rng(1))
