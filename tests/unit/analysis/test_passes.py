"""How many passes cascades need: the published ones, and others built to mislead a counter that looks at names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from attnsim.analysis.passes import count_passes, passes_over
from attnsim.einsum.ast import Access, Apply, Cascade, Expression
from attnsim.specs.cascade import load_cascade

SOFTMAX = "G[p]=max(m) S[m,p]; N[m,p]=exp(S[m,p]-G[p]); D[p]=N[m,p]; A[m,p]=N[m,p]/D[p]"
AGAIN = "G2[p]=max(m) A[m,p]; N2[m,p]=exp(A[m,p]-G2[p]); D2[p]=N2[m,p]; A2[m,p]=N2[m,p]/D2[p]"
MEAN = "U=X[m]; D[m]=X[m]-U/M"
WELFORD = "D[m]=X[m]-MU[m]; MU[m+1]=MU[m]+D[m]/C[m]; Q[m+1]=Q[m]+D[m]*(X[m]-MU[m+1])"
SELF = "K[m,d]=X[m,d]*W[d]; H[p,d]=X[p,d]*W[d]; S[m,p]=H[p,d]*K[m,d]"

# FuseMax (MICRO 2024), sections III and IV: passes over the key rank of the four forms of softmax attention.
PUBLISHED = {"attention_3pass": 3, "attention_3pass_deferred": 2, "attention_2pass": 2, "attention_1pass": 1}

INDEPENDENT = {
    "softmax": ("M P", "S[m,p]", SOFTMAX, {}, {"M": 3, "P": 1}),
    "two softmaxes side by side need no more than one": (
        "M P",
        "S[m,p] S2[m,p]",
        SOFTMAX + "; G2[p]=min(m) S2[m,p]; N2[m,p]=exp(S2[m,p]-G2[p]); D2[p]=N2[m,p]; A2[m,p]=N2[m,p]/D2[p]",
        {},
        {"M": 3},
    ),
    "two softmaxes of the same scores need no more than one": (
        "M P",
        "S[m,p]",
        SOFTMAX + "; G2[p]=min(m) S[m,p]; N2[m,p]=exp(S[m,p]-G2[p]); D2[p]=N2[m,p]; A2[m,p]=N2[m,p]/D2[p]",
        {},
        {"M": 3},
    ),
    "a maximum does not make an unrelated tensor read twice": (
        "M",
        "X[m] Y[m]",
        "G=max(m) X[m]; Z[m]=Y[m]-G",
        {},
        {"M": 1},
    ),
    "passes over two tensors in turn do not add up": (
        "M",
        "X[m] Y[m]",
        "G=max(m) X[m]; Z[m]=Y[m]-G; H=Z[m]; W[m]=X[m]*Y[m]*H",
        {},
        {"M": 2},
    ),
    "broadcast over another rank": (
        "M P N",
        "S[m,p] W[n]",
        "G[p]=max(m) S[m,p]; Z[n,p]=G[p]*W[n]",
        {},
        {"M": 1, "N": 1},
    ),
    "chained products": (
        "I J K L",
        "A[i,j] B[j,k] C[k,l]",
        "T[i,k]=A[i,j]*B[j,k]; Z[i,l]=T[i,k]*C[k,l]",
        {},
        {"I": 1, "J": 1, "K": 1, "L": 1},
    ),
    "a diagonal is one element of each fiber": (
        "M P",
        "X[m,p]",
        "D[p]=X[m,p] where m==p; Z[m,p]=X[m,p]*D[p]",
        {"same": "P=M"},
        {"M": 1},
    ),
}

CHAINED = {
    "softmax of a softmax shares the pass that divides": ("M P", "S[m,p]", f"{SOFTMAX}; {AGAIN}", {}, {"M": 5, "P": 1}),
    "softmax over both ranks together": (
        "M P",
        "S[m,p]",
        "G=max(m,p) S[m,p]; N[m,p]=exp(S[m,p]-G); D=N[m,p]; A[m,p]=N[m,p]/D",
        {},
        {"M": 3, "P": 3},
    ),
    "softmax over one rank, then the other": (
        "M P",
        "S[m,p]",
        SOFTMAX + "; G2[m]=max(p) A[m,p]; N2[m,p]=exp(A[m,p]-G2[m]); D2[m]=N2[m,p]; A2[m,p]=N2[m,p]/D2[m]",
        {},
        {"M": 3, "P": 3},
    ),
    "three normalisations": (
        "M",
        "X[m]",
        "A=X[m]; Y[m]=X[m]/A; B=max(m) Y[m]; Z[m]=Y[m]/B; C=square(Z[m]); W[m]=Z[m]/C",
        {},
        {"M": 4},
    ),
    "values join the third pass over scores, and are read once more": (
        "M",
        "S[m] V[m]",
        "G=max(m) S[m]; N[m]=exp(S[m]-G); D=N[m]; A[m]=N[m]/D; B[m]=A[m]*V[m]; C=B[m]; E[m]=V[m]*C",
        {},
        {"M": 4},
    ),
    "tokens read as keys, as queries, and again for the residual": (
        "T M P D",
        "X[t,d] W[d]",
        f"{SELF}; {SOFTMAX.replace('D[p]', 'L[p]')}; V[m,d]=X[m,d]*W[d]; O[p,d]=A[m,p]*V[m,d]; Y[p,d]=X[p,d]+O[p,d]",
        {"same": "M=T P=T"},
        {"T": 4, "M": 3, "P": 1, "D": 2},
    ),
    "a square of a matrix, times the matrix": (
        "I J K",
        "A[i,j]",
        "T[i,k]=A[i,j]*A[j,k]; Z[i,k]=T[i,k]*A[i,k]",
        {"same": "I=J K=J"},
        {"I": 2, "J": 2},
    ),
}

STATISTICS = {
    "variance needs the mean": ("M", "X[m]", f"{MEAN}; V=square(D[m])", {}, {"M": 2}),
    "variance from the sum of squares": ("M", "X[m]", "U=X[m]; Q=square(X[m]); V=Q/M-square(U/M)", {}, {"M": 1}),
    "layer norm": ("M", "X[m]", f"{MEAN}; V=square(D[m]); Y[m]=D[m]*rsqrt(V/M)", {}, {"M": 3}),
    "layer norm from the sum of squares": (
        "M",
        "X[m]",
        "U=X[m]; Q=square(X[m]); V=Q/M-square(U/M); Y[m]=(X[m]-U/M)*rsqrt(V)",
        {},
        {"M": 2},
    ),
    "Welford's variance": ("M", "X[m] C[m]", f"{WELFORD}; V=Q[M]/M", {"iterate": "m", "start": "MU Q"}, {"M": 1}),
    "normalised with Welford's mean": (
        "M",
        "X[m] C[m]",
        f"{WELFORD}; Y[m]=(X[m]-MU[M])*rsqrt(Q[M]/M)",
        {"iterate": "m", "start": "MU Q"},
        {"M": 2},
    ),
    "largest values": ("M P K", "S[m,p]", "T[k,p]=topk(m -> k) S[m,p]", {}, {"M": 1, "K": 1}),
    "softmax of the largest values": (
        "M P K",
        "S[m,p]",
        "T[k,p]=topk(m -> k) S[m,p]; G[p]=max(k) T[k,p]; N[k,p]=exp(T[k,p]-G[p]); D[p]=N[k,p]; A[k,p]=N[k,p]/D[p]",
        {},
        {"M": 1, "K": 3},
    ),
    "scores above the k-th largest": (
        "M P K",
        "S[m,p]",
        "T[k,p]=topk(m -> k) S[m,p]; L[p]=min(k) T[k,p]; Y[m,p]=keep(S[m,p], ge(S[m,p],L[p]))",
        {},
        {"M": 2},
    ),
    "value where the score is largest": (
        "M P",
        "S[m,p] V[m]",
        "G[p]=max(m) S[m,p]; H[m,p]=eq(S[m,p],G[p]); O[p]=H[m,p]*V[m]",
        {},
        {"M": 2},
    ),
}

TILES = {"split": "M=M1,M0"}
SPLITS = {
    "maximum of the inner part": (
        "M",
        "X[m]",
        "L[m1]=max(m0) X[m1,m0]; Z[m1,m0]=X[m1,m0]-L[m1]",
        TILES,
        {"M": 1, "M1": 1, "M0": 2},
    ),
    "maximum in two steps": (
        "M",
        "X[m]",
        "L[m1]=max(m0) X[m1,m0]; G=max(m1) L[m1]; Z[m1,m0]=X[m1,m0]-G",
        TILES,
        {"M": 2, "M1": 2, "M0": 2},
    ),
    "maximum in two steps, read again without the split": (
        "M",
        "X[m]",
        "L[m1]=max(m0) X[m1,m0]; G=max(m1) L[m1]; Z[m]=X[m]-G",
        TILES,
        {"M": 2},
    ),
    "maximum in three steps": (
        "M",
        "X[m]",
        "L[m2,m1]=max(m0) X[m2,m1,m0]; H[m2]=max(m1) L[m2,m1]; G=max(m2) H[m2]; Z[m2,m1,m0]=X[m2,m1,m0]-G",
        {"split": "M=M2,M1,M0"},
        {"M": 2, "M2": 2, "M1": 2, "M0": 2},
    ),
    "tiles named only by the index": (
        "M Q S",
        "X[m]",
        "G[q]=max(s) X[q*S+s]; N[q,s]=exp(X[q*S+s]-G[q])",
        {},
        {"M": 1, "Q": 1, "S": 2},
    ),
    "all tiles named only by the index": (
        "M Q S",
        "X[m]",
        "G[q]=max(s) X[q*S+s]; H=max(q) G[q]; N[q,s]=exp(X[q*S+s]-H)",
        {},
        {"M": 2, "Q": 2, "S": 2},
    ),
}

SCAN = {"iterate": "m", "start": "C"}
BOTH = {"iterate": "m", "start": "F B"}
SCANS = {
    "prefix sums used on the way": ("M", "X[m]", "C[m+1]=C[m]+X[m]; Z[m]=X[m]*C[m+1]", SCAN, {"M": 1}),
    "the final prefix sum used on the way back": ("M", "X[m]", "C[m+1]=C[m]+X[m]; Z[m]=X[m]*C[M]", SCAN, {"M": 2}),
    "prefix sums divided by the last of them": ("M", "X[m]", "C[m+1]=C[m]+X[m]; Z[m]=C[m+1]/C[M]", SCAN, {"M": 2}),
    "suffix sums used on the way": ("M", "X[m]", "C[m+1]=C[m]+X[M-1-m]; Z[m]=X[m]*C[M-m]", SCAN, {"M": 1}),
    "the final suffix sum used again": ("M", "X[m]", "C[m+1]=C[m]+X[M-1-m]; Z[m]=X[m]*C[M]", SCAN, {"M": 2}),
    "prefix and suffix sums together need everything": (
        "M",
        "X[m]",
        "F[m+1]=F[m]+X[m]; B[m+1]=B[m]+X[M-1-m]; Z[m]=F[m]*B[M-m]",
        BOTH,
        {"M": 2},
    ),
    "prefix sums by a mask": (
        "M P",
        "X[m] W[p]",
        "C[p]=X[m]*W[p] where m<=p; Y[p]=X[p]-C[p]",
        {"same": "P=M"},
        {"M": 1},
    ),
    "all others by a mask": (
        "M P",
        "X[m] W[p]",
        "C[p]=X[m]*W[p] where m!=p; Y[p]=X[p]-C[p]",
        {"same": "P=M"},
        {"M": 2},
    ),
    "mirrored pairs": ("M", "X[m]", "Z[m]=X[m]*X[M-1-m]", {}, {"M": 1}),
}

WINDOWS = {
    "neighbours of neighbours": (
        "M",
        "X[m]",
        "Y[m]=X[m]+X[m-1]+X[m+1]; Z[m]=Y[m]+Y[m-1]+Y[m+1]; W[m]=Z[m]+X[m]",
        {},
        {"M": 1},
    ),
    "neighbours of neighbours of something normalised": (
        "M",
        "X[m]",
        "U=X[m]; Y[m]=X[m]/U; A[m]=Y[m-1]+Y[m]+Y[m+1]; B[m]=A[m-1]+A[m]+A[m+1]; C[m]=B[m]*Y[m]",
        {},
        {"M": 2},
    ),
    "convolution": ("W Q S", "X[w] F[s]", "Y[q]=X[q+s]*F[s]; Z[q]=relu(Y[q])", {}, {"W": 1, "Q": 1, "S": 1}),
    "convolution, then normalised": (
        "W Q S",
        "X[w] F[s]",
        "Y[q]=X[q+s]*F[s]; G=max(q) Y[q]; Z[q]=Y[q]-G",
        {},
        {"W": 2, "Q": 2},
    ),
    "softmax in a sliding window": (
        "M Q S",
        "K[m] H[q]",
        "Y[q,s]=K[q+s]*H[q]; G[q]=max(s) Y[q,s]; N[q,s]=exp(Y[q,s]-G[q]); D[q]=N[q,s]; A[q,s]=N[q,s]/D[q]",
        {},
        {"M": 1, "Q": 1, "S": 3},
    ),
    "window of an input read twice": (
        "M Q S",
        "X[m]",
        "G[q]=max(s) X[q+s]; N[q,s]=exp(X[q+s]-G[q])",
        {},
        {"M": 1, "S": 2},
    ),
    "stencil over time can be skewed": (
        "M T",
        "X[m]",
        "H[t+1,m]=H[t,m]+H[t,m-1]+H[t,m+1]+X[m]; O[m]=H[T,m]",
        {"iterate": "t", "start": "H"},
        {"M": 1, "T": 1},
    ),
}

MASKS = {
    "causal softmax": ("M P", "S[m,p]", SOFTMAX.replace("S[m,p];", "S[m,p] where m<=p;", 1), {"same": "P=M"}, {"M": 3}),
    "softmax of masked scores": (
        "M P E",
        "Q[e,p] K[e,m]",
        f"S[m,p]=Q[e,p]*K[e,m] where m<=p; {SOFTMAX}",
        {"same": "P=M"},
        {"M": 3, "P": 1, "E": 1},
    ),
    "softmax of scores in a band": (
        "M P E",
        "Q[e,p] K[e,m]",
        f"S[m,p]=Q[e,p]*K[e,m] where m<=p, p-m<4; {SOFTMAX}",
        {"same": "P=M"},
        {"M": 3},
    ),
    "strictly causal use of a causal maximum": (
        "M P",
        "S[m,p]",
        "G[p]=max(m) S[m,p] where m<=p; N[m,p]=exp(S[m,p]-G[p]) where m<p",
        {"same": "P=M"},
        {"M": 2},
    ),
    "a band on both sides of the diagonal, read again, fits a bounded buffer": (
        "M P",
        "S[m,p]",
        "G[p]=max(m) S[m,p]; N[m,p]=exp(S[m,p]-G[p]) where m-p<4, p-m<4",
        {"same": "P=M"},
        {"M": 1},
    ),
    "a band read again fits a bounded buffer": (
        "M P",
        "S[m,p]",
        "G[p]=max(m) S[m,p]; N[m,p]=exp(S[m,p]-G[p]) where m<=p, p-m<4",
        {"same": "P=M"},
        {"M": 1},
    ),
}

SHIPPED = {
    "flash_attention": {"M": 1, "M1": 1, "M0": 2, "P": 1, "G": 1},
    "attention_3pass_causal": {"M": 3, "P": 1},
    "attention_1pass_causal": {"M": 1, "M1": 1, "M0": 2, "P": 1},
    "sliding_window_attention": {"M": 2},
    "masked_attention": {"M": 2},
    "grouped_query_attention": {"M": 2, "G": 1},
    "sigmoid_attention": {"M": 1},
    "linear_attention": {"M": 1},
    "linear_attention_causal": {"M": 1},
    "linear_attention_chunked": {"P": 1, "P1": 1, "P0": 1, "M0": 1},
    "attention_scan": {"M": 1},
    "attention_scan_blocked": {"M": 1, "M1": 1, "M0": 1},
    "layer_norm": {"D": 3},
    "layer_norm_welford": {"D": 2},
    "topk_attention": {"M": 3},
    "conv1d": {"W": 1, "R": 1},
    "gemm": {"K": 1},
    # Each token is a key, so the residual waits for three passes over all tokens; two norms of three passes each, the
    # first of which joins the residual's, after the projections took all of a token.
    "encoder_layer": {"M": 3, "P": 4, "D": 7},
    # Causal: a token waits for the tokens before it only. Two norms of two passes each, and residuals.
    "decoder_layer": {"M": 3, "P": 3, "D": 5},
}

CASES = {**INDEPENDENT, **CHAINED, **STATISTICS, **SPLITS, **SCANS, **WINDOWS, **MASKS}


@pytest.mark.parametrize(("name", "passes"), PUBLISHED.items())
def test_softmax_attention_needs_the_published_passes_over_the_keys(name: str, passes: int) -> None:
    counted = count_passes(load_cascade(name), {})
    assert {rank: counted[rank].count for rank in "MPEF"} == {"M": passes, "P": 1, "E": 1, "F": 1}


@pytest.mark.parametrize("name", SHIPPED)
def test_passes_of_the_other_shipped_cascades(name: str) -> None:
    counted = count_passes(load_cascade(name), {})
    assert {rank: counted[rank].count for rank in SHIPPED[name]} == SHIPPED[name]


def test_passes_over_one_rank_are_those_of_all_of_them() -> None:
    cascade = load_cascade("flash_attention")
    assert passes_over(cascade, "M", {}) == count_passes(cascade, {})["M"]
    assert passes_over(cascade, "Z", {}) is None


def test_one_pass_attention_still_goes_over_each_tile_twice() -> None:
    counted = count_passes(load_cascade("attention_1pass"), {})
    assert counted["M0"].count == 2
    assert [(step.fiber_of, step.first, step.path, step.again) for step in counted["M0"].witness] == [
        ("QK", "LM", ("RM",), "SLN")
    ]


@pytest.mark.parametrize("name", CASES)
def test_passes_follow_from_the_dependencies(name: str, cascade_of: Callable[..., Cascade]) -> None:
    ranks, inputs, einsums, more, expected = CASES[name]
    counted = count_passes(cascade_of(ranks, inputs, einsums, **more), {})
    assert {rank: counted[rank].count for rank in expected} == expected


@pytest.mark.parametrize("name", CASES)
def test_the_witness_has_one_step_for_each_further_pass(name: str, cascade_of: Callable[..., Cascade]) -> None:
    ranks, inputs, einsums, more, _ = CASES[name]
    counted = count_passes(cascade_of(ranks, inputs, einsums, **more), {})
    assert {rank: len(p.witness) + 1 for rank, p in counted.items()} == {rank: p.count for rank, p in counted.items()}


@pytest.mark.parametrize("steps", [1, 3, 50])
def test_reading_everything_at_each_step_costs_a_pass_a_step(steps: int, cascade_of: Callable[..., Cascade]) -> None:
    decode = cascade_of("M T", "X[m]", "N[t,m]=X[m]*H[t]; H[t+1]=N[t,m]; O=H[T]", iterate="t", start="H")
    counted = count_passes(decode, {"M": 64, "T": steps})
    assert (counted["M"].count, counted["M"].growth) == (steps, {"T": 1})


@pytest.mark.parametrize("name", PUBLISHED)
def test_names_do_not_matter(name: str) -> None:
    cascade = load_cascade(name)
    counted = count_passes(cascade, {})
    renamed = count_passes(_renamed(cascade), {})
    assert {rank: p.count for rank, p in renamed.items()} == {rank: p.count for rank, p in counted.items()}


@pytest.mark.parametrize("name", PUBLISHED)
def test_operators_do_not_matter(name: str) -> None:
    cascade = load_cascade(name)
    anonymous = tuple(replace(e, expression=_with_operator(e.expression, "+")) for e in cascade.einsums)
    counted = count_passes(replace(cascade, einsums=anonymous), {})
    assert counted["M"].count == PUBLISHED[name]


def _renamed(cascade: Cascade) -> Cascade:
    """The same cascade with tensors called by numbers, in an order that has nothing to do with theirs."""
    tensors = sorted({t.name for t in cascade.inputs} | {e.name for e in cascade.einsums}, reverse=True)
    names = {tensor: f"T{number}" for number, tensor in enumerate(tensors)}
    return replace(
        cascade,
        inputs=tuple(replace(tensor, name=names[tensor.name]) for tensor in cascade.inputs),
        einsums=tuple(
            replace(e, output=_access(e.output, names), expression=_expression(e.expression, names))
            for e in cascade.einsums
        ),
        start=tuple((names[state], value) for state, value in cascade.start),
        outputs=tuple(names[output] for output in cascade.outputs),
    )


def _access(access: Access, names: dict[str, str]) -> Access:
    return replace(access, tensor=names[access.tensor])


def _expression(expression: Expression, names: dict[str, str]) -> Expression:
    if isinstance(expression, Access):
        return _access(expression, names)
    if isinstance(expression, Apply):
        return replace(expression, operands=tuple(_expression(operand, names) for operand in expression.operands))
    return expression


def _with_operator(expression: Expression, operator: str) -> Expression:
    if isinstance(expression, Apply):
        operands = tuple(_with_operator(operand, operator) for operand in expression.operands)
        return replace(expression, operator=operator, operands=operands)
    return expression
